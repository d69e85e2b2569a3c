"""docs/terminal.md shows what the code prints: live lines of made-up batches, the rest of real runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from walkthrough import section

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.live_line import LiveLines

PAGE = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text(encoding="utf-8")
SHOWN = section(PAGE, "On a terminal")


class Takes(Eta):
    """A batch waits 3000 seconds, and each of its requests takes 0.3."""

    def duration(self, endpoint, model, requests):
        return 3000.0 + 0.3 * requests


def batch(ordinal, of, total, elapsed, done=0, failed=0, stage="run", status="in_progress", batch_id="", **more):
    return BatchSnapshot(ordinal, of, batch_id, status, done, failed, total, elapsed, stage=stage, **more)


def four():
    """A board of four batches, of which the first has ended."""
    board = LiveLines()
    board.begin(1, 1.0, Takes())
    for elapsed, done, failed in ((1000.0, 0, 0), (2512.0, 1240, 12)):
        board.take(batch(2, 4, 2000, elapsed, done, failed, next_look=112.0), 0.0)
    board.take(batch(1, 4, 2000, 2480.0, 1990, 10, "settle", "completed", ended=True, batch_id="batch_aaa"), 0.0)
    board.take(batch(3, 4, 2000, 2511.0, 310, trouble="HTTP 503: overloaded, trying again"), 0.0)
    board.take(batch(4, 4, 875, 2511.0, stage="queue", status="validating"), 0.0)
    return board


def many():
    board = LiveLines()
    board.begin(1, 1.0, Eta())
    for n in range(1, 29):
        ended = n > 26
        stage, status = (
            ("settle", "completed") if ended else ("queue", "validating") if n > 19 else ("run", "in_progress")
        )
        board.take(batch(n, 28, 50, 190.0, 12, stage=stage, ended=ended, status=status), 0.0)
    return board


def later():
    board = LiveLines()
    board.begin(2, 0.0, Eta())
    board.take(batch(1, 1, 6, 80.0, 3), 0.0)
    return board


def shown(lines):
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("picture", "lines"),
    [
        (0, [f"batch: {four().describe(1, 0.0)}", *four().lines(0.0, 79, 20)]),
        (1, four().lines(0.0, 39, 20)),
        (2, many().lines(0.0, 79, 5)),
        (3, later().lines(0.0, 79, 20)),
    ],
    ids=["80 columns", "40 columns", "28 batches", "a later wave"],
)
def test_live_lines_are_those_of_the_page(picture, lines):
    assert SHOWN[picture].text.endswith(shown(lines))
    said = SHOWN[picture].text.removesuffix(shown(lines)).splitlines()
    assert len(said) <= 1


def normalised(text):
    """Without ids, ports and times."""
    text = re.sub(r"batch_\w+", "batch_…", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:…", text)
    return re.sub(r"(?<=done)(, |  | after )\d+[smhd]( \d+[smh])?", r"\1…", text)


@pytest.mark.sampled
def test_a_run_without_a_terminal_is_that_of_the_page(suite, environment, batch_server, write_test):
    write_test("""
        @pytest.mark.batch(prompt=judged)
        def test_one(persona, question, answer): assert answer.text
    """)
    command = (sys.executable, "-m", "pytest", "--batch=send", f"--batch-backend={batch_server.base_url}")
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, check=True, text=True)
    (block,) = section(PAGE, "Without a terminal")
    assert block.text in normalised(done.stdout)
    assert SHOWN[3].text.splitlines()[0] in done.stdout


@pytest.mark.sampled
def test_ctrl_c_is_that_of_the_page(send, batch_server):
    batch_server.faults.hold_batches()
    run = send(width=80)
    run.until("1/1  in_progress  0/6")
    run.ctrl_c()
    assert run.rest() == 2
    (block,) = section(PAGE, "Ctrl-C")
    drawn = re.sub(r"(?<=virtual)  batch_…$", "", normalised(shown(run.printed)), flags=re.MULTILINE)
    assert block.text in drawn
