"""Several pytest processes at once on one journal: whoever comes first sends, and each request is executed once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter

import pytest

from pytest_batcheval.journal.store import Journal

SUITE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text

    @pytest.mark.batch(prompt=ask_question)
    def test_two(question, answer):
        assert answer.text
"""
KEYS = 8
"""Six requests of the first test and two of the second."""


class Barrier:
    """Holds the first look of every process at the server until so many have come, so that none is ahead."""

    def __init__(self, parties):
        self.parties = parties
        self.came = 0
        self.all_here = asyncio.Event()
        self.calls = Counter()

    async def __call__(self, exchange):
        self.calls[exchange.call] += 1
        if exchange.call == "models.list":
            self.came += 1
            if self.came == self.parties:
                self.all_here.set()
            await self.all_here.wait()
        await exchange.answer()


@pytest.fixture
def at_once(suite, batch_server, monkeypatch):
    """`at_once(("-k", "kim"), ())`: what processes with these arguments print, started together."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    started = []

    def start(*selections, mode="send"):
        barrier = Barrier(len(selections))
        batch_server.intercept(barrier)
        for arguments in selections:
            options = (f"--batch={mode}", f"--batch-backend={batch_server.base_url}", "-p", "no:cacheprovider")
            command = [sys.executable, "-m", "pytest", *options, *arguments]
            started.append(
                subprocess.Popen(command, cwd=suite.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
        told = [process.communicate()[0] for process in started]
        assert barrier.came >= len(selections)
        assert [process.returncode for process in started] == [0] * len(started), "\n".join(told)
        return told, barrier.calls

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def executed(server):
    return Counter(execution.custom_id for execution in server.ledger.executions)


@pytest.mark.sampled
def test_two_processes_with_one_selection_execute_each_request_once(suite, at_once, batch_server):
    suite.test_file(SUITE)
    told, calls = at_once((), ())
    assert all("8 passed" in text for text in told)
    assert sorted(executed(batch_server).values()) == [1] * KEYS
    assert calls["batches.create"] == 2 - 1, "one process has sent all, in one batch of one model"
    assert sum("waiting for process" in text for text in told) <= 1
    assert sorted("nothing to send" in text for text in told) == [False, True]


@pytest.mark.sampled
def test_processes_that_make_the_journal_at_once_all_use_the_same(suite, at_once, batch_server):
    suite.test_file(SUITE)
    told, _ = at_once((), (), (), ())
    assert all("8 passed" in text for text in told)
    assert sorted(executed(batch_server).values()) == [1] * KEYS
    journal = suite.path / ".batcheval" / "journal.sqlite"
    reader = Journal.read(journal)
    assert {row.state for row in reader.batches()} == {"settled"}
    assert reader.verify() == []
    reader.close()
    assert not list(journal.parent.glob("*.new-*"))


@pytest.mark.sampled
def test_selections_that_overlap_are_executed_once(suite, at_once, batch_server):
    suite.test_file(SUITE)
    at_once(("-k", "kim or test_two"), ("-k", "sleep"), ("-k", "not kim"))
    assert sorted(executed(batch_server).values()) == [1] * KEYS


@pytest.mark.sampled
def test_processes_of_which_lines_fail_and_a_batch_expires_pay_each_request_once(suite, at_once, batch_server):
    suite.test_file(SUITE)
    batch_server.faults.fail_lines("kim", status_code=503)
    batch_server.faults.expire_next_batch(after=4)
    told, _ = at_once((), ("-k", "test_one"))
    assert "8 passed" in told[0]
    assert "6 passed" in told[1]
    assert batch_server.ledger.billed() == dict.fromkeys(executed(batch_server), 1)
    assert len(executed(batch_server)) == KEYS


@pytest.mark.sampled
def test_processes_that_record_at_once_write_the_same_recording(suite, at_once, batch_server):
    suite.test_file(SUITE)
    at_once((), (), mode="record")
    (path,) = (suite.path / "cassettes").rglob("*.jsonl")
    assert len(path.read_bytes().splitlines()) == KEYS
    assert sorted(executed(batch_server).values()) == [1] * KEYS
    batch_server.intercept(None)
    suite.run().assert_outcomes(passed=8)
    assert not list(path.parent.glob("*.tmp*"))


@pytest.mark.sampled
def test_eight_workers_execute_each_request_once(suite, at_once, batch_server):
    suite.test_file(SUITE)
    ((told,), calls) = at_once(("-p", "xdist", "-n", "8"))
    assert "8 passed" in told
    assert calls["models.list"] == 1, "only the controller talks to the provider"
    assert sorted(executed(batch_server).values()) == [1] * KEYS


@pytest.mark.sampled
def test_two_processes_with_workers_execute_each_request_once(suite, at_once, batch_server):
    suite.test_file(SUITE)
    told, _ = at_once(("-p", "xdist", "-n", "2"), ("-p", "xdist", "-n", "2"))
    assert all("8 passed" in text for text in told)
    assert sorted(executed(batch_server).values()) == [1] * KEYS
