"""A run's figures in words: the same at the end of pytest and in `batcheval status --run`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_batcheval.report.figures import ErrorFigures, RunFigures
from pytest_batcheval.text.format import counted, dollars, duration, size
from pytest_batcheval.text.table import one_line
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.origin import is_simulator

LONGEST_MESSAGE = 300


def run_lines(run: RunFigures, done: int | None = None) -> Iterator[tuple[str, str]]:
    """Yield requests, outcome and cost of a run as pairs of a label and a text.

    `done` is the number of requests of open batches that the provider has done; `None` if it is unknown.
    """
    yield "requests", _requests(run, done)
    if run.input_tokens or run.output_tokens:
        yield "tokens", f"{run.input_tokens:,} in, {run.output_tokens:,} out"
    yield "cost", _cost(run)
    if run.stages:
        yield "time", _time(run)
        yield "machine", _machine(run)


def error_lines(failures: tuple[ErrorFigures, ...]) -> Iterator[str]:
    """Yield one line for each cause and one for the next step."""
    for error in failures:
        cause = f"{error.code} (HTTP {error.status_code})" if error.status_code else error.code
        text = one_line(error.message)[:LONGEST_MESSAGE]
        yield one_line(f"{error.count:,} x {cause}, such as {error.key[:KEY_SHOWN]}") + (f": {text}" if text else "")
        yield f"  {error.next_step}"


def open_text(waiting: int, done: int | None) -> str:
    """`275 open`, or `275 open (83 of them done)`."""
    return f"{waiting:,} open" + ("" if done is None else f" ({done:,} of them done)")


def _requests(run: RunFigures, done: int | None) -> str:
    number = sum(run.batches.values())
    ways = [counted(number, "batch", "batches")] if number else []
    if run.calls:
        ways.append(counted(run.calls, "individual call"))
    outcome = f"{run.answers:,} answered, {run.failed:,} failed"
    resent = f", with {counted(run.resent, 'repeat')}" if run.resent else ""
    waiting = f", {open_text(run.waiting, done)}" if run.waiting else ""
    return f"{run.requests:,} in {' and '.join(ways) or 'no batch'}{resent}: {outcome}{waiting}"


def _cost(run: RunFigures) -> str:
    if is_simulator(run.origin):
        would = f"; a provider's batches would cost {dollars(run.batch_usd)}" if run.batch_usd else ""
        return f"nothing is paid at a simulator{would}"
    saved = ""
    if run.batch_usd and run.batch_usd_as_calls is not None:
        less = run.batch_usd_as_calls - run.batch_usd
        saved = f" (as individual calls {dollars(run.batch_usd_as_calls)}: {dollars(less)} saved)" if less else ""
    return f"{dollars(run.paid_usd)}{saved}"


def _time(run: RunFigures) -> str:
    """Return the stages that took at least a tenth of a second, over all waves."""
    took: dict[str, float] = {}
    for stage in run.stages:
        took[stage.name] = took.get(stage.name, 0.0) + stage.wall
    parts = [f"{name} {duration(seconds, tenths=True)}" for name, seconds in took.items() if seconds >= 0.1]
    waves = max(stage.wave for stage in run.stages)
    several = f" in {waves} waves" if waves > 1 else ""
    whose = " by the simulator's clock" if is_simulator(run.origin) else ""
    return f"{duration(run.seconds)}{whose}{several}" + (f": {', '.join(parts)}" if parts else "")


def _machine(run: RunFigures) -> str:
    cpu = duration(sum(stage.cpu for stage in run.stages), tenths=True)
    memory = max(stage.memory for stage in run.stages)
    sent, received = sum(stage.sent for stage in run.stages), sum(stage.received for stage in run.stages)
    return f"CPU {cpu}, memory {size(memory)} at most, {size(sent)} sent, {size(received)} received"
