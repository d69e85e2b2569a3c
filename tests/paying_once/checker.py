"""The rule every scenario is held to, read from the ledger and the journal, whatever the client believes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.engine.send import collect
from pytest_batcheval.journal.address import JournalAddress
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.server import SimulatorServer


def broken_rules(billed: Mapping[str, int], journal: JournalAddress, origin: str, most: int = 1) -> list[str]:
    """What is wrong: keys billed more than `most` times, and billed answers that are not in the journal."""
    reader = Journal.read(journal)
    try:
        stored = reader.answered(list(billed), origin)
    finally:
        reader.close()
    again = [f"{key} was paid {times} times" for key, times in Counter(billed).items() if times > most]
    lost = [f"{key} was paid and its answer is not in {journal}" for key in billed if key not in stored]
    return again + lost


def lost_by_recovering(server: SimulatorServer, journal: Path, folder: Path, api_key: str = "test-key") -> list[str]:
    """Keys whose answer is another one, or none, in a journal that is rebuilt from the provider alone."""
    server.faults.reset()
    server.intercept(None)
    with (
        OpenAIBatch(server.base_url, api_key) as backend,
        SimulatorClock(server.clock_address) as clock,
        Journal.open(folder / "journal.sqlite") as rebuilt,
    ):
        collect(backend=backend, journal=rebuilt, clock=clock, adopt=True)
        return sorted(_answers(journal) ^ _answers(rebuilt.path))


def _answers(journal: Path) -> set[tuple[str, bytes]]:
    """Every stored answer of a batch, whole."""
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT key, response FROM answer JOIN batch ON batch.id = answer.batch WHERE batch.calls = 'batch'"
        return set(connection.execute(query))
