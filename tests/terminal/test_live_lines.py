"""What a screen shows while a run waits for its batches, and that pytest's own output stays whole."""

import re
import shutil
import subprocess
import sys
import time

import pytest

from pytest_batcheval.journal.store import Journal

DONE = re.compile(r"batch: batch 1/1 batch_\w+: completed, 6/6 done after \w+( \w+)?( virtual)?")
THREE = """
    @pytest.mark.batch(prompt=ask_model)
    def test_one(persona, question, answer):
        assert answer.text
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, r"^1/1  in_progress  [1-5]/6  \w+( \w+)?  ~\w+( \w+)?$"),
        (80, r"^batch 1/1  in_progress  [1-5]/6 done  \w+( \w+)?  about \w+( \w+)? left  (next look in \w+|looking)$"),
        (
            200,
            r"^batch 1/1  in_progress  [1-5]/6 done  \w+( \w+)?  \S+/\w+  about \w+( \w+)? left  (next look in \w+|looking)  batch_\w+$",
        ),
    ],
)
def test_one_line_is_redrawn_from_the_upload_to_the_end(terminal, stepped, width, shown):
    run = terminal("--batch=send", f"--batch-backend={stepped.base_url}", width=width)
    for pattern, seconds in (("1/1  validating  0/6", 0), ("1/1  in_progress  0/6", 5), (shown, 15)):
        run.until(pattern, step=lambda seconds=seconds: stepped.pass_time(seconds))
        assert sum(re.match(r"(batch )?1/1  ", line) is not None for line in run.lines) == 1
        assert "1/1  " in run.lines[-1]
    run.until("6 passed", step=lambda: stepped.pass_time(200))
    assert run.rest() == 0
    assert sum(DONE.fullmatch(line) is not None for line in run.printed) == 1
    assert "1/1  " not in run.text


VERBOSE = [f"test_it.py::test_one[{p}-{q}] PASSED" for p in ("kim", "choi", "park") for q in ("sleep", "work")]


@pytest.mark.sampled(55)
@pytest.mark.parametrize(
    ("arguments", "own"),
    [
        (("-q",), ["...... [100%]", "6 passed in"]),
        (("-qq",), ["...... [100%]"]),
        (("-v",), VERBOSE),
        (("-s",), ["test_it.py ......"]),
        (("--color=no",), ["test_it.py ...... [100%]"]),
        (("-p", "xdist", "-n", "2", "-v"), ["2 workers [6 items]", "PASSED test_it.py::test_one[kim-sleep]"]),
    ],
    ids=" ".join,
)
def test_pytests_own_output_stays_whole(send, batch_server, arguments, own):
    batch_server.faults.hold_batches()
    run = send(*arguments)
    run.until("^batch 1/1  in_progress")
    batch_server.faults.release()
    assert run.rest() == 0
    (end,) = [number for number, line in enumerate(run.printed) if DONE.fullmatch(line)]
    assert run.printed[end - 1] == "batch: 6 requests for the simulator (faithful@0)"
    after = " ".join(" ".join(run.printed[end:]).split())
    for text in own:
        assert text in after
    assert "batch 1/1  " not in run.text
    assert b"\x1b[1A" in run.written
    assert "--color=no" not in arguments or not re.search(rb"\x1b\[[\d;]*m", run.written)


@pytest.mark.sampled
def test_prints_of_a_prompt_stand_on_lines_of_their_own(send, write_test):
    write_test("""
        def talking(persona, question):
            print("the prompt speaks")
            answer = yield ask(persona, question)
            print("and again")
            yield ask(persona, question) | {"seed": 1}

        @pytest.mark.batch(prompt=talking)
        def test_one(persona, question, answer): assert answer.text
    """)
    run = send("-s", height=120)
    assert run.rest() == 0
    sending = run.printed[run.printed.index("batch: 6 requests for the simulator (faithful@0)") :]
    sending = sending[: next(number for number, line in enumerate(sending) if line.startswith("test_it.py"))]
    shown = [line for line in sending if "speaks" in line or "again" in line]
    assert set(shown) == {"the prompt speaks", "and again"}
    assert sum("done after" in line for line in run.printed) == 2


@pytest.mark.sampled
def test_a_live_log_is_not_drawn_over(send):
    run = send("-o", "log_cli=true")
    assert run.rest() == 0
    assert b"\x1b[1A" not in run.written
    assert sum("batch: batch 1/1 batch_" in line for line in run.printed) == 3


@pytest.mark.sampled
def test_a_dumb_terminal_gets_plain_lines(send):
    run = send(TERM="dumb")
    assert run.rest() == 0
    assert b"\x1b" not in run.written
    assert sum("batch: batch 1/1 batch_" in line for line in run.printed) == 3


@pytest.mark.sampled
def test_without_a_terminal_there_are_plain_lines(suite, environment, batch_server):
    command = (sys.executable, "-m", "pytest", "--batch=send", f"--batch-backend={batch_server.base_url}")
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, check=True)
    assert b"\x1b" not in done.stdout
    assert not done.stderr
    shown = re.findall(r"^batch: batch 1/1 batch_\w+: (\w+).*, (\d/6 done)", done.stdout.decode(), re.MULTILINE)
    assert shown == [("validating", "0/6 done"), ("in_progress", "0/6 done"), ("completed", "6/6 done")]


@pytest.mark.sampled
def test_an_encoding_without_our_characters_is_no_trouble(send, batch_server, write_test):
    write_test(THREE)
    batch_server.faults.hold_batches()
    run = send(height=6, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    run.until(r"^\? and 2 more: 2 in_progress")
    batch_server.faults.release()
    assert run.rest() == 0


@pytest.mark.sampled
def test_as_many_lines_as_fit_are_shown_and_they_follow_the_size(send, batch_server, write_test):
    write_test(THREE)
    batch_server.faults.hold_batches()
    run = send(height=6, width=120)
    run.until("^… and 2 more: 2 in_progress")
    assert sum("in_progress  0/2 done" in line for line in run.lines) == 1
    run.resize(100, 30)
    run.until("^batch 3/3  in_progress")
    assert [line.split()[1] for line in run.lines if line.startswith("batch ")] == ["1/3", "2/3", "3/3"]
    assert "more:" not in run.text
    batch_server.faults.release()
    assert run.rest() == 0
    assert sum("completed, 2/2 done" in line for line in run.printed) == 3
    assert "3  in_progress" not in run.text


@pytest.mark.sampled
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, which wraps its lines anew as most terminals do")
def test_a_terminal_that_becomes_narrower_keeps_no_remains(suite, environment, batch_server):
    batch_server.faults.hold_batches()
    run = f"{sys.executable} -m pytest --batch=send --batch-backend={batch_server.base_url}; read end"

    def tmux(*arguments):
        command = ("tmux", "-f", "/dev/null", "-S", suite / "tmux", *arguments)
        done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, check=True, text=True)
        return [line.rstrip() for line in done.stdout.split("\n") if line.strip()]

    def until(pattern):
        end = time.monotonic() + 90
        while time.monotonic() < end:
            lines = tmux("capture-pane", "-p")
            if any(re.search(pattern, line) for line in lines):
                return lines
        raise AssertionError(f"{pattern!r} never came: {lines}")

    tmux("new-session", "-d", "-x", "120", "-y", "40", run)
    try:
        assert until("^batch 1/1  in_progress")[-1].rpartition("  ")[2].startswith("batch_")
        tmux("resize-window", "-x", "50", "-y", "40")
        lines = until(r"^batch 1/1  in_progress  0/6 done  \w+( \w+)?$")
        assert [line for line in lines if "1/1" in line or "batch_" in line] == lines[-1:]
        assert lines[-2].startswith("batch: 6 requests for the simulator")
        batch_server.faults.release()
        assert not [line for line in until("6 passed") if line.startswith("batch 1/1")]
    finally:
        tmux("kill-server")


@pytest.mark.sampled
def test_time_goes_on_while_nothing_happens_and_the_next_look_comes_nearer(terminal, stepped):
    stepped.faults.hold_batches()
    run = terminal("--batch=send", f"--batch-backend={stepped.base_url}")
    shown = r"1/1  in_progress  0/6 done  (\d+)m (\d+)s  next look in (\d+)s"
    moments = [run.until(shown.removesuffix(r"(\d+)s") + r"\d\ds", step=lambda: stepped.pass_time(100))]
    for _ in range(3):  # the first may be the last one before time has passed
        moments.append(run.until(f"(?!{moments[-1]})" + shown))
    told = [[int(number) for number in re.search(shown, moment).groups()] for moment in moments]
    (*before, look_before), (*after, look_after) = told[-2:]
    assert after > before
    assert look_after < look_before


@pytest.mark.sampled
def test_lines_that_fail_are_counted(send, batch_server):
    batch_server.faults.fail_lines("kim", status_code=400, code="bad", times=99)
    run = send(width=120)
    assert run.rest() == 1
    assert sum("completed, 4/6 done, 2 failed after" in line for line in run.printed) == 1


@pytest.mark.sampled
def test_a_batch_that_fails_as_a_whole_says_why(send, batch_server):
    batch_server.faults.fail_next_batch("invalid_model", "no such\x1b[2J model")
    run = send(width=160)
    assert run.rest() == 11
    assert sum(line.endswith(r": failed, 0/6 done after 0s virtual: no such\x1b[2J model") for line in run.printed) == 1


@pytest.mark.sampled
def test_a_provider_that_does_not_answer_is_reported_while_it_lasts(send, batch_server):
    batch_server.faults.hold_batches()
    batch_server.misbehave({"fault": "status", "call": "batches.retrieve", "status": 503, "probability": 1.0})
    run = send(width=120)
    run.until("^batch 1/1  validating  0/6 done  .*  no answer: .*503")
    batch_server.misbehave()
    run.until(r"^batch 1/1  in_progress  0/6 done  \w+( \w+)? virtual  batch_\w+$")
    batch_server.faults.release()
    assert run.rest() == 0


def test_an_unrecorded_test_has_no_live_lines(terminal):
    run = terminal()
    assert run.rest() == 1
    assert "test_it.py UUUUUU" in run.text
    assert "unrecorded" in run.text
    assert b"\x1b[1A" not in run.written


BREAKS = """
import pytest_batcheval.report.display

def broken(*arguments):
    raise {error}

pytest_batcheval.report.display.{name} = broken
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("name", "error"),
    [("redrawn", "OSError(5, 'the terminal is gone')"), ("_expected", "ValueError")],
)
def test_a_display_that_breaks_ends_no_run(send, suite, name, error):
    (suite / "conftest.py").write_text(BREAKS.format(name=name, error=error))
    run = send("-W", "error")
    assert run.rest() == 0
    assert "6 passed" in run.text
    assert "Traceback" not in run.text


@pytest.mark.sampled
def test_a_reader_that_goes_away_does_not_keep_the_answers_from_the_journal(suite, environment, batch_server):
    batch_server.faults.hold_batches()
    command = (sys.executable, "-m", "pytest", "--batch=send", f"--batch-backend={batch_server.base_url}")
    with subprocess.Popen(command, cwd=suite, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        for line in run.stdout:
            if b"in_progress" in line:
                break
        run.stdout.close()
        batch_server.faults.release()
        run.stderr.read()
    (row,) = Journal.read(suite / ".batcheval" / "journal.sqlite").batches()
    assert (row.state, row.completed) == ("settled", 6)
