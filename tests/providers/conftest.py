"""A provider that is not like OpenAI: the simulator, whose every reply a few lines bend before they are sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval import Answer, BatchClient, Request
from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.server import SimulatorServer

SOON = Behaviour(models="any", validating_seconds=(1, 3), start_seconds=1, line_seconds=(0.1, 0.4))
Bend = Callable[[str, HttpReply, Exchange], "HttpReply | None"]
"""Changes the reply to a call (`batches.create`, `files.content` …), or returns another; it was applied before."""
Refusal = Callable[[Exchange], "HttpReply | None"]
"""Refuses a call before it is applied."""


@dataclass
class Outcome:
    """What one person sees of a send, and what it cost.

    Attributes:
        billed: how often each key was billed.
        texts: the answers' texts, or errors, by key.
        hours: of virtual time.
        said: everything the run said: its error, or its notes.
    """

    billed: Counter[str]
    answers: dict[str, Answer]
    hours: float
    said: str
    error: BatchEvalError | None = None

    @property
    def twice(self) -> set[str]:
        return {key for key, count in self.billed.items() if count > 1}


@dataclass
class Provider:
    """The bent provider, and a person who sends requests to it from one journal."""

    server: SimulatorServer
    folder: Path
    bends: list[Bend] = field(default_factory=list)
    before: list[Refusal] = field(default_factory=list)

    async def _intercept(self, exchange: Exchange) -> None:
        for bend in self.before:
            if (refusal := bend(exchange)) is not None:
                return await exchange.send(refusal)
        reply = await exchange.handle(exchange)
        if exchange.call in ("batches.create", "batches.retrieve", "batches.list") or reply.stream is None:
            reply = replace(reply, body=json.loads(json.dumps(reply.body)), schema=None)
        else:
            reply = replace(reply, body=b"".join([part async for part in reply.stream]), stream=None, schema=None)
        for bend in self.bends:
            reply = bend(exchange.call, reply, exchange) or reply
        return await exchange.send(reply)

    def bend(self, *bends: Bend, before: Sequence[Refusal] = ()) -> Provider:
        """Bend every reply from now on; `before` may refuse a call before anything happens."""
        self.bends, self.before = list(bends), list(before)
        self.server.intercept(self._intercept)
        return self

    def send(self, requests: list[Request], **options: Any) -> Outcome:
        """Send; whatever ends the run is in the outcome."""
        began, error, answers, notes = self.server.now(), None, (), []
        with BatchClient(journal=self.folder / "j" / "journal.sqlite", threads=0) as client:
            try:
                run = client.run(requests, **options)
                answers, notes = run.answers, run.sent.notes
            except BatchEvalError as caught:
                error = caught
        hours = (self.server.now() - began) / 3600
        said = "\n".join([*notes, str(error or "")])
        billed = self.server.ledger.billed()
        return Outcome(billed, {answer.custom_id: answer for answer in answers}, hours, said, error)


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorServer]:
    with SimulatorServer(behaviour=SOON) as server:
        yield server


@pytest.fixture
def provider(running: SimulatorServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Provider:
    running.reset()
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
    return Provider(running, folder)


@pytest.fixture
def ask() -> Callable[[int], list[Request]]:
    """`ask(3)`: three requests."""

    def build(count: int) -> list[Request]:
        bodies = ({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]} for n in range(count))
        return [Request(body) for body in bodies]

    return build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
