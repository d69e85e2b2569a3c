"""Which extra of this package brings a library that is not installed."""

from __future__ import annotations

from collections.abc import Mapping

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "simulator": ("httptools", "jsonschema_rs", "python_multipart", "starlette", "uvicorn"),
    "quality": ("numpy",),
}
"""Modules by extra, of those without which something cannot be done at all."""

_WHAT = {"simulator": "the simulator", "quality": "the package's statistics"}


def what_to_install(error: ImportError) -> str | None:
    """What needs the missing library, and the command that installs it; `None` for a library of no extra."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            verb = "needs" if extra == "simulator" else "need"
            return f"{_WHAT[extra]} {verb} {module}: pip install 'pytest-batcheval[{extra}]'"
    return None
