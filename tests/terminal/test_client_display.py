"""What a `BatchClient` shows by itself: a bar or lines on a terminal, nothing elsewhere, pytest's display in pytest."""

import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from pytest_batcheval.engine.snapshot import BatchSnapshot, NoticeSnapshot
from pytest_batcheval.report.client_display import _Bar, shown
from pytest_batcheval.report.eta import Eta

SCRIPT = """
import sys
{before}
from pytest_batcheval import BatchClient
from pytest_batcheval.wire.objects import Request

def ask(n):
    return Request({{"model": "m", "messages": [{{"role": "user", "content": str(n)}}]}})

with BatchClient("simulator"{options}) as client:
    print(client.run(map(ask, range(6)), batch_size=3))
"""
NO_TQDM = "sys.modules['tqdm'] = None"
DONE = "<BatchRun 6 answered, 0 failed>"


@pytest.fixture
def script(suite):
    def write(before="", options=""):
        (suite / "script.py").write_text(SCRIPT.format(before=before, options=options))
        return "-m", "script"

    return write


@pytest.mark.sampled
def test_without_tqdm_a_terminal_has_live_lines(terminal, script):
    run = terminal(command=script(NO_TQDM), width=120)
    assert run.rest() == 0
    ends = [
        line for line in run.lines if re.fullmatch(r"batch: batch ./2 batch_\w+: completed, 3/3 done after .*", line)
    ]
    assert len(ends) == 2
    assert run.lines[-1] == DONE
    assert len(run.lines) == 3
    assert b"\x1b[32mcompleted\x1b[0m" in run.written


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("before", "options", "variables"),
    [(NO_TQDM, ", progress=None", {}), ("", ", progress=None", {}), (NO_TQDM, "", {"TERM": "dumb"})],
)
def test_silence_is_possible(terminal, script, before, options, variables):
    run = terminal(command=script(before, options), **variables)
    assert run.rest() == 0
    assert run.lines == [DONE]


@pytest.mark.sampled
@pytest.mark.parametrize("before", ["", NO_TQDM])
def test_without_a_terminal_nothing_is_shown(suite, environment, script, before):
    command = (sys.executable, *script(before))
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, check=True, text=True)
    assert (done.stdout, done.stderr) == (f"{DONE}\n", "")


@pytest.mark.sampled
def test_tqdm_shows_a_bar_where_it_is_installed(terminal, script):
    pytest.importorskip("tqdm")
    run = terminal(command=script(), width=120)
    assert run.rest() == 0
    assert re.match(r"2 batches: 2 completed: 100%\|.* 6/6 \[", run.lines[0])
    assert run.lines[1:] == [DONE]


@pytest.mark.sampled
@pytest.mark.parametrize("arguments", [(), ("-s",)], ids=" ".join)
def test_in_pytest_it_is_pytests_display(terminal, write_test, arguments):
    write_test("""
        from pytest_batcheval import BatchClient
        from pytest_batcheval.wire.objects import Request

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(n, tmp_path):
            body = {"model": "m", "messages": [{"role": "user", "content": str(n)}]}
            with BatchClient("simulator", journal=tmp_path / "j") as client:
                assert client.run([Request(body)]).finished
    """)
    run = terminal(*arguments)
    assert run.rest() == 0
    assert sum("batch: batch 1/1 batch_" in line for line in run.printed) == 2
    assert "%|" not in run.text
    assert "2 passed" in run.text


@pytest.mark.sampled
def test_in_pytest_without_a_terminal_nothing_is_shown(suite, environment, write_test):
    write_test("""
        from pytest_batcheval import BatchClient

        def test_it(tmp_path):
            with BatchClient("simulator", journal=tmp_path / "j") as client:
                client.collect()
    """)
    command = (sys.executable, "-m", "pytest", "-s")
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, check=True, text=True)
    assert "batch" not in done.stdout.partition("test_it.py")[2]


# -- the bar, with a class as a boundary of tqdm's -------------------------------------------------------------------


class Bars:
    """Makes bars as tqdm does, and keeps them."""

    def __init__(self):
        self.made, self.said = [], []

    def __call__(self, **given):
        bar = SimpleNamespace(**given, n=0, text="", rest="", closed=False)
        bar.set_description_str = lambda text, refresh: setattr(bar, "text", text)
        bar.set_postfix_str = lambda text: setattr(bar, "rest", text)
        bar.close = lambda: setattr(bar, "closed", True)
        self.made.append(bar)
        return bar

    def write(self, text, file):
        self.said.append(text)


def batch(ordinal, done, failed=0, **more):
    return BatchSnapshot(ordinal, 2, f"b{ordinal}", "in_progress", done, failed, 9, 5.0, stage="run", **more)


def test_a_bar_counts_all_batches_of_a_round_and_says_the_next_look():
    bars = Bars()
    bar = _Bar(bars)
    bar.begin(1, 1.0, Eta())
    for seen in (batch(1, 3, next_look=20.0), batch(2, 1, 2, next_look=7.0)):
        bar.show(seen, 0.0)
    bar.draw(1.0)
    (made,) = bars.made
    assert (made.n, made.total) == (6, 18)
    assert (made.text, made.rest) == ("2 batches: 2 in_progress", "2 failed, next look in 6s")
    bar.show(NoticeSnapshot.of_text("listen\x1b[2J"), 1.0)
    assert bars.said == ["listen\\x1b[2J"]
    for ordinal in (1, 2):
        bar.show(batch(ordinal, 9, ended=True), 2.0)
    assert made.closed
    assert made.n == 18
    bar.show(batch(1, 0), 3.0)
    bar.draw(3.0)
    assert [each.closed for each in bars.made] == [True, False]


def test_a_second_client_at_the_same_time_is_silent():
    with shown("auto", 1.0, list):
        told = []

        def second():
            with shown("auto", 1.0, list) as progress:
                told.append(getattr(progress, "__self__", None))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert told == [None]


@pytest.mark.sampled
def test_a_notebook_has_a_bar_that_its_kernel_draws(suite, script):
    """A kernel of its own runs the cell, as in Jupyter."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("tqdm")
    script()
    cell = nbformat.v4.new_code_cell((suite / "script.py").read_text())
    book = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(book, timeout=90, resources={"metadata": {"path": str(suite)}}).execute()
    shown = [str(output.get("data", output.get("text"))) for output in book.cells[0].outputs]
    assert any("/6 [" in text for text in shown)
    assert DONE in shown[-1]
