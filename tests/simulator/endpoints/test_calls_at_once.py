"""Individual calls that take virtual time, and their limits."""

from __future__ import annotations

import json
import math
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.ids import EPOCH
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
MINE = "a" * 40
OTHER = "b" * 40


class Participant:
    """A raw connection to the clock's port."""

    def __init__(self, server: SimulatorServer) -> None:
        host, port = server.clock_address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.lines = self.socket.makefile("rb")

    def say(self, *words: object) -> None:
        self.socket.sendall(json.dumps(words).encode() + b"\n")

    def heard(self) -> float:
        """Seconds since the start, as the next line says."""
        return float(json.loads(self.lines.readline())) - EPOCH

    def ask(self, *words: object) -> float:
        self.say(*words)
        return self.heard()


@pytest.fixture
def participant(simulator: SimulatorServer) -> Iterator[Callable[[], Participant]]:
    opened: list[Participant] = []

    def join() -> Participant:
        opened.append(Participant(simulator))
        opened[-1].ask("now")
        return opened[-1]

    yield join
    for each in opened:
        each.lines.close()
        each.socket.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def now(simulator: SimulatorServer) -> float:
    return simulator._clock.now() - EPOCH


def test_a_call_takes_its_time(simulator: SimulatorServer, api: Any, body: Any) -> None:
    simulator.behaviour = Behaviour(call_seconds=3.0)
    for number in range(4):
        api.post(CHAT, body(CHAT, f"question {number}"))
    assert now(simulator) == 12.0


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [(CHAT, "gpt-6-luna"), ("/v1/responses", "gpt-6-luna"), ("/v1/embeddings", "text-embedding-3-small")],
)
def test_so_it_does_at_every_endpoint(
    simulator: SimulatorServer, api: Any, body: Any, endpoint: str, model: str
) -> None:
    simulator.behaviour = Behaviour(call_seconds=2.5)
    api.post(endpoint, body(endpoint, "question", model=model))
    assert now(simulator) == 2.5


@pytest.mark.parametrize("clock", ["x1000", "per-poll"])
def test_it_takes_its_time_on_other_clocks_too(clock: str, body: Any) -> None:
    import openai

    behaviour = Behaviour(call_seconds=50)
    with (
        SimulatorServer(clock=clock, behaviour=behaviour) as server,
        openai.OpenAI(base_url=server.base_url, api_key="key") as client,
    ):
        before = server._clock.now()
        client.chat.completions.create(**body(CHAT, "question"))
        assert server._clock.now() - before >= 50


def test_time_stands_still_while_a_participant_is_awake(
    simulator: SimulatorServer, api: Any, body: Any, participant: Any, pool: ThreadPoolExecutor
) -> None:
    simulator.behaviour = Behaviour(call_seconds=3.0)
    awake = participant()
    call = pool.submit(api.post, CHAT, body(CHAT, "question"))
    while not simulator._clock.held:
        assert awake.ask("now") == 0
    assert not call.done()
    assert awake.ask("sleep", 10) == 10
    assert call.result(30)["choices"]


def test_time_waits_for_calls_that_are_on_their_way(
    simulator: SimulatorServer, api: Any, body: Any, participant: Any, pool: ThreadPoolExecutor
) -> None:
    simulator.behaviour = Behaviour(call_seconds=3.0)
    caller, watcher = participant(), participant()
    caller.say("await", 2, 60)
    first = pool.submit(api.post, CHAT, body(CHAT, "first"))
    while not simulator._clock.held:
        assert watcher.ask("now") == 0
    watcher.say("sleep", 1)
    assert not readable(watcher.socket, 0.05)  # one of the two calls is not here yet
    second = pool.submit(api.post, CHAT, body(CHAT, "second"))
    assert watcher.heard() == 1
    watcher.say("sleep", 100)
    assert first.result(30)["choices"]
    assert second.result(30)["choices"]
    assert not readable(caller.socket, 0.05)  # the caller is awake: its answers are here
    assert now(simulator) == 3.0


def test_a_sleep_with_calls_under_way_ends_in_time_or_early(
    simulator: SimulatorServer, api: Any, body: Any, participant: Any, pool: ThreadPoolExecutor
) -> None:
    simulator.behaviour = Behaviour(call_seconds=30.0)
    caller = participant()
    call = pool.submit(api.post, CHAT, body(CHAT, "question"))
    assert caller.ask("await", 1, 10) == 10
    caller.say("await", 2, 10)
    caller.say("awake")
    assert caller.heard() == 10
    caller.say("awake")  # it sleeps no more: no reply
    assert caller.ask("now") == 10
    assert caller.ask("await", 0, 100) == 110
    assert call.result(30)["choices"]


def test_a_clock_that_flows_is_woken_early_too(participant: Any) -> None:
    with SimulatorServer(clock="x600") as server:
        caller = Participant(server)
        before = caller.ask("now")
        caller.say("await", 1, 3600)
        caller.say("awake")
        assert caller.heard() - before < 3600
        caller.say("sleep", 1)
        assert caller.heard() > before
        assert caller.ask("now") > before
        caller.lines.close()
        caller.socket.close()


