"""`batcheval init [FOLDER]`: write a small working evaluation next to existing files."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.cli.init_axes import OwnAxes, own_axes
from pytest_batcheval.cli.init_own import OwnData, own_data
from pytest_batcheval.cli.new_file import new_file
from pytest_batcheval.cli.options import say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus

DESCRIPTION = """
Write a small evaluation that runs immediately, offline and without a key: a matrix of 8 virtual patients and 4
questions, a prompt, tests, answers recorded from the simulator, pytest's configuration, lines for .gitignore and
.gitattributes, and a pipeline for GitHub Actions or GitLab. --personas and --questions write it around tables of your
own, and --axis around tables of any other axes, with --models and --samples; they are read in place and not copied.
Existing files are never changed; what to add to them is printed. Beside
an evaluation of your own (pytest's configuration has batch_axes), --ci writes the pipeline alone.
"""
SUITE = (
    "fixtures/personas.yaml",
    "fixtures/questions.yaml",
    "tests/evaluation/interview.py",
    "tests/evaluation/test_interview.py",
    "cassettes/answers/tests/evaluation/test_interview.jsonl",
)
PIPELINES = {"github": ".github/workflows/evaluation.yml", "gitlab": ".gitlab-ci.yml"}
OWN = {
    "tests/evaluation/interview.py": "own_interview.py",
    "tests/evaluation/test_interview.py": "own_test_interview.py",
    "tests/evaluation/ask.py": "own_ask.py",
    "tests/evaluation/test_answers.py": "own_test_answers.py",
}
"""Files that are others around tables of the user's own, and their templates."""

NEXT = (
    ("pytest -m batch", "replays the recorded answers: offline, free"),
    ("pytest -m batch --batch=plan", "shows what would be sent to a model and its cost; sends nothing"),
    ("pytest -m batch --batch=send --batch-backend=simulator --batch-refresh", "sends to a simulator on this machine"),
)
NEXT_WITH_OWN = (
    NEXT[1],
    ("pytest -m batch --batch=record --batch-backend=simulator", "records answers of a simulator on this machine"),
    NEXT[0],
)


@dataclass(frozen=True)
class InitStep:
    """One file.

    Attributes:
        path: its path, with the folder.
        text: its content; `None` if nothing is to be written.
        note: the message if nothing is to be written.
    """

    path: Path
    text: bytes | None
    note: str = ""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "init",
        description=DESCRIPTION,
        epilog="example: batcheval init my-evaluation --personas people.xlsx --questions asked.csv",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="FOLDER",
        help="the folder to write to (default: the current one)",
    )
    parser.add_argument(
        "--personas", type=Path, metavar="FILE", help="a table of your personas: CSV, .xlsx, JSON, JSON lines or YAML"
    )
    parser.add_argument("--questions", type=Path, metavar="FILE", help="a table of your questions")
    parser.add_argument(
        "--factors",
        action="append",
        default=[],
        metavar="LINE",
        help="a line of the ini key batch_factors, for scores in the table of personas, such as 'NS HA = 45 55'",
    )
    parser.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a table of other values than personas and questions, such as item=items.csv (repeatable)",
    )
    parser.add_argument("--models", metavar="A,B", help=f"with --axis: the models that are asked (default: {MODEL})")
    parser.add_argument("--samples", type=int, metavar="K", help="with --axis: answers of each model (default: 1)")
    parser.add_argument(
        "--ci", choices=PIPELINES, help="whose pipeline to write (default: github, beside a new evaluation)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be written")


def run(arguments: argparse.Namespace) -> int:
    """Write the missing files, and print what was written, what was kept and the next commands.

    Raises:
        UsageError: a table cannot be used, or a path leads out of the folder, is a file instead of a folder, or cannot
            be written.
    """
    folder: Path = arguments.folder
    own = _own(arguments)
    steps = list(_steps(folder, arguments.ci, own))
    for note in own.notes(folder) if own else ():
        say(note)
    new = [(step.path, step.text) for step in steps if step.text is not None]
    for path, _ in new:
        _check_place(folder, path)
    for path, text in new:
        if not arguments.dry_run:
            _write(path, text)
        say(f"{'would write' if arguments.dry_run else 'wrote'} {path}")
    for step in steps:
        if step.note:
            say(step.note)
    if not any(step.text or step.note for step in steps):
        say("nothing to do: all files are already there")
    if not arguments.dry_run and len(steps) > 1:
        _say_next(folder, any(step.note for step in steps), NEXT_WITH_OWN if own else NEXT)
    return int(ExitStatus.OK)


