"""The figures of a journal: requests, answers, losses and cost of its runs. The read model of all reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from pytest_batcheval.engine.pricing import used_usd
from pytest_batcheval.engine.retry import retry_of
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import OPEN, STAGES, BatchRow, CauseRow, RunRow, StageRow, TierUse
from pytest_batcheval.wire.origin import describe, is_simulator


@dataclass(frozen=True)
class ErrorFigures:
    """Requests that still fail for one cause.

    Attributes:
        count: the number of requests.
        key: the `custom_id` of one of them, and `message` its error message.
        retryable: whether the next run sends them again.
        next_step: what the user can do.
    """

    code: str
    status_code: int | None
    count: int
    key: str
    message: str
    retryable: bool
    next_step: str


@dataclass(frozen=True)
class BatchFigures:
    """One batch, or one group of individual calls.

    Attributes:
        number: its number in the journal; `batch_id` is the provider's id, empty until there is one.
        calls: `batch` or `individual`.
        state: the journal's, such as `created` or `settled`; `status` is the provider's.
        requests: its requests, `repeated` of them also in an earlier batch of the same run.
        answers: its answers.
        failed: requests whose newest attempt failed in this batch.
        input_tokens, output_tokens: the tokens of its answers.
        usd: their price in US dollars, at batch rates (the standard rate if the table has none) or at the rate of
            individual calls; `None` if it is unknown.
        usd_as_calls: the price as individual calls.
    """

    number: int
    batch_id: str
    run: str
    origin: str
    calls: str
    state: str
    status: str
    endpoint: str
    model: str
    attempt: int
    requests: int
    repeated: int
    answers: int
    failed: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    usd_as_calls: Decimal | None
    note: str


@dataclass(frozen=True)
class OriginFigures:
    """The part of a run that went to one origin.

    Attributes:
        requests: different ones.
        usd: price of batches and individual calls in US dollars, at their rates; `None` if it is unknown.
    """

    origin: str
    requests: int
    answers: int
    failed: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None


@dataclass(frozen=True)
class RunFigures:
    """One run: its batches, individual calls and their outcome.

    Attributes:
        started: Unix seconds.
        origin: of its own backend, with the provider's base URL; `origins` has every one that it sent to.
        argv: its command line, without keys.
        batches: number of its batches by state; groups of individual calls are not included.
        requests: different requests that it sent or would have sent; `calls` of them as individual calls.
        resent: the number of times that requests were sent again after a transient failure.
        answers: its answers.
        failures: its requests that failed and were not answered, or tried again, by a later run; by cause.
        waiting: requests in batches that have not ended.
        input_tokens, output_tokens: the tokens of its answers.
        batch_usd: price of its batches in US dollars, at batch rates; `None` if it is unknown. This and the next two
            leave out simulators, unless it sent to nothing else.
        batch_usd_as_calls: price of its batches as individual calls.
        calls_usd: price of its individual calls.
        stages: its time by stage, in order; only for runs of pytest.
    """

    id: str
    started: float
    origin: str
    base_url: str
    argv: tuple[str, ...]
    batches: Mapping[str, int]
    requests: int
    calls: int
    resent: int
    answers: int
    failures: tuple[ErrorFigures, ...]
    waiting: int
    input_tokens: int
    output_tokens: int
    batch_usd: Decimal | None
    batch_usd_as_calls: Decimal | None
    calls_usd: Decimal | None
    stages: tuple[StageRow, ...]
    origins: tuple[OriginFigures, ...] = ()

    @property
    def sent_to(self) -> str:
        """The origins that it sent to, in words; its own backend's where it sent nothing."""
        return ", ".join(describe(one.origin) for one in self.origins) or describe(self.origin)

    @property
    def simulated(self) -> bool:
        """Whether it sent to simulators only."""
        return all(map(is_simulator, [one.origin for one in self.origins] or [self.origin]))

    @property
    def seconds(self) -> float:
        """Its duration, by its clock."""
        return sum(stage.wall for stage in self.stages)

    @property
    def failed(self) -> int:
        """The number of requests that still fail."""
        return sum(failure.count for failure in self.failures)

    @property
    def paid_usd(self) -> Decimal | None:
        """The cost of batches and individual calls; 0 at a simulator, `None` if it is unknown."""
        return Decimal(0) if self.simulated else _total([self.batch_usd, self.calls_usd])

    @property
    def state(self) -> str:
        """`open`, `lost`, `failed`, `refused` (all of its batches), `empty` (nothing was sent) or `done`."""
        if self.waiting:
            return "open"
        if "lost" in self.batches:
            return "lost"
        if self.failures:
            return "failed"
        if not self.requests:
            return "empty"
        return "refused" if self.batches and set(self.batches) == {"void"} and not self.answers else "done"


