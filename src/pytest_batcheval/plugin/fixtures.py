"""The fixtures for test authors: `answer`, `answers`, `persona_matrix`, `batch_client`, `batch_server`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_batcheval.client import BatchClient
    from pytest_batcheval.matrix.axes import PersonaMatrix
    from pytest_batcheval.plugin.conversation import BatchConversation
    from pytest_batcheval.recordings.answer_table import Answers
    from pytest_batcheval.simulator.server import SimulatorServer
    from pytest_batcheval.wire.objects import Answer


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> Answer:
    """The answer to this test's request; of a generator prompt the last turn's, with all in `.turns`."""
    from pytest_batcheval.plugin.answer_fixtures import answer_of

    return answer_of(request)


@pytest.fixture
def answers(request: pytest.FixtureRequest) -> Answers:
    """The table of answers of this test's cells, in the order of the matrix."""
    from pytest_batcheval.plugin.answer_fixtures import answers_of

    return answers_of(request)


@pytest.fixture
def persona_matrix(request: pytest.FixtureRequest) -> PersonaMatrix:
    """The axes this test's folder sees, such as the 25 personas and 11 questions."""
    from pytest_batcheval.matrix.axes import PersonaMatrix
    from pytest_batcheval.plugin.stash import batch_session

    return PersonaMatrix(batch_session(request.config).axes.of(request.node))


@pytest.fixture
def batch_client(batch_conversation: BatchConversation, tmp_path: Path) -> Iterator[BatchClient]:
    """A client with a journal of its own over this test's conversation: replayed, live or recorded."""
    from pytest_batcheval.client import BatchClient

    client = BatchClient(
        batch_conversation.backend, clock=batch_conversation.clock, journal=tmp_path / "journal" / "journal.sqlite"
    )
    with client:
        yield client


@pytest.fixture(scope="session")
def _batch_server_of_session() -> Iterator[SimulatorServer]:
    try:
        from pytest_batcheval.simulator.server import SimulatorServer
    except ImportError as error:
        from pytest_batcheval.errors import what_to_install

        if (advice := what_to_install(error)) is None:
            raise
        raise pytest.fail.Exception(advice, pytrace=False) from None
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def batch_server(_batch_server_of_session: SimulatorServer) -> SimulatorServer:
    """A running simulator of the Batch API, empty at the start of each test: `.base_url`, `.ledger`, `.faults`."""
    _batch_server_of_session.reset()
    return _batch_server_of_session
