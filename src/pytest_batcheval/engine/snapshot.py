"""Snapshots of running batches, for displays and measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_batcheval.text.format import counted, duration

if TYPE_CHECKING:
    from pytest_batcheval.engine.batch_machine import BatchMachine

_STAGES = {"planned": "upload", "uploaded": "queue", "creating": "queue", "ended": "download"}
_QUEUED = ("created", "validating")


@dataclass(frozen=True)
class BatchSnapshot:
    """The current state of one batch.

    Attributes:
        ordinal, of: its number among the batches of this wave, from 1, and their count.
        batch_id: the provider's id; empty until it has one.
        status: the provider's, or ours before and after (`planned`, `reconciling`, `settled` …).
        stage: one of `journal.rows.STAGES`.
        done, failed, total: numbers of requests answered, failed, and in all.
        elapsed: seconds on the clock since it was begun, by this process.
        note: a remark for the user, such as the reason it is looked for.
        trouble: the failure of a call that is being retried; empty when there is none.
        ended: whether nothing is left to do.
        endpoint, model: those of its requests; the model is empty when it is unknown.
        attached: whether an earlier process created it, so that `elapsed` is not its age.
        next_look: seconds from now until the provider is asked for it again; `None` while nothing is planned.
    """

    ordinal: int
    of: int
    batch_id: str
    status: str
    done: int
    failed: int
    total: int
    elapsed: float
    note: str = ""
    trouble: str = ""
    ended: bool = False
    stage: str = "plan"
    endpoint: str = ""
    model: str = ""
    attached: bool = False
    next_look: float | None = None

    def differs(self, other: BatchSnapshot | None) -> bool:
        """Whether it says something new, apart from the time."""
        return other is None or replace(self, elapsed=0.0, next_look=None) != replace(
            other, elapsed=0.0, next_look=None
        )

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        name = f" {self.batch_id}" if self.batch_id else ""
        trouble = f" (no answer from the provider: {self.trouble})" if self.trouble else ""
        return f"batch {self.ordinal}/{self.of}{name}: {self.status}, {self.done}/{self.total} done{failed}{trouble}"


@dataclass(frozen=True)
class CallSnapshot(BatchSnapshot):
    """The state of a round of individual calls; `in_flight` of them are under way."""

    in_flight: int = 0

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        trouble = f" ({self.trouble})" if self.trouble else ""
        return f"calls: {self.done}/{self.total} answered{failed}, {self.in_flight} under way{trouble}"


@dataclass(frozen=True)
class WaitSnapshot(BatchSnapshot):
    """A pause before `total` requests are sent again, `seconds` long; `note` has the reason. Its `ordinal` is 0."""

    seconds: float = 0.0

    @classmethod
    def of_pause(cls, seconds: float, requests: int, reason: str, ended: bool = False) -> WaitSnapshot:
        """The snapshot at the beginning of a pause, or at its end."""
        return cls(0, 0, "", "waiting", 0, 0, requests, 0.0, reason, ended=ended, stage="wait", seconds=seconds)

    def __str__(self) -> str:
        return self.text(duration(self.seconds))

    def text(self, seconds: str) -> str:
        """It in words, with its duration in these."""
        return f"waiting {seconds} before {counted(self.total, 'request')} can be sent again: {self.note}"


@dataclass(frozen=True)
class OutageSnapshot(WaitSnapshot):
    """The provider does not answer; it is asked again for at most `seconds` more, while nothing is sent."""

    def text(self, seconds: str) -> str:
        """It in words, with its duration in these."""
        again = f"it is asked again for up to {seconds}" if self.seconds else "it is asked again"
        return f"waiting for the provider, which does not answer ({self.note}): {again}, nothing is sent before"


@dataclass(frozen=True)
class NoticeSnapshot(BatchSnapshot):
    """Something that the user has to know at once: a line of its own, which belongs to no batch."""

    @classmethod
    def of_text(cls, text: str) -> NoticeSnapshot:
        """The snapshot of a text."""
        return cls(0, 0, "", "notice", 0, 0, 0, 0.0, text)

    def __str__(self) -> str:
        return self.note


def unseen(snapshot: BatchSnapshot) -> None:
    """Show nothing."""


def notices(show: Callable[[BatchSnapshot], None]) -> Callable[[str], None]:
    """A function of a text that shows it as a notice."""
    return lambda text: show(NoticeSnapshot.of_text(text))


def changes(show: Callable[[BatchSnapshot], None]) -> Callable[[BatchSnapshot], None]:
    """A `progress` that calls `show` with what is new only, not with each look at the provider."""
    before: dict[int, BatchSnapshot] = {}

    def watch(seen: BatchSnapshot) -> None:
        if isinstance(seen, NoticeSnapshot) or seen.differs(before.get(seen.ordinal)):
            before[seen.ordinal] = seen
            show(seen)

    return watch


def watcher(machines: Sequence[BatchMachine], show: Callable[[BatchSnapshot], None]) -> Callable[[float], None]:
    """A function of the time that shows each batch whose state, counts or next look have changed."""
    from pytest_batcheval.engine.effects import JOURNAL  # reports do without

    shown: dict[int, tuple[object, ...]] = {}
    attached = [bool(machine.row.batch_id) for machine in machines]

    def watch(now: float) -> None:
        for ordinal, machine in enumerate(machines, 1):
            if isinstance(machine.effect, JOURNAL) and machine.wake <= now:
                continue  # half of a change, whose other half is written next
            state = (
                machine.row.batch_id,
                machine.row.state,
                machine.status,
                machine.done,
                machine.failed,
                machine.finished,
                bool(machine.trouble),
                _look(machine),
            )
            if shown.get(ordinal) != state:
                shown[ordinal] = state
                show(_snapshot(ordinal, attached, machine, now))

    return watch


def _snapshot(ordinal: int, attached: Sequence[bool], machine: BatchMachine, now: float) -> BatchSnapshot:
    return BatchSnapshot(
        ordinal=ordinal,
        of=len(attached),
        batch_id=machine.row.batch_id,
        status=machine.status,
        done=machine.done,
        failed=machine.failed,
        total=machine.row.requests,
        elapsed=max(now - machine.began, 0.0),
        note=machine.row.note,
        trouble=machine.trouble,
        ended=machine.finished,
        stage=_stage(machine),
        endpoint=machine.row.endpoint,
        model=machine.row.model,
        attached=attached[ordinal - 1],
        next_look=None if (look := _look(machine)) is None else max(look - now, 0.0),
    )


def _look(machine: BatchMachine) -> float | None:
    """The time of the next look at a batch that the provider has."""
    return machine.wake if machine.row.state == "created" and not machine.finished else None


def _stage(machine: BatchMachine) -> str:
    if machine.row.state == "created":
        return "queue" if machine.status in _QUEUED else "run"
    return _STAGES.get(machine.row.state, "settle")