def test_many_calls_of_one_process_take_the_time_of_one(
    simulator: SimulatorServer, api: Any, body: Any, pool: ThreadPoolExecutor
) -> None:
    simulator.behaviour = Behaviour(call_seconds=3.0)
    signal, done = socket.socketpair()
    left, guard = [32], threading.Lock()

    def call(number: int) -> None:
        api.post(CHAT, body(CHAT, f"question {number}"))
        with guard:
            left[0] -= 1
            if not left[0]:
                done.send(b"!")

    with signal, done, SimulatorClock(simulator.clock_address) as clock:
        clock.now()
        calls = [pool.submit(call, number) for number in range(32)]
        clock.wait(signal, 600, 32)
        for each in calls:
            each.result(30)
        assert now(simulator) == 3.0


def test_a_caller_that_leaves_frees_its_place_and_has_paid(
    simulator: SimulatorServer, body: Any, participant: Any
) -> None:
    simulator.behaviour = Behaviour(call_seconds=3.0)
    awake = participant()
    text = json.dumps(body(CHAT, "question")).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\ncontent-length: {len(text)}\r\n\r\n"
    )
    port = int(simulator.base_url.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(head.encode() + text)
        while not simulator._clock.held:
            awake.ask("now")
    while simulator._clock.held:
        awake.ask("now")
    assert sum(simulator.ledger.billed().values()) == 1


def test_a_reset_lets_go_of_all_calls(
    simulator: SimulatorServer, api: Any, body: Any, participant: Any, pool: ThreadPoolExecutor
) -> None:
    simulator.behaviour = Behaviour(call_seconds=3.0)
    awake = participant()
    call = pool.submit(api.request, "POST", CHAT, json=body(CHAT, "question"))
    while not simulator._clock.held:
        awake.ask("now")
    simulator.reset()
    assert call.result(30).status_code == 200
    assert not simulator._clock.held


def test_a_limit_of_requests_holds_for_keys_without_one(simulator: SimulatorServer, api: Any, body: Any) -> None:
    simulator.behaviour = Behaviour(requests_per_minute=3)
    for number in range(3):
        api.post(CHAT, body(CHAT, f"question {number}"))
    response = api.request("POST", CHAT, json=body(CHAT, "one more"))
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("60", "60000")
    assert response.headers["x-ratelimit-limit-requests"] == "3"
    assert len(simulator.ledger.executions) == 3
    api.post(CHAT, body(CHAT, "one more"))  # the refused one has waited, on the virtual clock
    assert now(simulator) >= 60


def test_a_limit_of_tokens_holds_too(simulator: SimulatorServer, api: Any, body: Any) -> None:
    simulator.behaviour = Behaviour(tokens_per_minute=50)
    api.post(CHAT, body(CHAT, "word " * 30))
    status, error = api.refused("POST", CHAT, json=body(CHAT, "word " * 30))
    assert status == 429
    assert "tokens per min. Limit: 50" in error["message"]


def test_a_keys_own_limit_goes_before(simulator: SimulatorServer, api_of: Any, body: Any) -> None:
    simulator.behaviour = Behaviour(requests_per_minute=1)
    simulator.keys = KeyRing.from_data(
        {"keys": [{"key": "key-a", "project": "p", "requests_per_minute": 2}, {"key": "key-b", "project": "p"}]}
    )
    for key, allowed in (("key-a", 2), ("key-b", 1)):
        api = api_of(key)
        for number in range(allowed):
            api.post(CHAT, body(CHAT, f"question {number}"))
        assert api.refused("POST", CHAT, json=body(CHAT, "one more"))[0] == 429


def test_calls_at_once_are_limited(
    simulator: SimulatorServer, api: Any, body: Any, participant: Any, pool: ThreadPoolExecutor
) -> None:
    simulator.behaviour = Behaviour(call_seconds=2.5, calls_at_once=2)
    awake = participant()
    running = [pool.submit(api.post, CHAT, body(CHAT, f"question {number}")) for number in range(2)]
    while simulator._clock.held < 2:
        awake.ask("now")
    refused = api.request("POST", CHAT, json=body(CHAT, "one more"))
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(math.ceil(2.5))
    awake.ask("sleep", 5)
    assert all(call.result(30)["choices"] for call in running)
    assert len(simulator.ledger.executions) == 2


def test_a_call_that_names_itself_is_booked_and_answered_by_that_name(
    simulator: SimulatorServer, api: Any, body: Any
) -> None:
    def ask(key: str | None) -> str:
        headers = {} if key is None else {"X-Client-Request-Id": key}
        answer = api.post(CHAT, body(CHAT, "How do you sleep?"), headers=headers)
        return str(answer["choices"][0]["message"]["content"])

    texts = [ask(key) for key in (MINE, OTHER, MINE, None, "not a request key", None)]
    assert texts[0] == texts[2]
    assert texts[0] != texts[1]
    assert texts[3] == texts[4] == texts[5]
    assert simulator.ledger.billed()[MINE] == 2
    assert simulator.ledger.executed(OTHER) == 1


def test_lines_that_shall_fail_fail_as_calls(simulator: SimulatorServer, api: Any, body: Any) -> None:
    simulator.faults.fail_lines("question 1", status_code=500, code="server_error", times=1)
    status, error = api.refused("POST", CHAT, json=body(CHAT, "question 1"))
    assert (status, error["code"]) == (500, "server_error")
    api.post(CHAT, body(CHAT, "question 1"))
    assert [execution.billed for execution in simulator.ledger.executions] == [False, True]


def readable(connection: socket.socket, seconds: float) -> bool:
    """Whether there is something to read; the seconds only give a wrong reply the time to come."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(seconds))
