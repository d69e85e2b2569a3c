"""`batcheval show KEY`: all that is known of a request, and whether it would be sent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_cassettes, add_journal, say, say_json
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.report.answer_text import answered_text, asked_text, labelled

if TYPE_CHECKING:
    from pytest_batcheval.journal.outcomes import Outcome
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.recordings.answers import RecordingPlace, Recordings
    from pytest_batcheval.wire.objects import Answer, Request

MOST_SHOWN = 10
"""Requests of a cell or test that are shown."""

DESCRIPTION = """
Show all that is known of a request: its content and cells, its recordings, its answers in the journal, its batches, its
failure, and whether a run would send it. Texts are shown in full. REQUEST is its custom_id or the beginning of it, the
id of a test that has run here, or the ids of its cell: persona=kim question=goals.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "show",
        description=DESCRIPTION,
        epilog="example: batcheval show persona=kim question=goals",
    )
    parser.add_argument("request", metavar="REQUEST", nargs="+", help="custom_id, test id, or AXIS=ID ...")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_journal(parser)
    add_cassettes(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is known of the request.

    Raises:
        UsageError: no request, or more than one, is meant.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.journal.outcomes import Outcomes
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.recordings.answers import Recordings

    recordings = Recordings(arguments.cassettes)
    with closing(Journal.read(arguments.journal)) as reader:
        keys = _keys(arguments, reader, recordings)
        tests = Outcomes.beside(arguments.journal).by_key(keys)
        for number, key in enumerate(keys):
            if number and not arguments.json:
                say("")
            places = [place for place in recordings.places() if place.line.custom_id == key]
            _show(key, reader, places, tests.get(key, []), arguments.json)
    return int(ExitStatus.OK)


def _show(
    key: str, reader: JournalReader, places: Sequence[RecordingPlace], tests: Sequence[Outcome], as_json: bool
) -> None:
    request = _request(places, reader, key)
    if as_json:
        outcomes = [{"test": test.test, "outcome": test.outcome, "message": test.message} for test in tests]
        return say_json({**_data(request, places, reader, key), "tests": outcomes})
    say(f"request {key}")
    _say_request(request, reader, key)
    _say_recordings(places)
    _say_journal(reader, key, request)
    for test in tests:
        say(labelled("used by", f"{test.test}: {test.outcome}" + (f", {test.message}" if test.message else "")))
    return None


def _keys(arguments: argparse.Namespace, reader: JournalReader, recordings: Recordings) -> list[str]:
    """Return the keys of the requests that are meant."""
    words: list[str] = arguments.request
    cell = dict(word.split("=", 1) for word in words) if all("=" in word for word in words) else {}
    if not cell and len(words) > 1:
        raise UsageError(f"{' '.join(words)}: expected a custom_id, the id of a test, or <axis>=<id> …")
    if cell or "::" in words[0]:
        return _keys_of_answers(arguments, recordings, cell)
    start = words[0]
    recorded = (line.custom_id for line in recordings.lines() if line.custom_id.startswith(start))
    keys = {*reader.keys_like(start), *recorded} or set(reader.keys_named(start))
    if len(keys) == 1:
        return list(keys)
    if not keys:
        stores = f"the journal {arguments.journal} and the recordings in {arguments.cassettes}"
        raise UsageError(f"no request begins with {start!r} in {stores}; name others with --journal and --cassettes")
    listed = ", ".join(sorted(keys)[:5])
    raise UsageError(f"{len(keys)} requests begin with {start!r}: {listed}; give more characters")


def _keys_of_answers(arguments: argparse.Namespace, recordings: Recordings, cell: dict[str, str]) -> list[str]:
    """Return the keys of a cell, or of a test that has run here: a few, since all are shown in full."""
    from pytest_batcheval.report.answer_list import AnswerFilter, listed_answers

    words: list[str] = arguments.request
    chosen = AnswerFilter(cell) if cell else AnswerFilter(test=words[0])
    found = listed_answers(recordings, arguments.journal, chosen)
    keys = list(dict.fromkeys(one.answer.custom_id for one in found))
    if not keys:
        known = "" if cell else "; tests are known that have run here: pytest -m batch"
        raise UsageError(f"no stored answer is of {' '.join(words)}{known}")
    if len(keys) > MOST_SHOWN:
        option = " ".join(f"--where {word}" for word in words) if cell else f"--test {words[0]}"
        raise UsageError(f"{len(keys)} requests are of {' '.join(words)}; list them: batcheval answers {option}")
    return keys


def _request(places: Sequence[RecordingPlace], reader: JournalReader, key: str) -> Request | None:
    """Return the request from the recordings or the journal; `None` if its line is no longer kept."""
    if places:
        return places[0].line.asked()
    return reader.request(key)


def _say_request(request: Request | None, reader: JournalReader, key: str) -> None:
    for name in reader.cells_of(key):
        say(labelled("asked by", name))
    for custom_id, _ in reader.names_of([key]):
        say(labelled("custom_id", f"{custom_id} in an adopted batch"))
    if request is None:
        say("its line is no longer kept")
        return
    say(labelled("endpoint", f"{request.url}, model {request.model or '-'}"))
    say(labelled("request", asked_text(request.body)))


def _say_recordings(places: Sequence[RecordingPlace]) -> None:
    for place in places:
        line = place.line
        cell = ", ".join(f"{axis}={value}" for axis, value in line.cell.items())
        say(f"recorded from {line.origin} ({cell}): replayed offline, not sent to {line.origin} again")
        say(labelled("in", f"{place.path}:{place.number}"))
        say(labelled("answer", answered_text(line.answer(line.asked()))))


def _say_journal(reader: JournalReader, key: str, request: Request | None) -> None:
    answered = set()
    for origin, generation, batch in reader.answers_of(key):
        answered.add(origin)
        say(f"answered by {origin} in batch {batch} (generation {generation}): not sent there again")
    for answer in _newest(reader, request, answered):
        say(labelled("answer", answered_text(answer)))
    for origin, batch, state, note, owned in reader.batches_of(key):
        held = ", which has claimed it: no other batch may send it" if owned else ""
        why = f" ({note})" if note and state in ("void", "lost") else ""
        say(f"was in batch {batch or '(no id)'} of {origin}: {state}{why}{held}")
        if origin not in answered and (failure := _failure(reader, key, origin)):
            say(f"  failed: {failure}")


def _newest(reader: JournalReader, request: Request | None, origins: Iterable[str]) -> Iterator[Answer]:
    """Yield the newest answer of each origin."""
    for origin in sorted(origins):
        yield from reader.answers([request], origin).values() if request is not None else ()


def _data(request: Request | None, places: Sequence[RecordingPlace], reader: JournalReader, key: str) -> dict[str, Any]:
    """Return the same as data."""
    answers = reader.answers_of(key)
    newest = {answer.origin: answer for answer in _newest(reader, request, {origin for origin, *_ in answers})}
    batches = reader.batches_of(key)
    return {
        "custom_id": key,
        "request": None if request is None else json.loads(request.line()),
        "cells": reader.cells_of(key),
        "aliases": [custom_id for custom_id, _ in reader.names_of([key])],
        "recordings": [
            {
                "path": str(place.path),
                "line": place.number,
                "origin": place.line.origin,
                "cell": place.line.cell,
                "response": place.line.answer(place.line.asked()).response,
            }
            for place in places
        ],
        "answers": [{"origin": origin, "generation": number, "batch": batch} for origin, number, batch in answers],
        "newest": {origin: answer.response for origin, answer in newest.items()},
        "batches": [
            {"origin": origin, "batch": batch, "state": state, "owns": owned}
            for origin, batch, state, _, owned in batches
        ],
        "failures": {
            origin: failure
            for origin in sorted({row[0] for row in batches})
            if (failure := _failure(reader, key, origin))
        },
    }


def _failure(reader: JournalReader, key: str, origin: str) -> str:
    from pytest_batcheval.engine.retry import retry_of_error

    found = reader.failure_of(key, origin)
    return "" if found is None else f"{found}; {retry_of_error(found).value}"
