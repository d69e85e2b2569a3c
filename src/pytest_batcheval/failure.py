"""What a failing batch test says of its answers, below pytest's own report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from _pytest._code.code import ExceptionRepr

from pytest_batcheval.current import batch_session
from pytest_batcheval.planning import item_plan
from pytest_batcheval.report.commands import show_command
from pytest_batcheval.report.exchange import labelled, turn_lines
from pytest_batcheval.settings import Settings
from pytest_batcheval.wire.answers import Answers, value_id
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer
from pytest_batcheval.wire.origin import describe

SECTION = "batch"
MOST_ANSWERS = 3
"""Answers of a table that are shown, of those the failure names."""

MOST_LINES, MOST_CHARACTERS = 12, 1_000
"""Of one text, where `-vv` does not ask for the whole of it."""

MOST_OF_A_VALUE = 200

_WORDS = ("text", "name", "description")
"""Attributes that tell more of an axis value than its id; the first it has is shown."""


def add_section(item: pytest.Item, report: pytest.TestReport) -> None:
    """Show what was asked and answered: of a test's one answer, or of those in its table that the failure names."""
    lines: list[str] = []
    with suppress(Exception):  # an author's objects are shown in it, and no report is worth a run
        lines += _section(item, report)
    if not lines:
        return
    if isinstance(report.longrepr, ExceptionRepr):
        report.longrepr.addsection(SECTION, "\n".join(lines))
    else:
        report.sections.append((SECTION, "\n".join(lines)))


def _section(item: pytest.Item, report: pytest.TestReport) -> Iterator[str]:
    plan, fixtures = item_plan(item), getattr(item, "funcargs", {})
    whole = item.config.get_verbosity() >= 2
    settings = batch_session(item.config).settings
    if plan is not None and isinstance(answer := fixtures.get("answer"), Answer):
        yield from _told(plan.cells[0].cell, answer, settings, whole)
    if isinstance(answers := fixtures.get("answers"), Answers):
        text = report.longreprtext
        named = [row for row in answers.rows if row.answer.custom_id[:KEY_SHOWN] in text]
        yield _table(answers, named[:MOST_ANSWERS], len(named))
        for row in named[:MOST_ANSWERS]:
            yield ""
            yield from _told(row.cell, row.answer, settings, whole)


def _table(answers: Answers, shown: list[Any], named: int) -> str:
    failed = sum(answer.error is not None for answer in answers)
    origins = ", ".join(sorted({describe(answer.origin) for answer in answers}))
    without = f", {failed:,} without an answer" if failed else ""
    few = f"{len(shown)} of the {named}" if len(shown) < named else f"{named}"
    told = f"; {few} that the failure names:" if shown else ""
    return f"a table of {len(answers):,} answers from {origins}{without}{told}"


def _told(cell: Mapping[str, Any], answer: Answer, settings: Settings, whole: bool) -> Iterator[str]:
    for name, value in cell.items():
        yield labelled(name, _value(value))
    yield labelled("custom_id", answer.custom_id)
    yield labelled("from", describe(answer.origin) + ("" if answer.error else f", model {answer.model}"))
    yield from turn_lines(answer) if whole else turn_lines(answer, MOST_CHARACTERS, MOST_LINES)
    yield labelled("all of it", show_command(answer.custom_id, settings.journal, settings.cassettes))


def _words(value: object) -> str:
    for word in _WORDS:
        with suppress(Exception):  # an author's property
            if isinstance(found := getattr(value, word, None), str) and found:
                return found
    return ""


def _value(value: object) -> str:
    name = value_id(value)
    shown = " ".join(_words(value).split())
    short = shown if len(shown) <= MOST_OF_A_VALUE else f"{shown[:MOST_OF_A_VALUE]}…"
    return f"{name}: {short}" if short and short != name else name
