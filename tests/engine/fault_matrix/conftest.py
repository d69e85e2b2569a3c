"""A client of the session's simulator with a journal of its own, for each cell of the fault matrix."""

from __future__ import annotations

import pytest
from disturbing import NearClock, World
from ills import TIME

from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.backends.reply_limits import Caps, Guard
from pytest_batcheval.journal.store import Journal


@pytest.fixture
def server(batch_server):
    TIME[0] = 0.0
    yield batch_server
    assert [repr(crash) for crash in batch_server.crashes] == []


@pytest.fixture(scope="session")
def opened(_batch_server_of_session):
    with OpenAIBatch(_batch_server_of_session.base_url, "test-key", guard=Guard(Caps(), lambda: TIME[0])) as backend:
        yield backend


@pytest.fixture
def world(server, opened, folder):
    with NearClock(server) as clock, Journal.open(folder / "j" / "journal.sqlite") as journal:
        yield World(opened, journal, clock)