class Figures:
    """Figures of a journal, read again by each call; nothing is written."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader

    def runs(self) -> list[RunFigures]:
        """Return all runs, oldest first.

        Raises:
            JournalError: the journal cannot be read.
        """
        batches: dict[str, list[BatchFigures]] = {}
        all_causes = self._reader.failure_counts()
        for batch in self._batches(all_causes):
            batches.setdefault(batch.run, []).append(batch)
        of_batch = {batch.number: run for run, held in batches.items() for batch in held}
        causes: dict[str, list[CauseRow]] = {}
        for cause in all_causes:
            causes.setdefault(of_batch[cause.batch], []).append(cause)
        stages: dict[str, list[StageRow]] = {}
        for stage in self._reader.stages():
            stages.setdefault(stage.run, []).append(stage)
        return [
            _run(row, batches.get(row.id, []), causes.get(row.id, ()), stages.get(row.id, ()))
            for row in self._reader.runs()
        ]

    def run(self, run: str, collected: Collection[int] = ()) -> RunFigures | None:
        """Return a run by its id, with the batches of these numbers counted as its own; `None` for an unknown id.

        Raises:
            JournalError: the journal cannot be read.
        """
        causes = self._reader.failure_counts()
        held = [batch for batch in self._batches(causes) if batch.run == run or batch.number in collected]
        stages = [stage for stage in self._reader.stages() if stage.run == run]
        return next((_run(row, held, causes, stages) for row in self._reader.runs() if row.id == run), None)

    def batches(self, run: str | None = None) -> list[BatchFigures]:
        """Return all batches and groups of individual calls, oldest first; of one run, or of all.

        Raises:
            JournalError: the journal cannot be read.
        """
        return self._batches(self._reader.failure_counts(), run)

    def errors(self, run: str | None = None) -> list[ErrorFigures]:
        """Return what still fails, by cause, the most frequent first; of one run, or of all.

        Raises:
            JournalError: the journal cannot be read.
        """
        numbers = {row.id for row in self._reader.batches() if run in (None, row.run)}
        return list(_errors(self._reader.failure_counts(), numbers))

    def _batches(self, causes: Iterable[CauseRow], run: str | None = None) -> list[BatchFigures]:
        repeated = self._reader.repeated_counts()
        failed: Counter[int] = Counter()
        for cause in causes:
            failed[cause.batch] += cause.count
        rows = (row for row in self._reader.batches() if run in (None, row.run))
        uses = self._reader.tier_uses()
        return [_batch(row, uses.get(row.id, ()), repeated.get(row.id, 0), failed[row.id]) for row in rows]


def _batch(row: BatchRow, uses: Iterable[TierUse], repeated: int, failed: int) -> BatchFigures:
    return BatchFigures(
        number=row.id,
        batch_id=row.batch_id,
        run=row.run,
        origin=row.origin,
        calls=row.calls,
        state=row.state,
        status=row.status,
        endpoint=row.endpoint,
        model=row.model,
        attempt=row.attempt,
        requests=row.requests,
        repeated=repeated,
        answers=row.answers,
        failed=failed,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        usd=_usd(row, uses, row.calls == "batch"),
        usd_as_calls=_usd(row, (), batch=False),
        note=row.note,
    )


def _usd(row: BatchRow, uses: Iterable[TierUse], batch: bool) -> Decimal | None:
    """Return the price of the tokens of a batch; `None` for a lost one, whose tokens are unknown."""
    if row.state == "lost":
        return None
    if not row.input_tokens and not row.output_tokens:
        return Decimal(0)
    return used_usd(row, uses, batch)


def _run(
    row: RunRow, held: Sequence[BatchFigures], causes: Iterable[CauseRow], stages: Iterable[StageRow]
) -> RunFigures:
    batches = [batch for batch in held if batch.calls == "batch"]
    calls = [batch for batch in held if batch.calls == "individual"]
    paid = [batch for batch in held if not is_simulator(batch.origin)] or held
    priced = {kind: [batch for batch in paid if batch.calls == kind] for kind in ("batch", "individual")}
    return RunFigures(
        id=row.id,
        started=row.started,
        origin=row.origin,
        base_url=row.base_url,
        argv=tuple(json.loads(row.argv)),
        batches=dict(Counter(batch.state for batch in batches)),
        requests=_different(held),
        calls=_different(calls),
        resent=sum(batch.repeated for batch in held),
        answers=sum(batch.answers for batch in held),
        failures=tuple(_errors(causes, {batch.number for batch in held})),
        waiting=sum(batch.requests for batch in held if batch.state in OPEN),
        input_tokens=sum(batch.input_tokens for batch in held),
        output_tokens=sum(batch.output_tokens for batch in held),
        batch_usd=_total(batch.usd for batch in priced["batch"]),
        batch_usd_as_calls=_total(batch.usd_as_calls for batch in priced["batch"]),
        calls_usd=_total(batch.usd for batch in priced["individual"]),
        stages=tuple(sorted(stages, key=lambda stage: (stage.wave, STAGES.index(stage.name)))),
        origins=tuple(_at(origin, held) for origin in dict.fromkeys(batch.origin for batch in held)),
    )


def _at(origin: str, held: Sequence[BatchFigures]) -> OriginFigures:
    here = [batch for batch in held if batch.origin == origin]
    return OriginFigures(
        origin,
        _different(here),
        sum(batch.answers for batch in here),
        sum(batch.failed for batch in here),
        sum(batch.input_tokens for batch in here),
        sum(batch.output_tokens for batch in here),
        _total(batch.usd for batch in here),
    )


def _different(batches: Iterable[BatchFigures]) -> int:
    return sum(batch.requests - batch.repeated for batch in batches)


def _errors(causes: Iterable[CauseRow], batches: set[int]) -> list[ErrorFigures]:
    """Return the failures of these batches by cause, the most frequent first."""
    found: dict[tuple[str, int | None, bool], ErrorFigures] = {}
    for cause in causes:
        if cause.batch not in batches:
            continue
        name = (cause.code, cause.status_code, cause.retryable)
        if name in found:
            found[name] = replace(found[name], count=found[name].count + cause.count)
        else:
            step = retry_of(cause.code, cause.status_code, cause.retryable).value
            found[name] = ErrorFigures(*name[:2], cause.count, cause.key, cause.message, cause.retryable, step)
    return sorted(found.values(), key=lambda error: (-error.count, error.code))


def _total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of costs; unknown if one of them is."""
    known = list(costs)
    return None if None in known else sum((cost for cost in known if cost is not None), Decimal(0))
