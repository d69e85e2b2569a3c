"""Individual calls by workers on one PostgreSQL journal: kills, stalls, cuts and interrupts at any point of one."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from checker import broken_rules
from forked import context
from worker_process import work

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.engine.concurrency import CAP
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.engine.workers import call_worker, offered_calls
from pytest_batcheval.engine.workers.call_worker import work_at
from pytest_batcheval.engine.workers.crew import AnyWorkers, Offering
from pytest_batcheval.engine.workers.processes import WorkerProcesses
from pytest_batcheval.errors import BatchEvalError, JournalError, ProviderError, UnfinishedError
from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.rows import OFFERED
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.peers import is_of_process
from pytest_batcheval.wire.objects import Request

COUNT = 120
KILLS = {
    "quick": [(20, True)],
    "ci": [(1, True), (33, False), (70, True)],
    "full": [(n, n % 2 == 0) for n in range(1, COUNT, 7)],
}


def ask(count=COUNT):
    return [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}."}]}) for n in range(count)]


@pytest.fixture
def server(batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(offered_calls, "LOOK", 0.05)
    batch_server.behaviour = Behaviour(models="any")
    return batch_server


@pytest.fixture
def address(postgres, tmp_path):
    return journal_address(postgres, tmp_path)


class ForkedWorkers:
    """As `WorkerProcesses`, forked from a process that has imported what takes each of them a second."""

    advice = ""

    def __init__(self, server, address, number):
        given = (server.base_url, address)
        self.processes = [context().Process(target=work, args=given) for _ in range(number)]
        for process in self.processes:
            process.start()

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    def check(self):
        if not any(process.is_alive() for process in self.processes):
            raise UnfinishedError(f"all workers have ended: {[process.exitcode for process in self.processes]}")

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()


@contextmanager
def workers(server, address, number):
    crew = ForkedWorkers(server, address, number)
    try:
        yield crew
    finally:
        crew.close()


def go(server, address, crew, requests, **policy):
    """One run that leaves its calls to these workers."""
    with connect(server.base_url, individual=True) as connection, Journal.open(address) as journal:
        offering = Offering(crew, connection.clock, policy.pop("tier", ""))
        given = {"backend": connection.backend, "journal": journal, "clock": connection.clock, "calling": offering}
        return send(requests, policy=SendPolicy(**policy), **given)


def finish(server, address, count=COUNT):
    """The next run, with workers of its own; it gets every answer."""
    with workers(server, address, 2) as crew:
        sent = go(server, address, crew, ask(count))
    assert (sent.answered, sent.failed) == (count, 0)
    with Journal.open(address) as journal:
        assert journal.reader.open_batches() == []
        assert journal.reader.verify() == []
    return sent


def check(server, address, again, most):
    """Nothing is paid twice but what was said to be possible, and every paid answer is stored."""
    twice = {key for key, times in server.ledger.billed().items() if times > 1}
    assert twice <= set(again)
    assert len(again) <= most
    assert broken_rules(server.ledger.billed(), address, server.origin, most=2) == []


class AtCall:
    """Does something with the worker that makes the n-th individual call, before it is applied or after."""

    def __init__(self, server, nth, after, act):
        self.left, self.after, self.act, self.pids = nth, after, act, []
        self.over = threading.Event()
        server.intercept(self)

    async def __call__(self, exchange):
        if exchange.call != "chat" or self.over.is_set():
            return await exchange.answer()
        self.left -= 1
        if self.left:
            return await exchange.answer()
        reply = await exchange.handle(exchange) if self.after else None
        ends = exchange.scope["client"], exchange.scope["server"]
        await asyncio.to_thread(self.act, next(pid for pid in self.pids if is_of_process(*ends, pid)))
        self.over.set()
        await (exchange.send(reply) if reply is not None else exchange.answer())


def kill(pid):
    os.kill(pid, signal.SIGKILL)


# -- all goes well ----------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_two_workers_share_the_calls_of_a_run(server, address):
    """Both work, each request is called once, and the run has its answers, in the journal and in its counts."""
    seen = AtCall(server, 0, False, kill)
    callers = Counter()

    async def note(exchange):
        if exchange.call == "chat":
            ends = exchange.scope["client"], exchange.scope["server"]
            callers[next(pid for pid in crew.pids if is_of_process(*ends, pid))] += 1
        await exchange.answer()

    server.intercept(note)
    with WorkerProcesses(2, server.base_url, address) as crew:
        sent = go(server, address, crew, ask())
    assert (sent.answered, sent.failed, sent.sent, sent.notes) == (COUNT, 0, COUNT, [])
    assert sorted(callers) == sorted(crew.pids)
    assert server.ledger.billed() == Counter(request.custom_id for request in ask())
    with Journal.open(address) as journal:
        rows = journal.reader.batches()
        assert {(row.calls, row.state, row.status) for row in rows} == {("individual", "settled", "")}
        assert max(row.requests for row in rows) == offered_calls.LEASE
    assert not seen.over.is_set()


@pytest.mark.sampled
def test_an_answered_request_is_not_offered_and_a_failed_one_is_tried_again(server, address):
    server.misbehave({"fault": "status", "call": "chat", "status": 500, "times": 3})
    with workers(server, address, 1) as crew:
        sent = go(server, address, crew, ask(10), attempts=3)
        assert (sent.answered, sent.failed, sent.resent) == (10, 0, 3)
        sent = go(server, address, crew, ask(12))
        assert (sent.stored, sent.sent) == (10, 2)
    check(server, address, (), 0)


# -- whatever ends a worker -------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc):
    if "nth" in metafunc.fixturenames:
        kills = KILLS[metafunc.config.getoption("--proof")]
        metafunc.parametrize(("nth", "after"), kills, ids=[f"{n}-{'after' if late else 'before'}" for n, late in kills])


def test_what_a_killed_worker_had_not_called_the_other_one_calls(server, address, nth, after):
    """Its calls under way are of unknown outcome, and repeated by the next run only, which says so."""
    strike = AtCall(server, nth, after, kill)
    with workers(server, address, 2) as crew:
        strike.pids = crew.pids
        sent = go(server, address, crew, ask())
    assert strike.over.is_set()
    assert sent.answered + len(sent.unknown) == COUNT
    assert len(sent.unknown) <= CAP
    assert set(server.ledger.billed().values()) == {1}
    again = finish(server, address).again
    assert again == sent.unknown
    check(server, address, again, CAP)


@pytest.mark.sampled
def test_a_run_whose_workers_were_all_killed_ends_and_the_next_goes_on(server, address):
    strike = AtCall(server, 9, True, lambda pid: [kill(pid) for pid in crew.pids])
    with WorkerProcesses(2, server.base_url, address) as crew:
        strike.pids = crew.pids
        with pytest.raises(UnfinishedError, match="2 workers ended without an error, the last with status -9"):
            go(server, address, crew, ask())
    again = finish(server, address).again
    assert again
    check(server, address, again, 2 * CAP)


@pytest.mark.sampled
def test_a_stalled_worker_is_taken_over_and_stops_when_it_wakes(server, address, postgres_server):
    """What it finds in its hands then is not stored under a row that is another's."""

    def stall(pid):
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)
        query = f"UPDATE {address.schema}.sender SET beat = beat - interval '2 minutes' WHERE pid = {pid}"
        postgres_server.sql(query)

    stopped = []
    strike = AtCall(server, 20, True, stall)
    with workers(server, address, 2) as crew:
        strike.pids = crew.pids
        sent = go(server, address, crew, ask())
        assert sent.unknown
        os.kill(stopped[0], signal.SIGCONT)
        process = next(process for process in crew.processes if process.pid == stopped[0])
        process.join()
        assert process.exitcode == JournalError.exit_status
    assert sent.answered + len(sent.unknown) == COUNT
    again = finish(server, address).again
    assert again == sent.unknown
    check(server, address, again, CAP)


