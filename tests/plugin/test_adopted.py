"""Somebody begins with a batch that a notebook has half done: no line of it is paid a second time."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import openai
import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.objects import Request

pytestmark = pytest.mark.ledger(lost=True)  # it has another key than the journal for lines with ids of their own

LINES = 30
SUITE = """
    def ask_line(number):
        return {"model": "m", "messages": [{"role": "user", "content": f"질문 {number}"}]}

    @pytest.mark.parametrize("number", range(30))
    @pytest.mark.batch(prompt=ask_line)
    def test_line(number, answer):
        assert answer.text
"""
ADOPT_AND_DIE = """
import os, signal, sys
from pytest_batcheval.cli import main
from pytest_batcheval.journal.store import Journal
settle = Journal.settle
def dying(self, *args):
    settle(self, *args)
    os.kill(os.getpid(), signal.SIGKILL)
Journal.settle = dying
main(["adopt", sys.argv[1]])
"""


def body(number):
    return {"messages": [{"content": f"질문 {number}", "role": "user"}], "model": "m"}


@pytest.fixture
def notebook(suite, batch_server, monkeypatch):
    """Makes a batch as a notebook does, with ids of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    monkeypatch.chdir(suite.path)
    suite.test_file(SUITE)
    with openai.OpenAI() as sdk:

        def make(numbers=range(LINES)):
            lines = [{"custom_id": f"row-{n}", "method": "POST", "url": CHAT, "body": body(n)} for n in numbers]
            text = "\n".join(map(json.dumps, lines)).encode()
            stored = sdk.files.create(file=("notebook.jsonl", text), purpose="batch")
            return sdk.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")

        yield make


@pytest.fixture
def send(suite, batch_server):
    return lambda *args: suite.run("--batch=send", f"--batch-backend={batch_server.base_url}", *args)


def paid(batch_server):
    """How often each prompt was paid, under any id."""
    names = {Request(body(n)).custom_id: n for n in range(LINES)} | {f"row-{n}": n for n in range(LINES)}
    return Counter(names[e.custom_id] for e in batch_server.ledger.executions if e.billed)


@pytest.mark.sampled
def test_a_half_done_batch_is_named_then_adopted_then_only_the_rest_is_sent(notebook, send, batch_server):
    batch_server.faults.expire_next_batch(after=18)
    batch = notebook()
    stopped = send()
    assert stopped.ret == 4
    said = f"*{batch.id} (*) has 30 of them*batcheval adopt {batch.id} --backend *--batch-ignore-unmarked*"
    stopped.stderr.fnmatch_lines([said])
    assert not paid(batch_server).total() > 18
    killed = subprocess.run([sys.executable, "-c", ADOPT_AND_DIE, batch.id], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert main(["adopt", batch.id]) == 0
    result = send()
    result.assert_outcomes(passed=LINES)
    result.stdout.fnmatch_lines(["batch: 12 requests for the simulator*(18 answered already)*"])
    assert paid(batch_server) == dict.fromkeys(range(LINES), 1)


@pytest.mark.sampled
def test_one_that_has_ended_is_named_too(notebook, send, batch_server):
    batch_server.faults.expire_next_batch(after=18)
    batch = notebook()
    batch_server.forward(48 * 3600)
    assert send().ret == 4
    assert main(["adopt", batch.id]) == 0
    send().assert_outcomes(passed=LINES)
    assert paid(batch_server) == dict.fromkeys(range(LINES), 1)


@pytest.mark.sampled
def test_while_it_runs_its_requests_are_claimed(notebook, send, batch_server):
    """A selection of more than it has sends the others meanwhile, and waits for it."""
    batch_server.faults.hold_batches()
    batch = notebook(range(20))
    assert send().ret == 4
    assert main(["adopt", batch.id, "--wait=0"]) == 10
    assert send("--batch-wait=0").ret == 10
    batch_server.faults.release()
    send().assert_outcomes(passed=LINES)
    assert paid(batch_server) == dict.fromkeys(range(LINES), 1)


@pytest.mark.sampled
def test_who_wants_to_pays_twice(notebook, send, batch_server):
    notebook()
    send("--batch-ignore-unmarked").assert_outcomes(passed=LINES)
    batch_server.forward(24 * 3600)
    assert paid(batch_server) == dict.fromkeys(range(LINES), 2)


@pytest.mark.sampled
def test_a_stranger_beside_it_does_not_matter(notebook, send, batch_server):
    notebook(range(100, 130))
    send().assert_outcomes(passed=LINES)
