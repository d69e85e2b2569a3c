"""The published contract holds for our own backends, and notices one that breaks it."""

from collections import Counter
from pathlib import Path

import pytest

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.connect import opened
from pytest_batcheval.backends.custom_id_mark import read_mark
from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.testing import BackendContract, Opening
from pytest_batcheval.wire.endpoints import GENERATE
from pytest_batcheval.wire.objects import Request


def asked(name, count):
    bodies = ({"model": "m", "messages": [{"role": "user", "content": f"question {n}"}]} for n in range(count))
    if name == "anthropic":
        return [Request({**body, "model": "claude-m", "max_tokens": 100}, "/v1/messages") for body in bodies]
    if name == "gemini":
        contents = [[{"role": "user", "parts": [{"text": body["messages"][0]["content"]}]}] for body in bodies]
        return [Request({"model": "gemini-2.5-flash", "contents": each}, GENERATE) for each in contents]
    return [Request(body) for body in bodies]


def billed(server):
    marks = ((read_mark(one.custom_id), one) for one in server.ledger.executions if one.billed)
    return Counter(one.key if mark is None else mark.key for mark, one in marks)


def opening_of(name, server):
    return Opening(
        lambda: opened(PROVIDERS[name], server.base_url, "test-key"),
        clock=lambda backend: SimulatorClock(backend.clock_address),
        requests=lambda count: asked(name, count),
        billed=lambda: billed(server),
    )


class Simulated(BackendContract):
    name = ""

    @pytest.fixture
    def opening(self):
        with SimulatorServer(dialect=self.name) as server:
            yield opening_of(self.name, server)


class TestOpenAI(Simulated):
    name = "openai"


@pytest.mark.sampled
class TestAnthropic(Simulated):
    name = "anthropic"


@pytest.mark.sampled
class TestTogether(Simulated):
    name = "together"


@pytest.mark.sampled
class TestGemini(Simulated):
    name = "gemini"


@pytest.mark.sampled
class TestAzure(Simulated):
    name = "azure"


@pytest.mark.sampled
class TestMistral(Simulated):
    name = "mistral"


class Forgetful:
    """A backend whose list lacks what it was asked to create last, and that creates what is deleted."""

    def __init__(self, backend):
        self._backend = backend

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def list_batches(self, enough=()):
        return type(self._backend.list_batches(enough))([])

    def delete_file(self, file_id):
        return None


@pytest.mark.sampled
def test_a_backend_that_pays_twice_is_noticed(tmp_path: Path) -> None:
    with SimulatorServer() as server:
        opening = opening_of("openai", server)
        forgetful = Opening(lambda: Forgetful(opening.open()), opening.clock, opening.requests, opening.billed)
        with pytest.raises(AssertionError, match="run more than once"):
            BackendContract().test_a_create_without_a_clear_answer_is_looked_for(forgetful, tmp_path)
