"""Counts for the summary, taken while tests run; a worker's counts travel to the controller as plain data."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

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
    """Counts of one process, and of its workers.

    Attributes:
        used: the answers that tests used, by key.
        missing: unrecorded keys by test id.
        conversations: ids of tests whose conversation is not recorded.
        difference: the lines that differ between the nearest recorded request and the first unrecorded one.
        unused: recorded answers that no test asks for; `None` where that is unknown.
    """

    used: dict[str, UsedAnswer] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    conversations: list[str] = field(default_factory=list)
    first_missing: Request | None = None
    difference: str = ""
    unused: UnusedRecordings | None = None

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

    def unrecorded(self, nodeid: str, requests: Sequence[Request]) -> None:
        """Count a test whose answers are not recorded."""
        self.missing[nodeid] = [request.custom_id for request in requests]
        self.first_missing = self.first_missing or requests[0]

    def by_source(self, brought: Collection[str]) -> Counter[tuple[str, str]]:
        """Number of distinct answers by (source, origin); the source of those from this run's sending is `sent`."""
        return Counter(
            ("sent" if used.source == "journal" and key in brought else used.source, used.origin)
            for key, used in self.used.items()
        )

    def stored(self, brought: Collection[str]) -> Iterator[UsedAnswer]:
        """Answers that were stored before this run."""
        return (used for key, used in self.used.items() if used.source != "failed" and key not in brought)

    def to_data(self) -> dict[str, Any]:
        """Plain data for xdist's channel."""
        return {
            "used": {key: asdict(used) for key, used in self.used.items()},
            "missing": self.missing,
            "conversations": self.conversations,
            "difference": self.difference,
            "first_missing": None if self.first_missing is None else self.first_missing.line().decode(),
            "unused": None if self.unused is None else asdict(self.unused),
        }

    def add_data(self, data: dict[str, Any]) -> None:
        """Add a worker's counts. Every worker collects all tests, so each one knows all unused recordings."""
        for key, used in data["used"].items():
            self.used.setdefault(key, UsedAnswer(**{**used, "times": 0})).times += used["times"]
        self.missing.update(data["missing"])
        self.conversations += data["conversations"]
        self.difference = self.difference or data["difference"]
        if self.first_missing is None and data["first_missing"] is not None:
            line = json.loads(data["first_missing"])
            self.first_missing = Request(line["body"], line["url"], line["method"])
        if self.unused is None and data["unused"] is not None:
            self.unused = UnusedRecordings(**data["unused"])


def _day(answer: Answer) -> str:
    """The day of a model's answer, in local time; a simulator's has none that means anything."""
    if not answer.asked_at or is_simulator(answer.origin):
        return ""
    return time.strftime("%Y-%m-%d", time.localtime(answer.asked_at))
