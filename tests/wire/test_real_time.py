"""Clocks that a test has replaced stop none of our threads and loops."""

import re
import threading
import time
from pathlib import Path

import pytest

from pytest_batcheval import BatchClient, Request
from pytest_batcheval.journal.lock import JournalLock, LockWait
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire import real_time

SOURCE = Path(__file__).parents[2] / "src" / "pytest_batcheval"
REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"{n}"}]}) for n in range(3)]


@pytest.fixture
def frozen(monkeypatch):
    """What tests do to clocks: they stand still, and a sleep takes no time."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    for name in ("time", "monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: 1_000.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_the_clocks_are_the_machines(frozen):
    before, wall = real_time.monotonic(), real_time.now()
    real_time.sleep(0.01)
    assert real_time.monotonic() >= before + 0.01
    assert wall > 1_700_000_000
    assert real_time.local("%Y") >= "2025"


def test_the_wall_clock_is_right():
    assert abs(real_time.now() - time.time()) < 0.1
    assert real_time.local("%H", 0.0) == time.strftime("%H", time.localtime(0))


@pytest.mark.parametrize(("clock", "individual"), [("jump", False), ("jump", True), ("real", True)])
def test_answers_come_while_clocks_stand_still(frozen, tmp_path, individual, clock):
    behaviour = Behaviour(
        models="any", validating_seconds=(0.05, 0.05), line_seconds=(0.01, 0.01), start_seconds=0.0,
        finalizing_seconds=(0.05, 0.0), call_seconds=0.01,
    )  # fmt: skip
    with (
        SimulatorServer(clock=clock, behaviour=behaviour) as server,
        BatchClient(server.base_url, journal=tmp_path / "j.sqlite", individual=individual) as client,
    ):
        assert len(client.run(REQUESTS).answers) == 3


@pytest.mark.sampled
def test_a_wait_for_another_process_ends(frozen, tmp_path):
    path = tmp_path / "j.sqlite"
    holding, done = threading.Event(), threading.Event()

    def hold():
        with JournalLock(path).held(None):
            holding.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(30)
    with pytest.raises(Exception, match="is still sending"), JournalLock(path).held(LockWait(path, limit=1.0)):
        pass
    done.set()
    holder.join(30)


def test_no_module_reads_another_clock():
    reads = re.compile(
        r"\btime\.(time|monotonic|sleep|perf_counter|localtime|gmtime|strftime)\(|datetime\.now\(|from time "
    )
    found = {path.name for path in SOURCE.rglob("*.py") if reads.search(path.read_text(encoding="utf-8"))}
    assert found <= {"real_time.py"}


def test_no_thread_is_waited_for_without_a_limit():
    waits = re.compile(r"\.(join|result|wait)\(\)")
    found = {path.name: waits.findall(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}
    assert {name for name, hits in found.items() if hits} <= {"serve.py", "server.py"}
