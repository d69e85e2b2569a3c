"""Counts for the summary: a test's own travel with its report, so that they survive the process that ran it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.origin import is_simulator


@dataclass
class UsedAnswer:
    """One answer that tests used.

    Attributes:
        source: `recording`, `journal`, or `failed`.
        model: the requested one.
        times: cells that used it; all but the first are duplicates.
        round: the round that asked; empty outside any round.
        day: the day on which it was asked, `2026-11-20`; empty where nobody knows, and for a simulator's.
    """

    source: str
    origin: str
    model: str
    input_tokens: int
    output_tokens: int
    times: int
    round: str = ""
    day: str = ""


@dataclass
class UnusedRecordings:
    """Recorded answers that no test asks for.

    Attributes:
        number: of those that no run of these tests asks for, in `files`.
        stale: those of a cell that has another request now.
        other_models: numbers of those in cells that ask another model now, by model.
    """

    number: int
    stale: int
    files: list[str]
    other_models: dict[str, int] = field(default_factory=dict)


@dataclass
class RunStats:
    """Counts of one test, or of all tests of a run.

    Attributes:
        used: the answers that tests used, by key.
        missing: unrecorded keys by test id.
        conversations: ids of tests whose conversation is not recorded.
        modules: the test modules of both, by test id.
        cells: the cells of the answers that a test used or has none of, by key; only of one test.
        first_missing: the first unrecorded request.
        first_cell: its cell.
        difference: the lines that differ between the nearest recorded request and the first unrecorded one.
        unused: recorded answers that no test asks for; `None` where that is unknown.
    """

    used: dict[str, UsedAnswer] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    conversations: list[str] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    first_missing: Request | None = None
    first_cell: Mapping[str, str] = field(default_factory=dict)
    difference: str = ""
    unused: UnusedRecordings | None = None
    _counted: set[str] = field(default_factory=set)

    def use(self, answer: Answer) -> None:
        """Count an answer that a test uses."""
        used = self.used.get(answer.custom_id)
        if used is None:
            source = "failed" if answer.error is not None else answer.source
            counts = answer.tokens if answer.error is None else (0, 0)
            used = self.used[answer.custom_id] = UsedAnswer(
                source, answer.origin, answer.request.model, *counts, times=0, round=answer.round, day=_day(answer)
            )
        used.times += 1

    def unrecorded(self, nodeid: str, module: str, requests: Sequence[Request], cell: Mapping[str, str]) -> None:
        """Count a test whose answers are not recorded; `cell` is that of the first of these requests."""
        self.missing[nodeid], self.modules[nodeid] = [request.custom_id for request in requests], module
        if self.first_missing is None:
            self.first_missing, self.first_cell = requests[0], cell

    def without_conversation(self, nodeid: str, module: str) -> None:
        """Count a test whose conversation is not recorded."""
        self.conversations.append(nodeid)
        self.modules[nodeid] = module

    def by_source(self, brought: Collection[str]) -> Counter[tuple[str, str]]:
        """Number of distinct answers by (source, origin); the source of those from this run's sending is `sent`."""
        return Counter(
            ("sent" if used.source == "journal" and key in brought else used.source, used.origin)
            for key, used in self.used.items()
        )

    def stored(self, brought: Collection[str]) -> Iterator[UsedAnswer]:
        """Answers that were stored before this run."""
        return (used for key, used in self.used.items() if used.source != "failed" and key not in brought)

    def to_data(self, first: bool = True) -> dict[str, Any]:
        """Plain data for a report, and for the channel of another process; the first unrecorded request if wanted."""
        line = None if self.first_missing is None or not first else self.first_missing.line().decode()
        return {
            "used": {key: dict(vars(used)) for key, used in self.used.items()},
            "missing": self.missing,
            "conversations": self.conversations,
            "modules": self.modules,
            "cells": self.cells,
            "first_missing": line,
            "first_cell": dict(self.first_cell) if line else {},
        }

    def add_data(self, test: str, data: dict[str, Any]) -> None:
        """Add the counts of a test, of one that runs again only once."""
        again = test in self._counted
        self._counted.add(test)
        for key, used in data["used"].items():
            known = self.used.get(key)
            if known is None:
                self.used[key] = UsedAnswer(**used)
            elif not again:
                known.times += used["times"]
        self.missing.update(data["missing"])
        self.conversations += (test for test in data["conversations"] if test not in self.modules)
        self.modules.update(data["modules"])
        if self.first_missing is None and data["first_missing"] is not None:
            line = msgspec.json.decode(data["first_missing"])  # a test may have replaced those of `json`
            self.first_missing = Request(line["body"], line["url"], line["method"])
            self.first_cell = data["first_cell"]


def _day(answer: Answer) -> str:
    """The day of a model's answer, in local time; a simulator's has none that means anything."""
    if not answer.asked_at or is_simulator(answer.origin):
        return ""
    return real_time.local("%Y-%m-%d", answer.asked_at)
