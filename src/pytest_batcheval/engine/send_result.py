"""The result of a send, and the counts it is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.text.format import counted


@dataclass(frozen=True)
class SendResult:
    """Counts of a send, of requests unless said otherwise.

    Attributes:
        requested: different requests asked for.
        stored: those that had an answer before.
        sent: those sent by this run at least once.
        answered: those that have an answer now.
        failed: those that have a failure and no answer now.
        resent: lines sent again after a transient failure.
        batches: batches settled, `attached` of them created by an earlier run.
        collected: numbers of settled batches that an earlier run had begun.
        older: batches of other machines in favour of which some of ours were cancelled.
        twins: second batches that a create of ours has made, and that were cancelled.
        ended: numbers of finished lines of second batches that a create of ours has made, and that had ended, by id.
        twice: keys that such a batch and ours both answered, so that they were paid twice.
        lost: notes on batches whose results are gone.
        unknown: keys whose individual call may have been paid without an answer.
        again: keys sent though an earlier call of theirs may have been paid without an answer.
        broken: unreadable lines, whose files are kept in `files`.
        remarks: what is unusual about the provider, and what follows from it.
    """

    requested: int
    stored: int
    sent: int
    answered: int
    failed: int
    resent: int
    batches: int
    attached: int
    collected: tuple[int, ...] = ()
    older: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    ended: Mapping[str, int] = field(default_factory=dict)
    twice: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()

    def __add__(self, other: SendResult) -> SendResult:
        """The counts of both, as of sends to two backends."""
        return SendResult(
            **{part.name: _joined(getattr(self, part.name), getattr(other, part.name)) for part in fields(self)}
        )

    def __repr__(self) -> str:
        batches = counted(self.batches, "batch", "batches")
        return f"<SendResult {self.answered:,} answered, {self.failed:,} failed, {self.sent:,} sent in {batches}>"

    @property
    def notes(self) -> list[str]:
        """Remarks that the user should read, a line each."""
        older = [
            f"another machine sent some of the same requests in batch {batch}; ours was cancelled"
            for batch in self.older
        ]
        twins = [
            f"a create was applied twice, by something between here and the provider; batch {second} was cancelled, "
            "and what it had finished was paid twice"
            for second in self.twins
        ]
        twins += [
            f"a create was applied twice, by something between here and the provider; batch {second} has ended, and "
            f"its {counted(lines, 'finished line')} were paid twice"
            for second, lines in self.ended.items()
        ]
        twice = []
        if self.twice:
            answers = "1 answer was" if len(self.twice) == 1 else f"{len(self.twice):,} answers were"
            twice.append(f"{answers} paid twice: both batches had run before one was cancelled")
        return [*self.lost, *older, *twins, *twice, *self._of_calls, *self.broken, *self.remarks]

    @property
    def _of_calls(self) -> list[str]:
        """Remarks on individual calls of unknown outcome, which cannot be looked up as batches can."""
        notes = []
        if self.again:
            notes.append(
                f"at most {counted(len(self.again), 'call')} of unknown outcome may be paid twice: sent again after "
                "a run ended during the call, or without an answer"
            )
        if self.unknown:
            them = "it" if len(self.unknown) == 1 else "them"
            notes.append(
                f"{counted(len(self.unknown), 'call')} of unknown outcome may have been paid; the next run sends "
                f"{them} again, so at most {len(self.unknown):,} may be paid twice"
            )
        return notes


def _joined(one: Any, other: Any) -> Any:
    return one | other if isinstance(one, (frozenset, dict)) else one + other


@dataclass
class SendCounts:
    """Counts of a send while it runs.

    Attributes:
        sent: requests that went out in batches of this send; `resent` of its lines were sent again.
        called: keys that went out as individual calls.
        settled: the finished batches, `attached` of them begun by an earlier run.
        twice: keys that two batches both answered.
        unknown: keys whose individual call may have been paid without an answer; `again` those that were sent again.
        remarks: what is unusual about the provider, each once.
    """

    sent: int = 0
    called: set[str] = field(default_factory=set)
    resent: int = 0
    settled: list[BatchMachine] = field(default_factory=list)
    attached: int = 0
    twice: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    remarks: dict[str, None] = field(default_factory=dict)

    def add_calls(self, sent: Collection[str], unknown: Collection[str], tried: Mapping[str, int]) -> None:
        """Add individual calls that were sent, some of `unknown` outcome; `tried` has the attempts before by key."""
        self.called.update(sent)
        self.unknown.update(unknown)
        self.resent += sum(tries > 0 for tries in tried.values())

    def result(
        self, run: str, requested: int, stored: int, answered: int, failed: int, lost: tuple[str, ...]
    ) -> SendResult:
        """The result of the send of this run; `lost` are the notes of batches whose results are gone."""
        settled = sorted(self.settled, key=lambda machine: machine.row.id)
        return SendResult(
            requested=requested,
            stored=stored,
            sent=self.sent + len(self.called),
            answered=answered,
            failed=failed,
            resent=self.resent,
            batches=len(settled),
            attached=self.attached,
            collected=tuple(machine.row.id for machine in settled if machine.row.run != run),
            lost=lost,
            twice=frozenset(self.twice),
            older=tuple(machine.competing.older.id for machine in settled if machine.competing.older),
            twins=tuple(second for machine in settled for second in sorted(machine.competing.twins)),
            ended={id_: n for machine in settled for id_, n in machine.competing.paid_twice(machine.row).items()},
            broken=tuple(text for machine in settled for text in machine.results.broken),
            unknown=frozenset(self.unknown),
            again=frozenset(self.again),
            remarks=tuple(self.remarks),
            files=tuple(file for machine in settled if machine.results.broken for file in machine.results.files),
        )
