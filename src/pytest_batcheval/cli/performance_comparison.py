"""`batcheval performance-comparison`: the same requests as batches and as individual calls, against a simulator."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.cli.options import say, say_json, width
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.streams import encodable
from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.report.comparison import Measured
    from pytest_batcheval.simulator.behaviour import Behaviour
    from pytest_batcheval.simulator.http_exchange import Exchange

DESCRIPTION = """
Send the same requests as individual calls, one by one and concurrently, and as batches, to a simulator started for this
purpose, and compare time, HTTP calls, tokens and cost. Nothing leaves this machine. The times are virtual: they follow
from the configured latencies, which the output names, and say nothing about a provider's current load.
"""
CALL_SECONDS = 3.0
"""A usual estimate for an individual call."""

POLLS = ("batches.retrieve", "batches.list")
QUESTIONS = (
    "What brings you here today?",
    "How do you sleep?",
    "How is your appetite?",
    "What do you do when plans change?",
    "How do you get on with others?",
)


@dataclass(frozen=True)
class Way:
    """A way of sending: in batches of at most `batch_size`, or as concurrent calls, `at_once` initially and at most."""

    name: str
    batch_size: int | None = None
    at_once: tuple[int, int] | None = None


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "performance-comparison",
        description=DESCRIPTION,
        epilog="example: batcheval performance-comparison --requests 275 --batch-size 10 25 50",
    )
    parser.add_argument(
        "--requests",
        type=_count,
        nargs="+",
        default=[10, 275],
        metavar="N",
        help="numbers of requests (default: 10 and 275)",
    )
    parser.add_argument(
        "--batch-size", type=_count, nargs="+", default=[], metavar="N", help="also send batches of N requests each"
    )
    parser.add_argument(
        "--call-seconds",
        type=float,
        default=CALL_SECONDS,
        metavar="S",
        help="the latency of an individual call (default: %(default)s)",
    )
    parser.add_argument(
        "--model", default=MODEL, help="the model of the requests, whose prices are used (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        UsageError: a number is out of range, or the model's name is no text.
        ImportError: the simulator is not installed.
    """
    from pytest_batcheval.simulator.behaviour import Behaviour

    if not 0 <= arguments.call_seconds < 600:
        raise UsageError(
            f"--call-seconds must be at least 0 and below 600, when a call times out, not {arguments.call_seconds}"
        )
    if encodable(arguments.model, "utf-8") != arguments.model:
        raise UsageError(f"--model {arguments.model!r} has bytes that are not UTF-8; no model has such a name")
    behaviour = Behaviour(models="any", call_seconds=arguments.call_seconds)
    found = {
        count: [measure(way, requests(count, arguments.model), behaviour) for way in _ways(arguments.batch_size)]
        for count in dict.fromkeys(arguments.requests)
    }
    (_print_json if arguments.json else _print_table)(found, arguments.model, behaviour)
    return int(ExitStatus.OK)


def requests(count: int, model: str) -> list[Request]:
    """Return `count` different questions to simulated patients."""
    return [
        Request({"model": model, "messages": _messages(number), "reasoning_effort": "none"}) for number in range(count)
    ]


def measure(way: Way, wanted: Sequence[Request], behaviour: Behaviour) -> Measured:
    """Send the requests in one way to a new simulator, and measure by its clock."""
    from pytest_batcheval.backends.clocks import SimulatorClock
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.backends.openai_calls import IndividualCalls
    from pytest_batcheval.engine.call_sender import Calling
    from pytest_batcheval.engine.concurrency import ConcurrencyWindow
    from pytest_batcheval.engine.send import SendPolicy, send
    from pytest_batcheval.engine.split import Limits
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.report.comparison import Measured
    from pytest_batcheval.simulator.server import SimulatorServer

    counts: Counter[str] = Counter()

    async def counting(exchange: Exchange) -> None:
        counts[exchange.call] += 1
        await exchange.answer()

    with (
        TemporaryDirectory(prefix="batcheval-comparison-") as folder,
        SimulatorServer(behaviour=behaviour) as server,
        OpenAIBatch(server.base_url, "comparison") as backend,
        SimulatorClock(server.clock_address) as clock,
        IndividualCalls(server.base_url, "comparison") as calls,
        Journal.open(Path(folder) / "journal.sqlite") as journal,
    ):
        server.intercept(counting)
        began = clock.now()
        sent = send(
            wanted,
            backend=backend,
            journal=journal,
            clock=clock,
            calling=Calling(calls, clock, ConcurrencyWindow(*way.at_once)) if way.at_once else None,
            policy=SendPolicy(limits=Limits(requests=way.batch_size) if way.batch_size else Limits(), threads=0),
        )
        seconds, polls = clock.now() - began, sum(counts[call] for call in POLLS)
        used = _tokens(journal.reader)
        usd = _usd(wanted[0].model, *used, batch=way.at_once is None)
    return Measured(way.name, sent.answered, seconds, counts.total() - polls, polls, *used, usd)


def _ways(batch_sizes: Sequence[int]) -> Iterator[Way]:
    from pytest_batcheval.engine.concurrency import CAP, START

    yield Way("calls, one by one", at_once=(1, 1))
    yield Way(f"calls, {START} to {CAP} at once", at_once=(START, CAP))
    yield Way("one batch")
    for size in dict.fromkeys(batch_sizes):
        yield Way(f"batches of {size}", batch_size=size)


def _messages(number: int) -> list[dict[str, str]]:
    patient, question = divmod(number, len(QUESTIONS))
    return [
        {"role": "system", "content": f"You are patient {patient + 1}, at a first interview."},
        {"role": "user", "content": QUESTIONS[question]},
    ]


def _tokens(reader: JournalReader) -> tuple[int, int]:
    rows = reader.batches()
    return sum(row.input_tokens for row in rows), sum(row.output_tokens for row in rows)


def _usd(model: str, input_tokens: int, output_tokens: int, batch: bool) -> Any:
    from pytest_batcheval.engine.pricing import price

    found = price(model, input_tokens, output_tokens, batch)
    return None if found is None else found.usd


def _print_table(found: dict[int, list[Measured]], model: str, behaviour: Behaviour) -> None:
    from pytest_batcheval.report.comparison import comparison_table

    say(f"simulated, on a virtual clock; configured latencies: {_latencies(behaviour)}")
    say(f"prices of {model} (genai-prices); speed-up and saved: relative to calls one by one")
    for count, ways in found.items():
        say(f"\n{counted(count, 'request')}")
        for line in comparison_table(ways, width()):
            say(line)


def _print_json(found: dict[int, list[Measured]], model: str, behaviour: Behaviour) -> None:
    from pytest_batcheval.report.comparison import to_data

    runs = [{"requests": count, "ways": to_data(ways)} for count, ways in found.items()]
    configured = {
        name: getattr(behaviour, name)
        for name in ("call_seconds", "validating_seconds", "start_seconds", "line_seconds", "finalizing_seconds")
    }
    say_json({"simulated": True, "model": model, "configured": configured, "runs": runs})


def _latencies(behaviour: Behaviour) -> str:
    validating, line, finalizing = behaviour.validating_seconds, behaviour.line_seconds, behaviour.finalizing_seconds
    return (
        f"{behaviour.call_seconds:g} s per call; a batch {validating[0]:g} to {validating[1]:g} s of validating, "
        f"{behaviour.start_seconds:g} s and {line[0]:g} to {line[1]:g} s per line, then {finalizing[0]:g} s and "
        f"{finalizing[1]:g} s per line"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 50_000:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to 50000, not {text}")
    return int(text)
