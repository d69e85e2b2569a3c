"""One journal in PostgreSQL: many senders at once, and kills, stalls, cuts and restarts at any point of one."""

import asyncio
import os
import re
import signal
import threading
from collections import Counter

import pytest
from checker import broken_rules
from forked import context
from kill_client import answered, requests, run
from kill_table import ALL, POINTS, SOME, THEN, billed_keys, client, strike, until_done

from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal import senders
from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.server import SimulatorServer

SENDERS = 8
CUTS = {"quick": (3,), "ci": (2, 5), "full": range(1, 16)}


def started(server, folder, count, journal):
    process = context().Process(target=run, args=(server.base_url, str(folder), count, "openai", journal))
    process.start()
    return process


def wrong(server, journal):
    return broken_rules(server.ledger.billed(), journal_address(journal), server.origin)


class Nth:
    """Does something before the n-th call of the API, or after it was applied."""

    def __init__(self, server, nth, act, after=False):
        self.left, self.act, self.after, self.struck = nth, act, after, False
        self.over = threading.Event()
        server.intercept(self)

    async def __call__(self, exchange):
        self.left -= 1
        if self.left or self.struck:
            return await exchange.answer()
        self.struck = True
        reply = await exchange.handle(exchange) if self.after else None
        await asyncio.to_thread(self.act, exchange)
        self.over.set()
        await (exchange.send(reply) if reply is not None else exchange.answer())


# -- many at once -----------------------------------------------------------------------------------------------


def test_eight_senders_ask_for_the_same_requests_and_each_is_in_one_batch(batch_server, tmp_path, postgres):
    """None of them is asked to wait until another has ended; each has all answers at its end."""
    count = 20
    processes = [started(batch_server, tmp_path, count, postgres) for _ in range(SENDERS)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * SENDERS
    assert billed_keys(batch_server) == Counter(request.custom_id for request in requests(count))
    with Journal.open(journal_address(postgres, tmp_path)) as journal:
        batches = journal.reader.batches()
        assert sorted(key for row in batches for key in journal.reader.keys(row.id)) == sorted(
            request.custom_id for request in requests(count)
        )
        assert {row.state for row in batches} == {"settled"}
        assert journal.reader.verify() == []


@pytest.mark.sampled
def test_runs_that_share_some_requests_each_get_all_of_theirs(batch_server, tmp_path, postgres):
    processes = [started(batch_server, tmp_path, count, postgres) for count in (4, 10, 16, 22)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert set(billed_keys(batch_server).values()) == {1}
    assert len(billed_keys(batch_server)) == 22


# -- whatever ends a sender -------------------------------------------------------------------------------------


QUICK = [("kill_client_after", "batches.create", 1)]


def pytest_generate_tests(metafunc):
    proof = metafunc.config.getoption("--proof")
    if "point" in metafunc.fixturenames:
        points = {"quick": QUICK, "ci": POINTS[1::5], "full": POINTS}[proof]
        metafunc.parametrize("point", points, ids=["-".join(map(str, point)) for point in points])
    if "nth" in metafunc.fixturenames:
        metafunc.parametrize("nth", CUTS[proof])


def test_a_sender_killed_at_this_point_is_taken_up(batch_server, tmp_path, postgres, point):
    killed = strike(batch_server, tmp_path, point, THEN[1], postgres)
    assert (killed.kills, len(killed.billed), killed.wrong) == (1, ALL, [])


@pytest.mark.sampled(6)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("what", ["the connections are cut", "the server crashes"])
def test_a_database_that_goes_away_at_this_call_loses_nothing(
    batch_server, tmp_path, postgres, postgres_server, nth, after, what
):
    def restart(exchange):
        postgres_server.stop()
        postgres_server.start()

    strike_at = Nth(batch_server, nth, restart if "crashes" in what else lambda exchange: postgres_server.cut(), after)
    first = client(batch_server, tmp_path, SOME, postgres).exitcode
    assert strike_at.over.wait(60)
    assert first == ExitStatus.JOURNAL
    batch_server.intercept(None)
    assert until_done(batch_server, tmp_path, ALL, postgres) == 0
    batch_server.forward(3 * 86_400)
    assert (len(billed_keys(batch_server)), wrong(batch_server, postgres)) == (ALL, [])


class StalledCreate:
    """Stops a process at its first create, which is applied at once, or when the process has been taken over."""

    def __init__(self, server, late):
        self.late, self.pid = late, 0
        self.struck, self.over = threading.Event(), threading.Event()
        server.intercept(self)

    async def __call__(self, exchange):
        if exchange.call != "batches.create" or self.struck.is_set():
            return await exchange.answer()
        reply = None if self.late else await exchange.handle(exchange)
        os.kill(self.pid, signal.SIGSTOP)
        self.struck.set()
        await asyncio.to_thread(self.over.wait, 60)
        await (exchange.answer() if reply is None else exchange.send(reply))


@pytest.mark.sampled
@pytest.mark.parametrize("late", [True, False], ids=["late", "applied"])
def test_a_sender_that_stalls_is_taken_over_and_stops_when_it_wakes(tmp_path, postgres, monkeypatch, late):
    """What it wakes up to do is refused: by the provider, whose input file is gone, or by the journal."""
    address = journal_address(postgres, tmp_path)
    with SimulatorServer(clock="x600") as server:
        create = StalledCreate(server, late)
        sender = started(server, tmp_path, SOME, postgres)
        create.pid = sender.pid
        assert create.struck.wait(60)
        monkeypatch.setattr(senders, "STALLED", 0.0)
        assert answered(server.base_url, address, requests(SOME))
        create.over.set()
        os.kill(create.pid, signal.SIGCONT)
        sender.join()
        assert sender.exitcode == ExitStatus.JOURNAL
        server.forward(3 * 86_400)
        assert until_done(server, tmp_path, ALL, postgres) == 0
        assert len(billed_keys(server)) == ALL
        assert wrong(server, postgres) == []


# -- a backup ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_two_databases_of_one_backup_do_not_pay_twice(batch_server, tmp_path, postgres, postgres_server):
    """Neither knows what the other has sent since; the marks of the batches at the provider say it."""
    schema = journal_address(postgres).schema
    assert until_done(batch_server, tmp_path, SOME, postgres) == 0
    copy = f"{schema}_copy"
    backup = re.sub(rf"\b{schema}\b", copy, postgres_server.dump(schema))
    postgres_server.restore(backup)
    other = postgres_server.url(copy)
    assert until_done(batch_server, tmp_path, ALL, postgres) == 0
    assert until_done(batch_server, tmp_path, ALL, other) == 0
    postgres_server.sql(f"DROP SCHEMA {schema} CASCADE")
    assert billed_keys(batch_server) == Counter(request.custom_id for request in requests(ALL))
    assert wrong(batch_server, other) == []
    postgres_server.sql(f"DROP SCHEMA {copy} CASCADE")
