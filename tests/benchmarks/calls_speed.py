"""Individual calls a second: `python tests/benchmarks/calls_speed.py [calls] [limit] [latency_ms] [--workers N]`.

A bare asyncio server in a process of its own answers each call after the latency; the client is the whole engine with a
journal on disk. What the limit allows is `limit / latency`. CPU seconds are those of the client alone.

With `--workers` one and then N processes of `batcheval work` make the calls, each of them `limit` at once, on a
PostgreSQL server that is started for that; the second rate is compared with N times the first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pytest_batcheval import BatchClient
from pytest_batcheval.backends.connect import connect
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.concurrency import ConcurrencyWindow
from pytest_batcheval.engine.send import send
from pytest_batcheval.engine.snapshot import BatchSnapshot, CallSnapshot
from pytest_batcheval.engine.workers import offered_calls
from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes. " * 100}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 400, "completion_tokens": 100, "total_tokens": 500},
}
MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "test"}]}


class Answering(asyncio.Protocol):
    """One connection of a server that answers each POST after `latency` seconds, and a GET at once."""

    latency = 0.0

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport, self.came = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        self.came += data
        while (end := self.came.find(b"\r\n\r\n")) >= 0:
            head = self.came[:end].lower()
            _, given, length = head.partition(b"content-length: ")
            whole = end + 4 + (int(length.partition(b"\r\n")[0]) if given else 0)
            if len(self.came) < whole:
                return
            self.came = self.came[whole:]
            asyncio.get_running_loop().call_later(self.latency * head.startswith(b"post"), self.answer, head)

    def answer(self, head: bytes) -> None:
        """Send the reply."""
        content = json.dumps(ANSWER if head.startswith(b"post") else MODELS).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: %d\r\n\r\n%b"
            % (len(content), content)
        )


async def serve(latency: float, port: Any) -> None:
    """Serve for ever; the port goes to `port`."""
    Answering.latency = latency
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=1000)
    port.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@contextmanager
def served(latency: float) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    fork = get_context("fork")
    port = fork.Queue()
    process = fork.Process(target=lambda: asyncio.run(serve(latency, port)), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get()}/v1"
    finally:
        process.kill()
        process.join()


def asked(count: int, first: int = 0) -> list[Request]:
    """Requests of some 2 kB, each another."""
    words = "I have been asked how things went since we last met. " * 36
    texts = (f"Question {number}. {words}" for number in range(first, first + count))
    return [Request({"model": "m", "messages": [{"role": "user", "content": text}]}) for text in texts]


@dataclass
class Course:
    """The course of a send.

    Attributes:
        points: (time, answers) at each snapshot.
    """

    points: list[tuple[float, int]] = field(default_factory=list)

    def see(self, snapshot: BatchSnapshot) -> None:
        """Take a snapshot."""
        if isinstance(snapshot, CallSnapshot):
            self.points.append((time.perf_counter(), snapshot.done))

    def rate(self, first: int, last: int) -> float:
        """Answers a second between these numbers of answers."""
        within = [point for point in self.points if first <= point[1] <= last]
        (began, before), (ended, after) = within[0], within[-1]
        return (after - before) / (ended - began)


def cpu() -> float:
    """CPU seconds of this process."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def measured(base_url: str, journal: str, calls: int, limit: int, latency: float) -> None:
    """Send, and print the figures."""
    requests, course = asked(calls), Course()
    for request in requests:
        assert request.custom_id  # hashed before the clock runs
    with Journal.open(journal_address(journal, Path.cwd())) as opened, connect(base_url, individual=True) as connection:
        assert connection.calls is not None
        calling = Calling(connection.calls, connection.clock, ConcurrencyWindow(cap=limit))
        before, began = cpu(), time.perf_counter()
        sent = send(
            requests,
            backend=connection.backend,
            journal=opened,
            clock=connection.clock,
            calling=calling,
            progress=course.see,
        )
        seconds, used = time.perf_counter() - began, cpu() - before
    assert sent.answered == calls, sent
    steady = course.rate(calls // 2, calls - limit)
    print(
        f"{calls:,} calls, limit {limit}, {latency * 1000:.0f} ms, one worker: {calls / seconds:.0f} calls/s in all, "
        f"{steady:.0f} in the second half (the limit allows {limit / latency:.0f}: {steady * latency / limit:.0%}); "
        f"{used / calls * 1000:.2f} CPU s a 1,000 calls; load {os.getloadavg()[0]:.0f}",
        flush=True,
    )


def by_workers(base_url: str, journal: str, calls: int, limit: int, workers: int) -> float:
    """Answers a second of so many processes of `batcheval work`, in the middle half of the calls."""
    words = [sys.executable, "-m", "pytest_batcheval.cli", "work", "--journal", journal, "--backend", base_url]
    command = [*words, "--concurrency", str(limit)]
    course = Course()
    crew = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(workers)]
    try:
        with BatchClient(base_url, journal=journal, individual=True, workers="any", progress=course.see) as client:
            sent = client.run(asked(calls)).sent
    finally:
        for process in crew:
            process.terminate()
            process.wait()
    assert (sent.answered, sent.sent) == (calls, calls), sent
    return course.rate(calls // 4, calls * 3 // 4)


def scaling(base_url: str, calls: int, limit: int, latency: float, workers: int) -> None:
    """Measure one worker and several, and print how near they come to so many times the first."""
    sys.path.append(str(Path(__file__).parents[1] / "processes"))
    from postgres_server import PostgresServer

    offered_calls.LOOK = 0.05  # the figures are from what the run sees
    server = PostgresServer()
    try:
        alone = by_workers(base_url, server.url("one"), calls // workers, limit, 1)
        rate = by_workers(base_url, server.url("several"), calls, limit, workers)
    finally:
        server.close()
    print(
        f"{calls:,} calls, limit {limit} a worker, {latency * 1000:.0f} ms: one worker {alone:.0f} calls/s (the limit "
        f"allows {limit / latency:.0f}), {workers} workers {rate:.0f}: {rate / alone / workers:.0%} of linear; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", type=int, nargs="?", default=2000)
    parser.add_argument("limit", type=int, nargs="?", default=64)
    parser.add_argument("milliseconds", type=int, nargs="?", default=200)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "test-key")
    latency = given.milliseconds / 1000
    with TemporaryDirectory() as folder, served(latency) as base_url:
        if given.workers:
            scaling(base_url, given.calls, given.limit, latency, given.workers)
        else:
            measured(base_url, f"{folder}/journal.sqlite", given.calls, given.limit, latency)


if __name__ == "__main__":
    main()
