"""The collection of a project's tests by pytest in a process of its own, which writes what they ask for to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import UsageError


def dump(option: str, arguments: Sequence[str], consequence: str) -> dict[str, Any]:
    """Collect the tests that `arguments` name, and return what `option` of the plugin `request_dump` writes.

    Raises:
        UsageError: the tests cannot be collected; `consequence` says what was not done.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump.json"
        options = ["-q", "--batch=replay", "-p", "pytest_batcheval.plugin.request_dump"]
        command = [sys.executable, "-m", "pytest", *options, f"{option}={path}", *arguments]
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"}
        ended = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False
        )
        if not path.exists():
            raise UsageError(f"cannot collect the tests, so {consequence}:\n{ended.stdout}{ended.stderr}")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
