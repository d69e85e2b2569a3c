"""Reports of batch tests: outcomes that `xfail` cannot hide, the answers of a failing test, safe to show."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from pytest_batcheval.engine.retry import retry_of_error
from pytest_batcheval.plugin._pytest_compat import add_section, is_report_part, live_log_handler
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.plugin.stash import batch_session
from pytest_batcheval.plugin.unrecorded import Unrecorded
from pytest_batcheval.report.answer_text import cut, labelled, turn_lines
from pytest_batcheval.report.commands import show_command
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import escape_controls, safe_to_print
from pytest_batcheval.wire.answers import Answers, value_id
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer
from pytest_batcheval.wire.origin import describe

MAX_DEPTH = 20
"""Levels of a failure report that are looked through: chained exceptions nest in it."""

MOST_LINES, MOST_CHARACTERS = 1_000, 8_000
"""Of one comparison, and of one of its texts: pytest itself cuts neither where the variable CI is set."""


class RequestFailed(Exception):
    """The request of this test failed at the provider."""

    def __init__(self, answer: Answer, show: str) -> None:
        """`show` is the command that shows the whole answer."""
        error = answer.error
        assert error is not None
        super().__init__(
            f"the request of this test failed: {error}\n"
            f"custom_id {answer.custom_id}, sent to {answer.origin}\n"
            f"{retry_of_error(error).value}\n"
            f"all of it: {show}"
        )


def shape_report(report: pytest.TestReport, error: BaseException) -> None:
    """Make a report of one of our outcomes short, and a failure even where the test is marked xfail."""
    if not isinstance(error, (Unrecorded, RequestFailed)):
        return
    report.outcome = "failed"
    report.longrepr = str(error)
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    if isinstance(error, Unrecorded):
        report.unrecorded = True  # type: ignore[attr-defined]
    else:
        report.request_failed = True  # type: ignore[attr-defined]


def escape_report(report: pytest.TestReport, coloured: bool, whole: bool) -> None:
    """Make every text of a report safe to show: a model may have written it, and a local variable may be the key.

    Where the terminal is coloured, pytest has coloured its diffs already; those colours are dropped. Unless `whole`
    is set, answers of a megabyte are cut to some pages.
    """
    report.longrepr = _SafeTexts(_COLOUR if coloured else _NOTHING, whole).value(report.longrepr, MAX_DEPTH)
    report.sections = [(name, safe_to_print(text)) for name, text in report.sections]


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOTHING = re.compile(r"(?!)")


class _SafeTexts:
    """Makes the texts of one report safe to show; pytest's report objects are changed in place, each once."""

    def __init__(self, dropped: re.Pattern[str], whole: bool) -> None:
        self._dropped = dropped
        self._whole = whole
        self._seen: set[int] = set()

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            text = self._dropped.sub("", value)
            return safe_to_print(text if self._whole else cut(text, MOST_CHARACTERS, MOST_LINES))
        if depth and isinstance(value, (list, tuple)):
            return type(value)(self.value(item, depth - 1) for item in self._few(value))
        if depth and is_report_part(value) and id(value) not in self._seen:
            self._seen.add(id(value))
            for name, inner in vars(value).items():
                # The texts in its sections have been cut already, one by one.
                of = _SafeTexts(self._dropped, whole=True) if name == "sections" else self
                object.__setattr__(value, name, of.value(inner, depth - 1))
        return value

    def _few(self, values: Sequence[Any]) -> Sequence[Any]:
        if self._whole or len(values) <= MOST_LINES or not all(isinstance(value, str) for value in values):
            return values
        return [*values[:MOST_LINES], f"({counted(len(values) - MOST_LINES, 'more line')}: -vv shows them)"]


SECTION = "batch"
MOST_ANSWERS = 3
"""Answers of a table that are shown, of those the failure names."""

SHOWN_LINES, SHOWN_CHARACTERS = 12, 1_000
"""Of one text of an answer, unless `-vv` shows the whole of it."""

MOST_OF_A_VALUE = 200

_WORDS = ("text", "name", "description")
"""Attributes that describe an axis value better than its id; the first it has is shown."""


def show_answers(item: pytest.Item, report: pytest.TestReport) -> None:
    """Show request and answer: of a test's one answer, or of those in its table that the failure names."""
    lines: list[str] = []
    with suppress(Exception):  # an author's objects are shown in it, and no report is worth a run
        lines += _section(item, report)
    if not lines:
        return
    add_section(report, SECTION, "\n".join(lines))


def _section(item: pytest.Item, report: pytest.TestReport) -> Iterator[str]:
    plan, fixtures = item_plan(item), getattr(item, "funcargs", {})
    whole = item.config.get_verbosity() >= 2
    settings = batch_session(item.config).settings
    if plan is not None and isinstance(answer := fixtures.get("answer"), Answer):
        yield from _answer_lines(plan.cells[0].cell, answer, settings, whole)
    if isinstance(answers := fixtures.get("answers"), Answers):
        text = report.longreprtext
        named = [row for row in answers.rows if row.answer.custom_id[:KEY_SHOWN] in text]
        yield _table(answers, named[:MOST_ANSWERS], len(named))
        for row in named[:MOST_ANSWERS]:
            yield ""
            yield from _answer_lines(row.cell, row.answer, settings, whole)


def _table(answers: Answers, shown: list[Any], named: int) -> str:
    failed = sum(answer.error is not None for answer in answers)
    origins = ", ".join(sorted({describe(answer.origin) for answer in answers}))
    without = f", {failed:,} without an answer" if failed else ""
    few = f"{len(shown)} of the {named}" if len(shown) < named else f"{named}"
    rest = f"; {few} that the failure names:" if shown else ""
    return f"a table of {counted(len(answers), 'answer')} from {origins}{without}{rest}"


def _answer_lines(cell: Mapping[str, Any], answer: Answer, settings: Settings, whole: bool) -> Iterator[str]:
    for name, value in cell.items():
        yield labelled(name, _value(value))
    yield labelled("custom_id", answer.custom_id)
    yield labelled("from", describe(answer.origin) + ("" if answer.error else f", model {answer.model}"))
    yield from turn_lines(answer) if whole else turn_lines(answer, SHOWN_CHARACTERS, SHOWN_LINES)
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


class SafeFormatter(logging.Formatter):
    """A wrapper of another formatter that escapes messages and tracebacks; the formatter's own colours stay."""

    def __init__(self, usual: logging.Formatter) -> None:
        super().__init__()
        self._usual = usual

    def format(self, record: logging.LogRecord) -> str:
        """The record as the other formatter shows it."""
        shown = copy.copy(record)
        shown.msg, shown.args = escape_controls(record.getMessage()), None
        if record.exc_info:
            shown.exc_text = escape_controls(self._usual.formatException(record.exc_info))
        return self._usual.format(shown)


def escape_live_logs(config: pytest.Config) -> None:
    """Let pytest's live log escape what it shows from now on."""
    handler = live_log_handler(config)
    formatter = getattr(handler, "formatter", None)
    if handler is not None and formatter is not None and not isinstance(formatter, SafeFormatter):
        handler.setFormatter(SafeFormatter(formatter))
