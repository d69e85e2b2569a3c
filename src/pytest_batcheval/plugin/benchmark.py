"""The fixture `batch_benchmark`: pytest-benchmark on a simulator's virtual clock, so that figures are exact."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from pytest_batcheval.client import BatchClient
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.simulator.http_exchange import Exchange
    from pytest_batcheval.simulator.server import SimulatorServer

T = TypeVar("T")

TOLERANCE = 0.01
"""Share by which a count may differ from the baseline's."""

COUNTS = ("calls", "polls", "uploads", "bytes", "requests", "input_tokens", "output_tokens")
"""Counts that are compared with the baseline; the time is compared by pytest-benchmark."""


@dataclass(frozen=True)
class Latencies:
    """Virtual seconds that calls to the simulator take; chosen, not measured.

    Attributes:
        upload, create: of an input file, of a batch.
        call: of an individual call.
    """

    upload: float = 2.0
    create: float = 1.0
    call: float = 3.0


class BenchmarkMeter:
    """Intercepts a simulator's calls: uploads and creates take their virtual time, and every call is counted."""

    def __init__(self, latencies: Latencies) -> None:
        self.calls: Counter[str] = Counter()
        self.bytes = 0
        self._seconds = {"files.create": latencies.upload, "batches.create": latencies.create}

    async def __call__(self, exchange: Exchange) -> None:
        """Handle one exchange."""
        self.calls[exchange.call] += 1
        self.bytes += int(exchange.headers.get("content-length", 0))
        seconds = self._seconds.get(exchange.call)
        if seconds is None:
            return await exchange.answer()
        reply = await exchange.handle(exchange)
        await exchange.state.clock.forward(seconds)
        return await exchange.send(reply)

    def counts(self) -> dict[str, int]:
        """Numbers of all HTTP requests, of polls and of uploads, and the bytes that were sent."""
        polls = self.calls["batches.retrieve"] + self.calls["batches.list"]
        return {
            "calls": self.calls.total(),
            "polls": polls,
            "uploads": self.calls["files.create"],
            "bytes": self.bytes,
        }


class BatchBenchmark:
    """Measures work done through a `BatchClient`, in virtual seconds.

    Each round has an empty simulator and a fresh journal. The client makes one call at a time, so that the same
    work takes the same time on every machine. Counts of calls and tokens are in `extra_info`, and are compared with the
    file that `--benchmark-compare` names.
    """

    def __init__(self, benchmark: Any, folder: Path, baseline: Mapping[str, Any] | None) -> None:
        self._benchmark = benchmark
        self._folder = folder
        self._baseline = baseline

    def __call__(
        self,
        work: Callable[[BatchClient], T],
        *,
        individual: bool = False,
        rounds: int = 1,
        latencies: Latencies | None = None,
    ) -> T:
        """Measure `work(client)`, and return the result of its last round.

        Args:
            work: the function to measure.
            individual: the client sends individual calls instead of batches.
            rounds: number of rounds; each is exact, so that one is enough.
            latencies: virtual seconds that calls take.
        """
        from pytest_batcheval.simulator.behaviour import Behaviour
        from pytest_batcheval.simulator.server import SimulatorServer

        chosen = latencies or Latencies()
        behaviour = Behaviour(models="any", call_seconds=chosen.call)
        with SimulatorServer(behaviour=behaviour) as server, pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_API_KEY", "simulator")
            return self._measured(work, server, chosen, individual, rounds)

    def _measured(
        self,
        work: Callable[[BatchClient], T],
        server: SimulatorServer,
        chosen: Latencies,
        individual: bool,
        rounds: int,
    ) -> T:
        from pytest_batcheval.client import BatchClient

        behaviour, stack = server.behaviour, ExitStack()
        meter, journal = BenchmarkMeter(chosen), self._folder / "journal.sqlite"

        def prepare() -> tuple[tuple[BatchClient], dict[str, Any]]:
            nonlocal meter
            stack.close()
            rmtree(self._folder)
            server.reset()
            server.behaviour, meter = behaviour, BenchmarkMeter(chosen)
            server.intercept(meter)
            client = BatchClient(server.base_url, journal=journal, threads=0, individual=individual)
            client.open()
            return (stack.enter_context(client),), {}

        with stack:
            self._benchmark._timer = server.now
            returned: T = self._benchmark.pedantic(work, setup=prepare, rounds=rounds)
        self._record(meter, journal)
        self._compare()
        return returned

    def _record(self, meter: BenchmarkMeter, journal: JournalAddress) -> None:
        from pytest_batcheval.engine.pricing import price
        from pytest_batcheval.journal.store import Journal

        with closing(Journal.read(journal)) as reader:
            rows = reader.batches()
        prices = [price(row.model, row.input_tokens, row.output_tokens, row.calls == "batch") for row in rows]
        figures = meter.counts() | {
            "requests": sum(row.requests for row in rows if row.state == "settled"),
            "input_tokens": sum(row.input_tokens for row in rows),
            "output_tokens": sum(row.output_tokens for row in rows),
            "usd": float(sum(found.usd for found in prices if found is not None)),
        }
        self._benchmark.extra_info.update(figures)

    def _compare(self) -> None:
        """Fail when a count differs from the baseline; a benchmark that is not in it is new."""
        known = (self._baseline or {}).get(self._benchmark.fullname)
        if known is None:
            return
        found = self._benchmark.extra_info
        other = [
            f"{name}: {found[name]} instead of {known[name]}"
            for name in COUNTS
            if name in known and abs(found[name] - known[name]) > TOLERANCE * abs(known[name])
        ]
        if other:
            pytest.fail(f"{self._benchmark.name} is not as in the baseline: {', '.join(other)}", pytrace=False)


@pytest.fixture
def _batch_benchmark_alone(request: pytest.FixtureRequest) -> None:
    """Skip before `benchmark` is there, which warns of a test that has not used it."""
    if hasattr(request.config, "workerinput"):
        pytest.skip("benchmarks do not run under -n, where pytest-benchmark measures nothing; run them with -n 0")


@pytest.fixture
def batch_benchmark(
    request: pytest.FixtureRequest, _batch_benchmark_alone: None, benchmark: Any, tmp_path: Path
) -> BatchBenchmark:
    """Measure work through the Batch API on a virtual clock: `batch_benchmark(lambda client: client.run(requests))`.

    It needs pytest-benchmark, whose fixture `benchmark` it uses.
    """
    folder = tmp_path / "rounds"
    folder.mkdir()
    return BatchBenchmark(benchmark, folder, _baseline(request.config))


def _baseline(config: pytest.Config) -> dict[str, Any] | None:
    """The `extra_info` of each benchmark in the file that `--benchmark-compare` names; `None` when it names none."""
    chosen = config.getoption("benchmark_compare", None)
    path = Path(chosen) if isinstance(chosen, str) else None
    if path is None or not path.is_file():
        return None
    saved = json.loads(path.read_text(encoding="utf-8"))
    return {benchmark["fullname"]: benchmark["extra_info"] for benchmark in saved["benchmarks"]}
