"""A client process that a server may kill: it sends some requests and ends with 0 when all are answered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.connect import opened
from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import JournalError, ProviderError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal.address import JournalAddress, journal_address
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.endpoints import GENERATE
from pytest_batcheval.wire.objects import Request


def requests(count: int, provider: str = "openai") -> list[Request]:
    """The first so many requests of all."""
    bodies = ({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]} for n in range(count))
    if provider == "anthropic":
        return [Request({**body, "model": "claude-m", "max_tokens": 100}, "/v1/messages") for body in bodies]
    if provider == "gemini":
        contents = [[{"role": "user", "parts": [{"text": body["messages"][0]["content"]}]}] for body in bodies]
        return [Request({"model": "gemini-2.5-flash", "contents": each}, GENERATE) for each in contents]
    return [Request(body) for body in bodies]


def run(
    base_url: str,
    folder: str,
    count: int,
    provider: str = "openai",
    journal: str = "journal.sqlite",
    shard: slice = slice(None),
) -> None:
    """Send them, or a shard, in batches of 4 and leave the process, with 0 when every one is answered."""
    try:
        done = answered(base_url, journal_address(journal, Path(folder)), requests(count, provider)[shard], provider)
    except ProviderError:
        os._exit(int(ExitStatus.PROVIDER))
    except JournalError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(int(ExitStatus.JOURNAL))
    sys.stdout.flush()
    os._exit(0 if done else 1)


def answered(base_url: str, address: JournalAddress, wanted: list[Request], provider: str = "openai") -> bool:
    """Send these; whether every one is answered."""
    with (
        opened(PROVIDERS[provider], base_url, "test-key") as backend,
        SimulatorClock(backend.clock_address or "") as clock,
        Journal.open(address) as journal,
    ):
        sent = send(wanted, backend=backend, journal=journal, clock=clock, policy=SendPolicy(limits=Limits(requests=4)))
        return sent.answered == len(wanted)
