"""`batcheval import --from TOOL`: an evaluation that another tool has exported, as tests and axis files."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.foreign.datasets import read_deepeval, read_inspect
from pytest_batcheval.cli.foreign.evaluation import Evaluation, named_model
from pytest_batcheval.cli.foreign.openai_evals import read_openai_evals
from pytest_batcheval.cli.foreign.promptfoo import read_promptfoo
from pytest_batcheval.cli.init import NEXT_WITH_OWN
from pytest_batcheval.cli.new_file import new_folder
from pytest_batcheval.cli.options import say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.format import counted

_AXES = ("template", "case", "model")


def take_evaluation(arguments: argparse.Namespace) -> int:
    """Read the files, print what was found, and with `--output` write a folder that runs.

    Raises:
        UsageError: a file cannot be used, an option has no meaning here, or the folder is not new.
    """
    for option in ("input", "strict", "skip_bad", "json"):
        if getattr(arguments, option):
            raise UsageError(f"--{option.replace('_', '-')} has no meaning with --from; leave it out")
    found = READERS[arguments.tool](arguments.files)
    if arguments.model is not None:
        found.models = [named_model(arguments.model)]
    found.check(arguments.files[0])
    counts = (counted(len(getattr(found, f"{axis}s")), "prompt" if axis == "template" else axis) for axis in _AXES)
    say(f"{arguments.files[0]}: {', '.join(counts)}")
    for line in _todo(found):
        say(f"  {line}")
    if arguments.output is None:
        again = " ".join(shlex.quote(str(path)) for path in arguments.files)
        say(f"to write it: batcheval import --from {arguments.tool} {again} --output FOLDER")
        return int(ExitStatus.OK)
    _write(arguments.output, arguments.tool, found)
    say(f"written to {arguments.output}\nnext, after cd {shlex.quote(str(arguments.output))}:")
    for command, meaning in NEXT_WITH_OWN:
        say(f"  {command}\n      {meaning}")
    return int(ExitStatus.OK)


def _todo(found: Evaluation) -> list[str]:
    """A line for each thing that has no equal; its name is of another tool's file, so it is kept on one line."""
    return [f"# TODO {shown(name)[1:-1]} ({counted(count, 'time')})" for name, count in sorted(found.todo.items())]


def _write(folder: Path, tool: str, found: Evaluation) -> None:
    template = files("pytest_batcheval.cli").joinpath("foreign", "test_imported.py.template").read_text("utf-8")
    lines = _todo(found)
    todo = "\n".join(
        ["", "# What has no equal here; `todo` in fixtures/cases.json has that of each case.", *lines, "", ""]
    )
    text = template.replace("@tool@", tool).replace("@todo@\n", todo if lines else "")
    configuration = ["[pytest]", "batch_axes =", *(f"    {axis}=fixtures/{axis}s.json" for axis in _AXES), ""]
    with new_folder(folder) as beside:
        for name in ("fixtures", "tests"):
            (beside / name).mkdir()
        for axis in _AXES:
            (beside / "fixtures" / f"{axis}s.json").write_bytes(_json(getattr(found, f"{axis}s")))
        (beside / "tests" / "test_imported.py").write_text(text, encoding="utf-8")
        (beside / "pytest.ini").write_text("\n".join(configuration), encoding="utf-8")


def _json(entries: Sequence[Mapping[str, Any]]) -> bytes:
    try:
        text = json.dumps(entries, ensure_ascii=False, indent=2, default=str)
    except TypeError as error:  # a date of YAML as the name of a member
        raise UsageError(f"the evaluation cannot be written as JSON: {error}; nothing was written") from None
    return f"{text}\n".encode("utf-8", "backslashreplace")  # half of a surrogate pair stays the escape that it was


def _promptfoo(paths: Sequence[Path]) -> Evaluation:
    if len(paths) > 1:
        raise UsageError(f"promptfoo's configuration is one file; {len(paths)} are named")
    return read_promptfoo(paths[0])


READERS: dict[str, Callable[[Sequence[Path]], Evaluation]] = {
    "promptfoo": _promptfoo,
    "openai-evals": read_openai_evals,
    "deepeval": read_deepeval,
    "inspect": read_inspect,
}
"""The reader of each tool's files."""
