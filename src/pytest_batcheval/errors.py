"""The errors a user can meet, the exit status each one ends a run with, and the extra that a missing library needs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of `batcheval` and of a pytest run that could not do its tests."""

    OK = 0
    FAILED = 1
    USAGE = 4
    UNFINISHED = 10
    PROVIDER = 11
    JOURNAL = 12


class BatchEvalError(Exception):
    """Base of every error this package raises on purpose; its text names the next step."""

    exit_status: ExitStatus = ExitStatus.FAILED


class UsageError(BatchEvalError):
    """Something the user wrote is wrong: an option, a marker, a matrix file, a missing key."""

    exit_status = ExitStatus.USAGE


class MatrixError(UsageError):
    """A matrix file or axis is wrong; the text names file and row."""


class PromptError(BatchEvalError):
    """A prompt raised, or did not return a request body; the text names function and parameters."""


class RecordingError(BatchEvalError):
    """A recording is broken or contradicts another; the text names file and line."""

    exit_status = ExitStatus.USAGE


class ProviderError(BatchEvalError):
    """The provider could not be reached, or refused; nothing was lost."""

    exit_status = ExitStatus.PROVIDER


class UnfinishedError(BatchEvalError):
    """Batches were submitted and are still running; the next run re-attaches to them."""

    exit_status = ExitStatus.UNFINISHED


class JournalError(BatchEvalError):
    """The journal cannot be used as it is; the text says what to do."""

    exit_status = ExitStatus.JOURNAL


class AnswerError(BatchEvalError):
    """The request of this answer failed; the text has code, message and next step."""


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
