"""Claims a second in one PostgreSQL journal: `python tests/paying_once/claim_rate.py [senders] [keys] [batch]`.

Every sender asks for all keys, in batches; each begins at a place of its own. The figures of docs/scale.md are its output.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "processes"))

from postgres_server import PostgresServer

from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import ClaimedError
from pytest_batcheval.wire.objects import Request

ORIGIN = "https://api.test/v1"


def hashed(keys: int) -> list[Request]:
    """Requests whose keys are known, so that no sender hashes them while the clock runs."""
    requests = [
        Request({"model": "m", "messages": [{"role": "user", "content": f"question {n}"}]}) for n in range(keys)
    ]
    for request in requests:
        assert request.custom_id
    return requests


def claim(url: str, number: int, senders: int, requests: list[Request], size: int, ready: Any) -> None:
    """Be one sender: claim whatever nobody else has."""
    keys = len(requests)
    begin = number * keys // senders
    requests = requests[begin:] + requests[:begin]
    row = BatchRow(ORIGIN, "s", "/v1/chat/completions", "i", 1, 1, size, "f.jsonl", run="run")
    with Journal.open(journal_address(url, Path(tempfile.gettempdir()))) as journal, journal.lock.held(None):
        journal.add_run("run", ORIGIN)
        ready.wait()
        for start in range(0, keys, size):
            part = requests[start : start + size]
            while part:
                try:
                    journal.plan(row, part)
                    break
                except ClaimedError as error:
                    part = [request for request in part if request.custom_id not in error.keys]


def main(senders: int = 8, keys: int = 200_000, size: int = 500) -> None:
    """Measure and print."""
    server = PostgresServer()
    try:
        url = server.url("claims")
        requests, fork = hashed(keys), get_context("fork")
        ready = fork.Barrier(senders + 1)
        work = [fork.Process(target=claim, args=(url, n, senders, requests, size, ready)) for n in range(senders)]
        for process in work:
            process.start()
        ready.wait()
        before, began = server.cpu(), time.perf_counter()
        for process in work:
            process.join()
        seconds = time.perf_counter() - began
        used = server.cpu() - before, sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        said = server.sql("SELECT count(*), count(DISTINCT key), count(DISTINCT batch) FROM claims.claim")
    finally:
        server.close()
    claims, distinct, batches = map(int, said.split("|"))
    assert claims == distinct == keys, said
    print(f"{senders} senders, {keys:,} keys asked by all, {size} keys a transaction, {os.cpu_count()} cores:")
    print(
        f"{claims:,} claims in {batches:,} batches in {seconds:.1f} s: {claims / seconds:,.0f} a second, each key once"
    )

    load = f"load {os.getloadavg()[0]:.0f}"
    print(f"CPU: {used[0]:.1f} s of the server, {used[1]:.1f} s of the senders; {load}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