@pytest.mark.sampled
@pytest.mark.parametrize("what", ["the connections are cut", "the server crashes"])
def test_a_database_that_goes_away_loses_nothing(server, address, postgres_server, what):
    def strike(pid):
        if "crashes" in what:
            postgres_server.stop()
            postgres_server.start()
        else:
            postgres_server.cut()

    at = AtCall(server, 40, True, strike)
    with workers(server, address, 2) as crew:
        at.pids = crew.pids
        with pytest.raises(BatchEvalError) as error:
            go(server, address, crew, ask())
        assert at.over.wait(60)
    assert isinstance(error.value, JournalError)
    check(server, address, finish(server, address).again, 2 * CAP)


@pytest.mark.sampled
def test_a_killed_run_leaves_its_offers_to_nobody_and_its_workers_end(server, address, tmp_path):
    """What a worker has leased it settles; what none had is offered anew by the next run."""
    code = """if True:
        import sys
        from pytest_batcheval import BatchClient, Request
        requests = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}."}]}) for n in range(120)]
        with BatchClient(sys.argv[1], journal=sys.argv[2], individual=True, workers=2) as client:
            client.run(requests)
    """
    url = f"{address.url}&schema={address.schema}"
    words = [sys.executable, "-c", code, server.base_url, url]
    with subprocess.Popen(words, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL) as run:
        strike = AtCall(server, 30, True, lambda pid: kill(run.pid))
        strike.pids = _Children(run.pid)
        assert run.wait(120) == -signal.SIGKILL
    again = finish(server, address).again
    check(server, address, again, 2 * CAP)


