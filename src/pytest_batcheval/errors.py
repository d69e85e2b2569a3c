"""The errors that users can see, with their exit statuses, and the extras that install missing libraries."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.exit_status import ExitStatus


class BatchEvalError(Exception):
    """Base of all errors that this package raises deliberately; the message names the next step."""

    exit_status: ExitStatus = ExitStatus.FAILED


class UsageError(BatchEvalError):
    """An error in the user's input: an option, a marker, a matrix file, a missing key."""

    exit_status = ExitStatus.USAGE


class BudgetError(UsageError):
    """The requests to be sent could cost more than the budget has left; none was sent."""


class MatrixError(UsageError):
    """A matrix file or axis is wrong; the message names file and row."""


class PromptError(BatchEvalError):
    """A prompt raised, or did not return a request body; the message names function and parameters."""


class RecordingError(BatchEvalError):
    """A recording is broken or contradicts another; the message names file and line."""

    exit_status = ExitStatus.USAGE


class ProviderError(BatchEvalError):
    """The provider was unreachable or refused a call; nothing was lost."""

    exit_status = ExitStatus.PROVIDER


class UnfinishedError(BatchEvalError):
    """Batches were created and are still running; the next run attaches to them."""

    exit_status = ExitStatus.UNFINISHED


class JournalError(BatchEvalError):
    """The journal cannot be used as it is; the message says what to do."""

    exit_status = ExitStatus.JOURNAL


class AnswerError(BatchEvalError):
    """The request of this answer failed; the message has the code and text of the failure."""


EXTRAS: Mapping[str, tuple[str, ...]] = {
    "simulator": ("httptools", "jsonschema_rs", "python_multipart", "starlette", "uvicorn"),
    "quality": ("numpy",),
    "sheets": ("python_calamine",),
}
"""Required modules by extra."""

_WHAT = {"simulator": "the simulator", "quality": "the package's statistics", "sheets": "an .xlsx file"}


def what_to_install(error: ImportError) -> str | None:
    """A message with the feature that needs a missing library and the command to install it; `None` for other ones."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            verb = "need" if extra == "quality" else "needs"
            return f"{_WHAT[extra]} {verb} {module}: pip install 'pytest-batcheval[{extra}]'"
    return None
