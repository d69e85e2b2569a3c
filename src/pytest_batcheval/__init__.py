"""Evaluate LLM answers in bulk as ordinary pytest tests, paid for once through the Batch API."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `batcheval --help` needs nothing else of typing

if TYPE_CHECKING:
    from pytest_batcheval.batch_status import BatchStatus as BatchStatus
    from pytest_batcheval.client import BatchClient as BatchClient
    from pytest_batcheval.client import check_batch_status as check_batch_status
    from pytest_batcheval.client import download_batch_results as download_batch_results
    from pytest_batcheval.engine.batch_run import BatchRun as BatchRun
    from pytest_batcheval.errors import BatchEvalError as BatchEvalError
    from pytest_batcheval.matrix.axes import AxisValue as AxisValue
    from pytest_batcheval.matrix.axes import Persona as Persona
    from pytest_batcheval.matrix.axes import PersonaMatrix as PersonaMatrix
    from pytest_batcheval.matrix.axes import Question as Question
    from pytest_batcheval.recordings.answer_table import Answers as Answers
    from pytest_batcheval.report.notebook_charts import charts as charts
    from pytest_batcheval.wire.input_file import ImportedLine as ImportedLine
    from pytest_batcheval.wire.input_file import InputFileError as InputFileError
    from pytest_batcheval.wire.objects import Answer as Answer
    from pytest_batcheval.wire.objects import Request as Request

_HOMES = {
    "Answer": "wire.objects",
    "Answers": "recordings.answer_table",
    "AxisValue": "matrix.axes",
    "BatchClient": "client",
    "BatchEvalError": "errors",
    "BatchRun": "engine.batch_run",
    "BatchStatus": "batch_status",
    "ImportedLine": "wire.input_file",
    "InputFileError": "wire.input_file",
    "Persona": "matrix.axes",
    "PersonaMatrix": "matrix.axes",
    "Question": "matrix.axes",
    "Request": "wire.objects",
    "charts": "report.notebook_charts",
    "check_batch_status": "client",
    "download_batch_results": "client",
}

__all__ = sorted(_HOMES)

pytest_plugins = ["pytest_batcheval.plugin"]
"""So that `-p pytest_batcheval` loads the plugin."""


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that loading the plugin is fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