class _Named:
    """The ids of the processes whose title begins so, read anew each time."""

    def __init__(self, title):
        self.title = title

    def __iter__(self):
        titles = Path("/proc").glob("[0-9]*/cmdline")
        return iter([int(path.parent.name) for path in titles if path.read_bytes().startswith(self.title)])


class _Children:
    """The process ids of a process's children, read anew each time."""

    def __init__(self, pid):
        self.pid = pid

    def __iter__(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return iter([int(pid) for pid in children.read().split()])


@pytest.mark.sampled
def test_ray_starts_workers_and_never_repeats_a_killed_one(server, address):
    """The cluster is one of this machine; a killed task is not run again, so nothing is called twice."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'pytest-batcheval[ray]'")
    from pytest_batcheval.engine.workers.ray_tasks import RayWorkers

    strike = AtCall(server, 30, True, kill)
    strike.pids = _Named(b"ray::")
    with RayWorkers("", server.base_url, address) as crew:
        sent = go(server, address, crew, ask())
    assert strike.over.is_set()
    assert sent.answered + len(sent.unknown) == COUNT
    assert set(server.ledger.billed().values()) == {1}
    assert finish(server, address).again == sent.unknown
    check(server, address, sent.unknown, CAP)


# -- a run that ends before its workers do ----------------------------------------------------------------------


def test_at_the_deadline_what_nobody_leased_is_withdrawn(server, address):
    with pytest.raises(UnfinishedError, match="40 requests not answered yet"):
        go(server, address, AnyWorkers(), ask(40), patience=0)
    with Journal.open(address) as journal:
        assert journal.reader.open_batches() == []
    assert not server.ledger.executions


@pytest.mark.sampled
def test_ctrl_c_while_workers_call(server, address):
    """Their calls under way are stored, the rest is withdrawn, and the next run pays nothing twice."""

    class Interrupting(AnyWorkers):
        def __init__(self, crew):
            self.crew = crew

        def check(self):
            self.crew.check()
            if len(server.ledger.executions) > 30:
                raise KeyboardInterrupt

    with workers(server, address, 2) as crew, pytest.raises(KeyboardInterrupt):
        go(server, address, Interrupting(crew), ask(400))
    assert len(server.ledger.executions) < 400
    assert finish(server, address, 400).again == frozenset()
    check(server, address, (), 0)


@pytest.mark.sampled
def test_a_worker_whose_key_is_refused_says_so(server, address, monkeypatch):
    server.misbehave({"fault": "status", "call": "chat", "status": 401, "times": 1000})
    with WorkerProcesses(1, server.base_url, address) as crew, pytest.raises(ProviderError, match="401"):
        go(server, address, crew, ask(5))
    assert not server.ledger.executions
    server.faults.reset()
    finish(server, address, 5)


# -- batcheval work ---------------------------------------------------------------------------------------------


def offered(server, address, requests, tier="", **policy):
    """A run in a thread that leaves its calls to any worker; returns the thread, and where its result will be."""
    result = []
    crew = AnyWorkers()

    def run():
        result.append(go(server, address, crew, requests, tier=tier, **policy))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def test_a_worker_works_until_idle_and_asks_for_the_tier_of_the_run(server, address, monkeypatch):
    monkeypatch.setattr(call_worker, "IDLE", 0.05)
    tiers = []

    async def note(exchange):
        if exchange.call == "chat":
            tiers.append(exchange.visit)
        await exchange.answer()

    server.intercept(note)
    thread, result = offered(server, address, ask(40), tier="flex")
    with Journal.open(address) as journal:
        while not any(row.status.startswith(OFFERED) for row in journal.reader.batches()):
            assert thread.is_alive()
    worked = work_at(server.base_url, address, lambda snapshot: None, until_idle=True)
    thread.join()
    assert result[0].answered == 40
    assert worked.answered + worked.failed == 40
    with Journal.open(address) as journal:
        assert {use.tier for uses in journal.reader.tier_uses().values() for use in uses} == {"flex"}
