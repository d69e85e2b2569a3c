"""`batcheval status … --watch`: looking on until it has ended."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import openai
import pexpect
import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.cli.status import _poll_run
from pytest_batcheval.cli.watch import TOLERATED, Documents, LineDisplay, Screen, WatchedState, watch
from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.progress_file import progress_file, read_progress
from pytest_batcheval.wire.objects import Request

ORIGIN = "https://api.openai.com/v1"
REQUEST = Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": "안녕하세요"}]})
COMMAND = [sys.executable, "-m", "pytest_batcheval.cli", "status"]


class Time:
    """A clock on which sleeping takes no time."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


def look(line="open", page="", status=ExitStatus.UNFINISHED):
    return WatchedState(page or line, line, {"state": line}, status)


def watched(show, *looks, interval=5.0):
    """The exit status of watching these looks; one that is an error is raised."""
    left = list(looks)

    def next_look():
        if isinstance(left[0], Exception):
            raise left.pop(0)
        return left.pop(0)

    return watch(next_look, Time(), interval, show)


@pytest.fixture
def batch(monkeypatch, batch_server, tmp_path):
    """A batch of three requests at a simulator, which takes its usual time."""
    batch_server.reset()
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    monkeypatch.chdir(tmp_path)
    lines = [Request({**REQUEST.body, "seed": number}).line().decode() for number in range(3)]
    with openai.OpenAI() as client:
        file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
        return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h").id


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A journal with a run whose only batch is open."""
    monkeypatch.chdir(tmp_path)
    with Journal.open(tmp_path / ".batcheval" / "journal.sqlite") as opened:
        opened.add_run("the-run", ORIGIN)
        row = BatchRow(ORIGIN, "s", REQUEST.url, "i", 1, 1, 1, "f", run="the-run", model="gpt-6-luna")
        opened.row = opened.plan(row, [REQUEST])
        yield opened


def settle(journal):
    ended = replace(journal.row, state="settled", batch_id="batch_1")
    journal.settle(ended, [AnswerRow(REQUEST.custom_id, "line", b"{}", 10, 20)])


def test_a_batch_is_watched_to_its_end_and_nothing_is_written(batch, batch_server, capsys, tmp_path):
    assert main(["status", batch, "--watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(rf"\d\d:\d\d:\d\d {batch}: \w+ ", line) for line in lines)
    assert "0 completed, 0 failed, of 3" in lines[0]
    assert "completed (/v1/chat/completions), requests: 3 completed, 0 failed, of 3" in lines[-1]
    assert len(set(lines)) == len(lines) > 2
    assert list(tmp_path.iterdir()) == []
    assert set(batch_server.ledger.billed().values()) == {1}


def test_json_is_a_document_a_line_at_each_change(batch, capsys):
    assert main(["status", batch, "--watch", "--json", "--interval", "10"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["ended"] for document in found] == [False] * (len(found) - 1) + [True]
    assert all(one != other for one, other in itertools.pairwise(found))
    assert [document["request_counts"]["completed"] for document in (found[0], found[-1])] == [0, 3]


def test_a_batch_that_has_ended_is_shown_once(batch, batch_server, capsys):
    batch_server.forward(86_400)
    assert main(["status", batch, "--watch"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_batch_nobody_knows_is_not_waited_for(batch, capsys):
    assert main(["status", "batch_nobody", "--watch"]) == 11
    assert "belong to a project" in capsys.readouterr().err


@pytest.mark.sampled
def test_ctrl_c_leaves_and_stops_nothing(batch, batch_server):
    batch_server.faults.hold_batches()
    with subprocess.Popen(
        [*COMMAND, batch, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        first = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, note = watching.communicate()
    assert batch in first
    assert watching.returncode == 10
    assert note == f"\nno longer watching; the batch continues at the provider: batcheval status {batch}\n"
    batch_server.faults.release()
    batch_server.forward(86_400)
    assert main(["status", batch]) == 0


@pytest.mark.sampled
def test_a_reader_that_goes_away_is_no_error(batch, batch_server):
    batch_server.faults.hold_batches()
    script = f"{' '.join(COMMAND)} {batch} --watch --json --interval 60 | head -1; echo ${{PIPESTATUS[0]}}"
    with subprocess.Popen(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        first = watching.stdout.readline()
        batch_server.faults.release()
        out, note = watching.communicate()
    assert json.loads(first)["status"] == "in_progress"
    assert (out, note) == ("10\n", "")


@pytest.mark.sampled
def test_a_run_is_watched_until_its_batches_are_settled(journal):
    command = [*COMMAND, "--run", "the", "--watch", "--interval", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        first = watching.stdout.readline()
        journal.add_run("the-next-one", ORIGIN)
        settle(journal)
        rest = watching.stdout.read().splitlines()
    assert watching.returncode == 0
    assert "run the-run: open, requests: 1, 0 answered, 0 failed, 1 open" in first
    assert len(rest) == 1
    assert "run the-run: done, requests: 1, 1 answered, 0 failed, 0 open" in rest[0]


@pytest.fixture
def waiting(journal):
    """The process that waits for the batch of `journal`: this one, which has seen 83 of its 275 requests done."""
    journal.commit(replace(journal.row, state="created", batch_id="batch_1"))
    seen = BatchSnapshot(1, 1, "batch_1", "in_progress", 83, 1, 275, 60.0, stage="run", next_look=30.0)
    with journal.lock.held(None), progress_file(journal.path, "the-run", 1.0, lambda seen: None) as watch:
        watch(seen)
        while read_progress(journal.path, Eta) is None:
            time.sleep(0.01)
        yield watch


def test_a_run_is_shown_as_by_the_process_that_waits_for_it(journal, waiting, capsys):
    looked = _poll_run(journal.path, "the-run")
    assert "0 answered, 0 failed, 1 open (83 of them done)" in looked.line
    assert re.search(
        r"^batch 1/1  in_progress  83/275 done, 1 failed  1m 0\ds  next look in \d\ds", looked.page, re.MULTILINE
    )
    assert re.search(r"^batch_1 +in_progress +1 +83 +1 ", looked.page, re.MULTILINE)
    assert "batcheval resume" not in looked.page  # it would wait for this process
    assert looked.data["progress"] == [
        {"batch_id": "batch_1", "status": "in_progress", "done": 83, "failed": 1, "total": 275}
    ]


def test_nothing_is_shown_of_a_process_that_has_ended(journal, waiting):
    file = journal.path.with_name("journal.sqlite.progress")
    left = file.read_bytes().replace(str(os.getpid()).encode(), b"1")
    file.write_bytes(left)
    assert "83" not in _poll_run(journal.path, "the-run").page
    assert "batcheval resume" in _poll_run(journal.path, "the-run").page
    file.write_bytes(b"{")
    assert "83" not in _poll_run(journal.path, "the-run").page


def test_without_an_id_the_newest_run_that_sent_something_is_shown(journal, capsys):
    journal.add_run("collect-1", ORIGIN)
    assert main(["status"]) == 10
    assert capsys.readouterr().out.startswith("run the-run: open")


def test_ctrl_c_while_a_run_is_watched_names_what_collects_it(journal):
    with subprocess.Popen(
        [*COMMAND, "--run", "the", "--watch", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        first = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, note = watching.communicate()
    assert json.loads(first)["state"] == "open"
    assert watching.returncode == 10
    assert "the run and its batches continue" in note
    assert "batcheval resume" in note


def test_a_run_goes_on_between_two_waves(journal):
    """No batch is open then, but its process holds the journal."""
    with journal.lock.held(None):
        settle(journal)
        between = _poll_run(journal.path, "the-run")
    after = _poll_run(journal.path, "the-run")
    assert (between.status, after.status) == (ExitStatus.UNFINISHED, ExitStatus.OK)
    assert "the-run: open" in between.line
    with journal.lock.held(None):
        journal.add_run("a-later-one", ORIGIN)
        assert _poll_run(journal.path, "the-run").ended
        assert not _poll_run(journal.path, "a-later").ended


@pytest.mark.sampled
def test_a_terminal_is_drawn_anew_and_the_last_page_stays(journal):
    command = [*COMMAND, "--run", "the-run", "--watch", "--interval", "0.05"]
    terminal = pexpect.spawn(command[0], command[1:], dimensions=(24, 100), encoding="utf-8", env=None)
    terminal.expect("run the-run: open")
    terminal.expect("Ctrl-C stops watching")
    terminal.expect(r"\x1b\[\d+A")
    settle(journal)
    terminal.expect("run the-run: done")
    terminal.expect(pexpect.EOF)
    assert "Ctrl-C" not in terminal.before
    terminal.close()
    assert terminal.exitstatus == 0


def test_a_run_nobody_knows_is_not_waited_for(journal, capsys):
    assert main(["status", "--run", "nobody", "--watch"]) == 4
    assert "batcheval runs" in capsys.readouterr().err


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "inf", "soon"])
def test_an_interval_is_a_number_of_seconds(journal, capsys, interval):
    with pytest.raises(SystemExit) as ended:
        main(["status", "--run", "the-run", "--watch", f"--interval={interval}"])
    assert ended.value.code == 4
    assert "a number of seconds above 0" in capsys.readouterr().err


def test_an_interval_without_watching_is_refused(journal, capsys):
    assert main(["status", "--run", "the-run", "--interval", "3"]) == 4
    assert "--watch" in capsys.readouterr().err


def test_a_log_has_a_line_a_minute_at_most_and_the_end(capsys):
    counts = [look(f"{n} answered") for n in range(30)]
    end = look("done", status=ExitStatus.OK)
    assert watched(LineDisplay(), *counts, end, interval=5.0) == ExitStatus.OK
    shown = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["0 answered", "12 answered", "24 answered", "done"]


def test_what_has_not_changed_is_not_told_again(capsys):
    looks = [look("open")] * 50 + [look("failed", status=ExitStatus.FAILED)]
    assert watched(LineDisplay(), *looks, interval=30.0) == ExitStatus.FAILED
    assert len(capsys.readouterr().out.splitlines()) == 2
    watched(Documents(), *looks)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"state": "open"},
        {"state": "failed"},
    ]


def test_a_provider_that_cannot_be_asked_for_a_while_is_asked_again(capsys):
    trouble = [ProviderError("HTTP 502\n\x1b[2J")] * TOLERATED
    end = look("done", status=ExitStatus.OK)
    assert watched(LineDisplay(), look(), *trouble, look(), *trouble, end, interval=60.0) == ExitStatus.OK
    out = capsys.readouterr().out
    assert "open; provider unreachable, retrying: HTTP 502 \\x1b[2J" in out
    assert "\x1b" not in out


def test_a_provider_that_cannot_be_asked_at_all_ends_it():
    trouble = [ProviderError("HTTP 502")] * (TOLERATED + 1)
    with pytest.raises(ProviderError):
        watched(LineDisplay(), look(), *trouble)
    with pytest.raises(ProviderError):
        watched(LineDisplay(), ProviderError("no such batch"))


def test_a_page_fits_the_terminal_until_it_has_ended(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "10")
    page = "\n".join(["한" * 15, *(f"batch {n}" for n in range(40))])
    screen = Screen()
    screen(look(page=page), 0)
    first = capsys.readouterr().out
    assert "more lines" in first
    screen(look(page=page), 5)
    up, drawn = re.fullmatch(r"\r\x1b\[J\x1b\[(\d+)A\x1b\[J(.*)", capsys.readouterr().out, re.DOTALL).groups()
    assert int(up) < 10
    assert re.sub(r"\d\d:\d\d:\d\d", "", drawn) == re.sub(r"\d\d:\d\d:\d\d", "", first)
    screen(look(page=page, status=ExitStatus.OK), 10)
    assert capsys.readouterr().out.endswith("batch 38\nbatch 39\n")


def test_words_of_a_provider_do_not_draw(capsys):
    Screen()(look(page="refused: \x1b]0;owned\x07"), 0)
    assert not set("\x1b\x07") & set(capsys.readouterr().out)
