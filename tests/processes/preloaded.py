"""What the process that others are forked from imports: each of them would need a second for it.

The plugin itself is not among it, since pytest rewrites its assertions; a pytest that is forked needs
PYTEST_DISABLE_PLUGIN_AUTOLOAD, or it would warn that `pytest_batcheval` is imported already.
"""

import gc
import importlib
from contextlib import suppress

import openai
from _pytest.config import default_plugins

NAMES = (
    *(f"_pytest.{plugin}" for plugin in default_plugins),
    *(f"openai.resources.{name}" for name in ("batches", "chat", "files", "models")),
    *("encodings.idna", "genai_prices.data", "jsonschema", "psutil", "resource", "yaml"),
    *(
        "kill_client",
        "killed_call_client",
        "worker_process",
        "psycopg",
        "pytest_batcheval.engine.send",
        "pytest_batcheval.simulator.server",
    ),
)

openai.DefaultHttpxClient().close()  # imports its transport
for name in NAMES:
    with suppress(ImportError):  # an extra that is not installed
        importlib.import_module(name)
gc.collect()
gc.freeze()  # a process that ends looks at its own garbage only
