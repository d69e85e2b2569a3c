"""Virtual time: jumps, flow, sleepers, and work that takes real time."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.clock import HELD_SPEED, VirtualClock, speed_of
from pytest_batcheval.simulator.ids import EPOCH
from pytest_batcheval.simulator.server import SimulatorServer


@pytest.mark.parametrize(
    ("mode", "speed"), [("jump", None), ("per-poll", None), ("real", 1), ("x600", 600), ("x0.5", 0.5), ("x1e3", 1000)]
)
def test_modes_have_a_speed(mode: str, speed: float | None) -> None:
    assert speed_of(mode) == speed


@pytest.mark.parametrize("mode", ["", "x", "x0", "x-1", "xnan", "xinf", "x1e10", "600", "fast", "Real"])
def test_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(UsageError, match="must be jump, per-poll, real or x<factor>"):
        speed_of(mode)


@pytest.fixture
def happened() -> list[tuple[str, float]]:
    return []


def noting(happened: list[tuple[str, float]], clock: VirtualClock, name: str) -> Callable[[], None]:
    return lambda: happened.append((name, clock.now() - EPOCH))


def test_a_jump_visits_every_event_at_its_own_time(happened: list[tuple[str, float]]) -> None:
    async def story() -> None:
        clock = VirtualClock()
        clock.at(EPOCH + 20, noting(happened, clock, "second"))
        clock.at(EPOCH + 10, noting(happened, clock, "first"))
        clock.at(EPOCH + 99, noting(happened, clock, "later"))
        await clock.polled(EPOCH + 30)
        assert clock.now() == EPOCH + 30

    asyncio.run(story())
    assert happened == [("first", 10), ("second", 20)]


def test_an_event_may_plan_another_on_the_way(happened: list[tuple[str, float]]) -> None:
    async def story() -> None:
        clock = VirtualClock()
        clock.at(EPOCH + 10, lambda: clock.at(EPOCH + 15, noting(happened, clock, "planned")))
        await clock.polled(EPOCH + 20)

    asyncio.run(story())
    assert happened == [("planned", 15)]


def test_what_is_due_happens_without_a_poll(happened: list[tuple[str, float]]) -> None:
    async def story() -> None:
        clock = VirtualClock()
        clock.at(EPOCH, noting(happened, clock, "now"))
        await clock.polled(None)

    asyncio.run(story())
    assert happened == [("now", 0)]


def test_time_stands_still_while_an_event_works() -> None:
    async def story() -> None:
        clock, working = VirtualClock(), asyncio.Event()
        seen: list[float] = []

        async def work() -> None:
            await working.wait()
            seen.append(clock.now() - EPOCH)

        clock.at(EPOCH + 10, work)
        clock.at(EPOCH + 20, lambda: seen.append(clock.now() - EPOCH))
        poll = asyncio.ensure_future(clock.polled(EPOCH + 30))
        while clock.now() == EPOCH:
            await asyncio.sleep(0)
        assert clock.now() == EPOCH + 10
        working.set()
        await poll
        assert seen == [10, 20]

    asyncio.run(story())


def test_a_reset_ends_the_work_and_forgets_the_events() -> None:
    async def story() -> None:
        clock, reached = VirtualClock(), []

        async def work() -> None:
            await asyncio.sleep(0)
            clock.reset()
            await asyncio.sleep(0)
            reached.append("after the reset")

        clock.at(EPOCH + 10, work)
        clock.at(EPOCH + 20, lambda: reached.append("the next event"))
        await clock.polled(EPOCH + 30)
        await clock.polled(EPOCH + 30)
        assert clock.now() == EPOCH + 30
        assert reached == []

    asyncio.run(story())


@pytest.mark.parametrize("mode", ["jump", "x1e8"])
def test_an_event_that_breaks_is_told_and_stops_nothing(mode: str) -> None:
    async def story() -> None:
        clock, errors, reached = VirtualClock(mode), [], asyncio.Event()
        clock.failed = errors.append
        clock.at(EPOCH + 10, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        clock.at(EPOCH + 20, reached.set)
        await clock.forward(30)
        await reached.wait()
        assert [type(error) for error in errors] == [ZeroDivisionError]

    asyncio.run(story())


@pytest.mark.parametrize("mode", ["jump", "per-poll", "x600", "real"])
def test_forward_passes_time_and_what_happens_on_the_way(mode: str) -> None:
    async def story() -> None:
        clock, seen = VirtualClock(mode), []
        start = clock.now()

        async def work() -> None:
            await asyncio.sleep(0)
            seen.append("first")
            clock.at(start + 200, lambda: seen.append("second"))

        clock.at(start + 100, work)
        clock.at(start + 99_999, lambda: seen.append("later"))
        await clock.forward(1_000)
        assert clock.now() >= start + 1_000
        assert seen == ["first", "second"]

    asyncio.run(story())


def test_flowing_time_brings_events_by_itself() -> None:
    async def story() -> None:
        clock, reached = VirtualClock("x1e6"), asyncio.Event()
        clock.at(EPOCH + 2_000, reached.set)
        clock.at(EPOCH + 1_000, lambda: None)
        await reached.wait()
        assert clock.now() >= EPOCH + 2_000

    asyncio.run(story())


def test_time_jumps_when_everybody_sleeps(simulator: SimulatorServer) -> None:
    first, second = SimulatorClock(simulator.clock_address), SimulatorClock(simulator.clock_address)
    assert first.now() == second.now() == EPOCH  # from here on the server knows both
    woken: list[tuple[str, float]] = []

    def sleep(name: str, clock: SimulatorClock, seconds: float) -> None:
        clock.sleep(seconds)
        woken.append((name, clock.now() - EPOCH))
        clock.close()

    threads = [
        threading.Thread(target=sleep, args=("late", first, 86_400)),
        threading.Thread(target=sleep, args=("early", second, 60)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert woken == [("early", 60), ("late", 86_400)]


def test_while_batches_are_held_time_passes_and_does_not_jump(simulator: SimulatorServer) -> None:
    simulator.faults.hold_batches()
    with SimulatorClock(simulator.clock_address) as clock:
        began, real = clock.now(), time.monotonic()
        clock.sleep(720)
        assert clock.now() == began + 720
        assert time.monotonic() - real >= 720 / HELD_SPEED
        sleeper = threading.Thread(target=clock.sleep, args=(30 * 86_400,))
        sleeper.start()
        simulator.faults.release()
        sleeper.join(30)
        assert not sleeper.is_alive()


def test_a_client_that_is_awake_holds_time(simulator: SimulatorServer, api: Any) -> None:
    awake = SimulatorClock(simulator.clock_address)
    assert awake.now() == EPOCH
    batch = api.batch(1)
    for _ in range(5):
        assert api.retrieve(batch)["status"] == "validating"
    assert awake.now() == EPOCH
    awake.close()
    assert api.ended(batch)["status"] == "completed"


def test_a_sleeper_wakes_to_what_happened_meanwhile(simulator: SimulatorServer, api: Any) -> None:
    clock = SimulatorClock(simulator.clock_address)
    assert clock.now() == EPOCH
    batch = api.batch(10)
    counts = []
    while api.retrieve(batch)["status"] != "completed":
        counts.append(api.retrieve(batch)["request_counts"]["completed"])
        clock.sleep(10)
    clock.close()
    assert counts == sorted(counts)
    assert len(set(counts)) > 4


def test_polls_move_time_in_per_poll_even_with_a_participant() -> None:
    with SimulatorServer(clock="per-poll") as server:
        awake = SimulatorClock(server.clock_address)
        assert awake.now() == EPOCH
        with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            line = b'{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "Hello"}}'
            file = client.files.create(file=line, purpose="batch")
            batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
            assert client.batches.retrieve(batch.id).status == "in_progress"
        assert awake.now() > EPOCH
        awake.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\n",
        b"5\n",
        b"[]\n",
        b"{}\n",
        b'["sleep"]\n',
        b'["sleep", "long"]\n',
        b'["sleep", 1, 2]\n',
        b'["sleep", -1]\n',
        b'["sleep", NaN]\n',
        b'["sleep", Infinity]\n',
        b'["sleep", 1e300]\n',
        b'["sleep", [1]]\n',
        b"[" * 50_000 + b"\n",
        b"x" * 200_000,
        b"\xff\xfe\n",
    ],
    ids=lambda data: repr(data[:16]),
)
def test_a_participant_that_speaks_nonsense_leaves(simulator: SimulatorServer, api: Any, nonsense: bytes) -> None:
    host, port = simulator.clock_address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as stranger:
        try:
            stranger.sendall(nonsense)
            assert stranger.recv(100) == b""
        except ConnectionResetError:
            pass
    assert api.ended(api.batch(1))["status"] == "completed"
    assert api.get("/v1/batches")["data"][0]["completed_at"] < EPOCH + 86_400


def test_a_participant_that_is_killed_holds_nobody(simulator: SimulatorServer, api: Any) -> None:
    alive = SimulatorClock(simulator.clock_address)
    assert alive.now() == EPOCH
    host, port = simulator.clock_address.split(":")
    killed = socket.create_connection((host, int(port)))
    killed.sendall(b'["now"]\n')
    assert json.loads(killed.recv(100)) == EPOCH
    killed.close()
    alive.sleep(100)
    assert alive.now() == EPOCH + 100
    alive.close()


def test_the_control_api_tells_and_moves_time(simulator: SimulatorServer, api: Any) -> None:
    headers = {"authorization": f"Bearer {simulator.token}"}
    batch = api.batch(2)
    assert api.get("/v1/models")
    now = api.request("GET", "/_simulator/clock", headers=headers).json()
    assert now == {"now": EPOCH, "mode": "jump"}
    moved = api.request("POST", "/_simulator/clock", headers=headers, json={"seconds": 86_400}).json()
    assert moved == {"now": EPOCH + 86_400, "mode": "jump"}
    assert api.retrieve(batch)["status"] == "completed"
    for wrong in ({}, {"seconds": -1}, {"seconds": "1"}, {"seconds": True}, {"seconds": 1e300}):
        assert api.request("POST", "/_simulator/clock", headers=headers, json=wrong).status_code == 400


def test_batches_wait_for_each_other_in_one_time(simulator: SimulatorServer, api: Any) -> None:
    simulator.behaviour = Behaviour(validating_seconds=(10, 10), line_seconds=(1, 1), finalizing_seconds=(5, 0))
    first, second = api.batch(40), api.batch(10)
    first = api.ended(first)
    second = api.retrieve(second)
    assert second["status"] == "completed"
    assert second["completed_at"] == EPOCH + 10 + 60 + 10 + 5
    assert first["completed_at"] == EPOCH + 10 + 60 + 40 + 5
