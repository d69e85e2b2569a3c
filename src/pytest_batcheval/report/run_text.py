"""A run's figures in words: the same at the end of pytest, in `batcheval status --run` and in a report."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from pytest_batcheval.report.figures import ErrorFigures, RunFigures
from pytest_batcheval.text.format import UNKNOWN, dollars, duration, size
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.text.table import one_line
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.origin import describe, is_simulator

LONGEST_MESSAGE = 300


def run_lines(run: RunFigures, done: int | None = None) -> Iterator[tuple[str, str]]:
    """Yield requests, outcome and cost of a run as pairs of a label and a text.

    `done` is the number of requests of open batches that the provider has done; `None` if it is unknown.
    """
    yield "requests", _requests(run, done)
    for one in run.origins if len(run.origins) > 1 else ():
        yield (
            "at",
            Phrase(
                "{origin}: {requests}: {it.answers:,} answered, {it.failed:,} failed, {usd}",
                origin=describe(one.origin),
                requests=Phrase.counted(one.requests, "request"),
                it=one,
                usd=_usd(Decimal(0) if is_simulator(one.origin) else one.usd),
            ),
        )
    if run.input_tokens or run.output_tokens:
        yield "tokens", Phrase("{it.input_tokens:,} in, {it.output_tokens:,} out", it=run)
    yield "cost", _cost(run)
    if run.stages:
        yield "time", _time(run)
        yield "machine", _machine(run)


def error_lines(failures: tuple[ErrorFigures, ...]) -> Iterator[str]:
    """Yield one line for each cause and one for the next step."""
    for error in failures:
        cause = f"{error.code} (HTTP {error.status_code})" if error.status_code else error.code
        text = one_line(error.message)[:LONGEST_MESSAGE]
        failed = Phrase(
            "{n:,} x {cause}, such as {key}", n=error.count, cause=one_line(cause), key=error.key[:KEY_SHOWN]
        )
        yield Phrase("{}: {}", failed, text) if text else failed
        yield Phrase("  {}", Phrase.known(error.next_step))


def open_text(waiting: int, done: int | None) -> Phrase:
    """`275 open`, or `275 open (83 of them done)`."""
    if done is None:
        return Phrase("{waiting:,} open", waiting=waiting)
    return Phrase("{waiting:,} open ({done:,} of them done)", waiting=waiting, done=done)


def _requests(run: RunFigures, done: int | None) -> Phrase:
    sent = Phrase("{requests:,} in {ways}", requests=run.requests, ways=_ways(run))
    if run.resent:
        sent = Phrase("{sent}, with {repeats}", sent=sent, repeats=Phrase.counted(run.resent, "repeat"))
    found = Phrase("{sent}: {it.answers:,} answered, {it.failed:,} failed", sent=sent, it=run)
    return Phrase("{}, {}", found, open_text(run.waiting, done)) if run.waiting else found


def _ways(run: RunFigures) -> Phrase:
    number = sum(run.batches.values())
    batches, calls = Phrase.counted(number, "batch", "batches"), Phrase.counted(run.calls, "individual call")
    if number and run.calls:
        return Phrase("{batches} and {calls}", batches=batches, calls=calls)
    return batches if number else calls if run.calls else Phrase("no batch")


def _cost(run: RunFigures) -> Phrase:
    if run.simulated:
        nothing = Phrase("nothing is paid at a simulator")
        if not run.batch_usd:
            return nothing
        return Phrase("{nothing}; a provider's batches would cost {usd}", nothing=nothing, usd=_usd(run.batch_usd))
    paid, calls = _usd(run.paid_usd), run.batch_usd_as_calls
    if not run.batch_usd or calls is None or calls == run.batch_usd:
        return paid
    less = _usd(calls - run.batch_usd)
    return Phrase("{paid} (as individual calls {calls}: {less} saved)", paid=paid, calls=_usd(calls), less=less)


def _usd(usd: Decimal | None) -> Phrase:
    return Phrase("unknown") if dollars(usd) == UNKNOWN else Phrase("{}", dollars(usd))


def _time(run: RunFigures) -> Phrase:
    """Return the stages that took at least a tenth of a second, over all waves."""
    took: dict[str, float] = {}
    for stage in run.stages:
        took[stage.name] = took.get(stage.name, 0.0) + stage.wall
    parts = [
        Phrase("{} {}", Phrase.known(name, "stage"), duration(seconds, tenths=True))
        for name, seconds in took.items()
        if seconds >= 0.1
    ]
    waves = max(stage.wave for stage in run.stages)
    whole = Phrase("{}", duration(run.seconds))
    if run.simulated:
        whole = Phrase("{time} by the simulator's clock", time=whole)
    if waves > 1:
        whole = Phrase("{time} in {waves} waves", time=whole, waves=waves)
    return Phrase("{}: {}", whole, Phrase.joined(", ", parts)) if parts else whole


def _machine(run: RunFigures) -> Phrase:
    cpu = duration(sum(stage.cpu for stage in run.stages), tenths=True)
    memory = max(stage.memory for stage in run.stages)
    sent, received = sum(stage.sent for stage in run.stages), sum(stage.received for stage in run.stages)
    return Phrase(
        "CPU {cpu}, memory {memory} at most, {sent} sent, {received} received",
        cpu=cpu,
        memory=size(memory),
        sent=size(sent),
        received=size(received),
    )
