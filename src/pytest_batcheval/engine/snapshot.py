"""Snapshots of running batches for a display, and what a send came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.effects import JOURNAL

STAGES = ("plan", "upload", "queue", "run", "download", "settle")
"""What a batch goes through, in this order: `run` is the provider's work on it, `settle` its end in the journal."""

_STAGES = {"planned": "upload", "uploaded": "queue", "creating": "queue", "ended": "download"}
_QUEUED = ("created", "validating")


@dataclass(frozen=True)
class BatchSnapshot:
    """One batch as it stands.

    Attributes:
        ordinal, of: its number among the batches of this wave, from 1, and their count.
        batch_id: the provider's id; empty until it has one.
        status: the provider's word, or ours before and after (`planned`, `looking for it`, `settled` …).
        stage: one of `STAGES`.
        done, failed, total: requests answered, failed and asked.
        elapsed: seconds on the clock since it was begun, by this process.
        note: what a person should know, such as why it is looked for.
        trouble: why the provider cannot be asked just now; empty when it can.
        ended: whether nothing is left to do.
        endpoint, model: what its requests ask; the model is empty when nobody knows it.
        attached: whether an earlier process created it, so that `elapsed` is not its age.
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

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        name = f" {self.batch_id}" if self.batch_id else ""
        trouble = f" (no answer from the provider: {self.trouble})" if self.trouble else ""
        return f"batch {self.ordinal}/{self.of}{name}: {self.status}, {self.done}/{self.total} done{failed}{trouble}"


@dataclass(frozen=True)
class SendResult:
    """What a send came to; counts are of requests unless said otherwise.

    Attributes:
        requested: different requests asked for.
        stored: those that had an answer before.
        sent: those sent by this run at least once; `keys` are theirs.
        answered: those that have an answer now.
        failed: those that have a failure and no answer now.
        resent: lines sent again after a transient failure.
        batches: batches settled, `attached` of them begun by an earlier run.
        collected: numbers of settled batches that an earlier run had begun.
        rivals: older batches of other machines for whose sake some of ours were cancelled.
        twins: batches that the create of one of ours has made beside it, and that were cancelled.
        twice: keys that such a batch and ours both answered, so that they were paid twice.
        lost: what became of batches whose results are gone.
        unknown: keys whose individual call may have been paid without an answer.
        again: keys sent though an earlier call of theirs may have been paid without an answer.
        broken: unreadable lines, whose files are kept in `files`.
    """

    requested: int
    stored: int
    sent: int
    answered: int
    failed: int
    resent: int
    batches: int
    attached: int
    keys: frozenset[str] = frozenset()
    collected: tuple[int, ...] = ()
    rivals: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    twice: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a person should know of it, a line each."""
        rivals = [f"another machine asked the same in batch {older}; ours was cancelled" for older in self.rivals]
        rivals += [
            f"a create was applied twice, by something between here and the provider; batch {second} was cancelled, "
            "and what it had finished was paid twice"
            for second in self.twins
        ]
        if self.twice:
            rivals.append(f"{len(self.twice)} answers were paid twice: both batches had run before one was cancelled")
        return [*self.lost, *rivals, *self._of_calls, *self.broken]

    @property
    def _of_calls(self) -> list[str]:
        """What is not known of individual calls; they cannot be looked for as batches can."""
        notes = []
        if self.again:
            notes.append(
                f"at most {len(self.again)} calls of unknown outcome may be paid twice: they were under way when a run "
                "ended, or got no answer, and were sent again"
            )
        if self.unknown:
            notes.append(
                f"{len(self.unknown)} calls of unknown outcome may have been paid; the next run sends them again, so "
                "at most so many may be paid twice"
            )
        return notes


def watcher(jobs: Sequence[BatchMachine], show: Callable[[BatchSnapshot], None]) -> Callable[[float], None]:
    """A function of the time that shows each batch whose state or counts have changed."""
    shown: dict[int, tuple[object, ...]] = {}
    attached = [bool(job.row.batch_id) for job in jobs]

    def watch(now: float) -> None:
        for ordinal, job in enumerate(jobs, 1):
            if isinstance(job.effect, JOURNAL) and job.wake <= now:
                continue  # half of a change, whose other half is written next
            state = (job.row.batch_id, job.row.state, job.status, job.done, job.failed, job.finished, bool(job.trouble))
            if shown.get(ordinal) != state:
                shown[ordinal] = state
                show(_snapshot(ordinal, attached, job, now))

    return watch


def _snapshot(ordinal: int, attached: Sequence[bool], job: BatchMachine, now: float) -> BatchSnapshot:
    return BatchSnapshot(
        ordinal=ordinal,
        of=len(attached),
        batch_id=job.row.batch_id,
        status=job.status,
        done=job.done,
        failed=job.failed,
        total=job.row.requests,
        elapsed=max(now - job.began, 0.0),
        note=job.row.note,
        trouble=job.trouble,
        ended=job.finished,
        stage=_stage(job),
        endpoint=job.row.endpoint,
        model=job.row.model,
        attached=attached[ordinal - 1],
    )


def _stage(job: BatchMachine) -> str:
    if job.row.state == "created":
        return "queue" if job.status in _QUEUED else "run"
    return _STAGES.get(job.row.state, "settle")