def _own(arguments: argparse.Namespace) -> OwnData | OwnAxes | None:
    """The user's tables.

    Raises:
        UsageError: one of them cannot be used, or options do not go together.
    """
    if not arguments.axis:
        if arguments.models or arguments.samples:
            raise UsageError("--models and --samples go with --axis NAME=FILE")
        return own_data(arguments.folder, arguments.personas, arguments.questions, arguments.factors)
    if arguments.personas or arguments.questions or arguments.factors:
        text = "--axis writes an evaluation without personas; leave out --personas, --questions and --factors"
        raise UsageError(text)
    models = [name for name in (arguments.models or MODEL).replace(" ", "").split(",") if name]
    return own_axes(arguments.axis, models, 1 if arguments.samples is None else arguments.samples)


def _steps(folder: Path, ci: str | None, own: OwnData | OwnAxes | None) -> Iterator[InitStep]:
    from pytest_batcheval.cli.init_existing import attributes_note, has_axes, ignore_note, pytest_note

    configuration = own.configuration(folder).encode() if own else _template("pytest.ini")
    alone = ci is not None and has_axes(folder, configuration.decode())
    for name in () if alone else own.suite if isinstance(own, OwnAxes) else SUITE:
        if own is None:
            yield _file(folder / name, _template(name))
        elif not own.is_replaced(name):
            text = _template(OWN.get(name, name))
            yield _file(folder / name, own.filled(text.decode()).encode() if name in OWN else text)
    yield _pipeline(folder, PIPELINES[ci or "github"], b",sheets" if own and own.has_workbook else b"")
    if alone:
        return
    note = pytest_note(folder, configuration.decode())
    yield InitStep(folder / "pytest.ini", configuration if note is None else None, note or "")
    ignored = _template(".gitignore")
    note = ignore_note(folder / ".gitignore", ignored.decode().splitlines()[0])
    yield InitStep(folder / ".gitignore", ignored if note is None else None, note or "")
    attributes = _template(".gitattributes")
    note = attributes_note(folder / ".gitattributes", attributes.decode())
    yield InitStep(folder / ".gitattributes", attributes if note is None else None, note or "")


def _pipeline(folder: Path, name: str, more_extras: bytes = b"") -> InitStep:
    """The step of the pipeline, which belongs to the root of the repository and may have to be merged by hand."""
    from pytest_batcheval.cli.init_existing import added_note, pipeline_note

    text = _template(name).replace(b"[quality,report", b"[quality,report" + more_extras)
    note = pipeline_note(folder, name, text.decode())
    if note is None and name == PIPELINES["gitlab"]:  # the one file of all jobs
        note = added_note(folder / name, text.decode())
    return InitStep(folder / name, None, note) if note is not None else _file(folder / name, text)


def _file(path: Path, text: bytes) -> InitStep:
    if not os.path.lexists(path):
        return InitStep(path, text)
    if _read(path) == text:
        return InitStep(path, None)
    return InitStep(
        path, None, f"kept {path}, which differs from what init writes; to see that: batcheval init NEW_FOLDER"
    )


def _template(name: str) -> bytes:
    """Return a file of the suite; in this package its name ends in .template, so that no tool picks it up."""
    stem = name.rpartition("/")[2].removeprefix(".")
    template = files("pytest_batcheval.cli").joinpath("init_files", f"{stem}.template")
    return template.read_bytes().replace(b"@model@", MODEL.encode())


def _read(path: Path) -> bytes | None:
    """Return a file's content as it was before the checkout; `None` if it cannot be read."""
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")
    except OSError:
        return None


def _check_place(folder: Path, path: Path) -> None:
    """Check, before anything is written, that a file can be written and stays inside the folder.

    Raises:
        UsageError: names the part of the path that is wrong.
    """
    parts = [folder, *(folder / part for part in reversed(path.relative_to(folder).parents[:-1]))]
    for part in parts:
        if os.path.lexists(part) and not part.is_dir():
            raise UsageError(f"{part} is not a folder, so {path} cannot be in it; nothing was written")
        if not part.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{part} leads out of {folder}, to {part.resolve()}; nothing was written")
    nearest = next(place for place in (*reversed(parts), *folder.absolute().parents) if place.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{nearest} is not writable; nothing was written")


def _write(path: Path, text: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as stream:
            stream.write(text)
    except (OSError, UsageError) as error:
        reason = error if isinstance(error, UsageError) else f"cannot write {path} ({error.strerror})"
        raise UsageError(f"{reason}; the files named above are complete, and the same command continues") from None


def _say_next(folder: Path, added: bool, commands: Sequence[tuple[str, str]]) -> None:
    """Print the next commands; `added` if the user must add something before they work."""
    first = ["the additions above"] if added else []
    if folder.resolve() != Path.cwd():
        first.append(f"cd {shlex.quote(str(folder))}")
    say(f"\nnext, after {' and '.join(first)}:" if first else "\nnext:")
    for command, meaning in commands:
        say(f"  {command}\n      {meaning}")
