"""`batcheval show KEY`: where a request's answer is, and why it would be sent."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import CASSETTES, add_journal, say
from pytest_batcheval.wire.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.recordings.line import RecordedLine

DESCRIPTION = """
Show everything that is known of a request: its recordings, with test file and cell, its answers in the journal, the
batches that held it, its failure, and whether a run would send it. KEY is its custom_id, or the beginning of it.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "show", help="what is known of a request", description=DESCRIPTION, epilog="example: batcheval show 02b1c7"
    )
    parser.add_argument("key", metavar="KEY", help="the request's custom_id, or the beginning of it")
    add_journal(parser)
    parser.add_argument(
        "--cassettes", type=Path, default=CASSETTES, metavar="DIR", help="the recordings (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what is known.

    Raises:
        UsageError: nothing, or more than one request, begins with that text.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.recordings.answers import Recordings

    reader = Journal.read(arguments.journal)
    recorded = [line for line in Recordings(arguments.cassettes).lines() if line.custom_id.startswith(arguments.key)]
    try:
        key = _the_one({*reader.keys_like(arguments.key), *(line.custom_id for line in recorded)}, arguments.key)
        say(f"request {key}")
        _say_recordings([line for line in recorded if line.custom_id == key])
        _say_journal(reader, key)
    finally:
        reader.close()
    return int(ExitStatus.OK)


def _the_one(keys: set[str], start: str) -> str:
    if len(keys) == 1:
        return keys.pop()
    if not keys:
        raise UsageError(f"no request begins with {start!r}, in the journal or in the recordings")
    listed = ", ".join(sorted(keys)[:5])
    raise UsageError(f"{len(keys)} requests begin with {start!r}: {listed}; give more of the one you mean")


def _say_recordings(lines: list[RecordedLine]) -> None:
    for line in lines:
        cell = ", ".join(f"{axis}={value}" for axis, value in line.cell.items())
        say(f"recorded from {line.origin} ({cell}): replayed offline, and not sent to {line.origin} again")
        answer = line.answer(line.asked())
        say(f"  {answer.finish_reason}: {answer.text[:300]}")


def _say_journal(reader: JournalReader, key: str) -> None:
    answered = set()
    for origin, generation, batch in reader.answers_of(key):
        answered.add(origin)
        say(f"answered by {origin} in batch {batch} (generation {generation}): not sent there again")
    for origin, batch, state, owned in reader.batches_of(key):
        held = ", which owns it: nothing else may send it" if owned else ""
        say(f"was in batch {batch or '(no id)'} of {origin}: {state}{held}")
        if origin not in answered and (failure := _failure(reader, key, origin)):
            say(f"  failed: {failure}")


def _failure(reader: JournalReader, key: str, origin: str) -> str:
    final = key in reader.final([key], origin)
    found = reader.failure_of(key, origin)
    if found is None:
        return ""
    return f"{found}; " + ("not sent again until its body changes" if final else "sent again by the next run")
