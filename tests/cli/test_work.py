"""`--batch-workers` and `batcheval work`: other processes make the individual calls of a run."""

import signal
import subprocess
import sys

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.client import BatchClient
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.wire.objects import Request

TEST = """
    import pytest

    @pytest.mark.parametrize("word", ["a", "b", "c"])
    @pytest.mark.batch(prompt=lambda word: {"model": "m", "messages": [{"role": "user", "content": word}]})
    def test_word(answer, word):
        assert answer.text
"""
SEND = ("--batch=send", "--batch-calls=individual")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--batch-workers=0"],
            "*batch_workers: workers = '0': must be any (those that run batcheval work), a number*",
        ),
        (["--batch-workers=many"], "*must be any (those that run batcheval work), a number*"),
        (["--batch-workers=4"], "*workers need a journal that several processes use at once*PostgreSQL*"),
        (["--batch-workers=4", "--batch-journal=postgresql:///x"], "*add --batch-calls=individual*"),
    ],
)
def test_workers_that_could_not_work_are_refused_before_anything_is_collected(pytester, options, said):
    pytester.makepyfile(TEST)
    result = pytester.runpytest(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_they_cannot_reach_a_simulator_in_the_run(pytester, postgres):
    pytester.makepyfile(TEST)
    result = pytester.runpytest(*SEND, "--batch-backend=simulator", "--batch-workers=2", f"--batch-journal={postgres}")
    assert result.ret == ExitStatus.USAGE
    result.stderr.fnmatch_lines(["*workers cannot reach simulator, which is in this process: start batcheval serve*"])


def test_a_worker_needs_a_journal_in_postgresql(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["work"]) == ExitStatus.USAGE
    assert "name one in PostgreSQL" in capsys.readouterr().err


@pytest.mark.sampled
def test_a_run_of_tests_has_its_calls_made_by_its_workers(pytester, postgres, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    pytester.makepyfile(TEST)
    options = (f"--batch-backend={batch_server.base_url}", f"--batch-journal={postgres}", "--batch-workers=2")
    result = pytester.runpytest(*SEND, *options)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["requests   3 in 3 individual calls: 3 answered, 0 failed"])
    assert sorted(batch_server.ledger.billed().values()) == [1, 1, 1]


@pytest.mark.sampled
def test_sigterm_ends_a_worker_in_good_order(postgres, batch_server, tmp_path, monkeypatch):
    """As an orchestrator of containers ends them; what it has leased it finishes first."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    words = ["work", "--journal", postgres, "--backend", batch_server.base_url]
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_batcheval.cli", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        requests = [Request({"model": "m", "messages": [{"role": "user", "content": f"q{n}"}]}) for n in range(4)]
        client = BatchClient(batch_server.base_url, journal=postgres, individual=True, workers="any", progress=None)
        with client:
            assert client.run(requests).sent.answered == 4
        worker.send_signal(signal.SIGTERM)
        out, _ = worker.communicate(timeout=60)
    assert worker.returncode == 130
    assert "calls: 4/4 answered, 0 under way" in out
    assert "interrupted; the answers that have come are stored" in out


def test_a_client_refuses_what_could_not_work_before_anything_is_sent(postgres, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    request = Request({"model": "m", "messages": []})
    for workers, individual, said in (("all", True, "workers = 'all': must be any"), (2, False, "individual=True")):
        client = BatchClient(batch_server.base_url, journal=postgres, individual=individual, workers=workers)
        with client, pytest.raises(UsageError, match=said):
            client.run([request])
    assert not batch_server.ledger.executions
