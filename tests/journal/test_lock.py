from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.lock import Holder, JournalLock, shown_argv, wait_a_second
from pytest_batcheval.journal.store import Journal

HOLD = """
import sys
from pathlib import Path
from pytest_batcheval.journal.lock import JournalLock
lock = JournalLock(Path(sys.argv[1]))
lock.acquire(lambda holder: None)
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("free", flush=True)
sys.stdin.readline()
"""

# A fork of a process with threads is what is tested here; Python 3.12 warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class GaveUp(Exception):
    pass


def give_up(holder):
    raise GaveUp(holder)


@pytest.fixture
def lock(tmp_path):
    return JournalLock(tmp_path / "journal.sqlite.lock")


@pytest.fixture
def holder(python, lock):
    """Another process that holds the lock."""
    process = python(HOLD, lock.path)
    assert process.stdout.readline() == "held\n"
    return process


def free(lock):
    """Whether another holder could take it now; an object of its own is another holder."""
    other = JournalLock(lock.path)
    try:
        other.acquire(None)
    except JournalError:
        return False
    other.release()
    return True


def test_one_holds_it_and_a_waiter_is_told_who(lock, holder):
    with pytest.raises(GaveUp) as caught:
        lock.acquire(give_up)
    (who,) = caught.value.args
    assert (who.pid, who.host, who.stopped) == (holder.pid, socket.gethostname(), False)
    assert str(who).startswith(f"process {holder.pid} on {socket.gethostname()} (since 20")
    assert "-c" in who.argv
    with pytest.raises(JournalError, match=rf"in use by process {holder.pid} on"):
        lock.acquire(None)


def test_it_is_given_back_and_taken_by_the_waiter(lock, holder):
    waited = []

    def wait(who):
        waited.append(who)
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "free\n"

    with lock.held(wait):
        assert [who.pid for who in waited] == [holder.pid]
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    assert lock.path.read_text() == ""
    assert lock.holder() is None


def test_kill_9_frees_it_and_nobody_is_named_any_more(lock, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock.holder() is None
    lock.acquire(give_up)
    lock.release()


def test_a_stopped_process_keeps_it_and_the_text_says_how_to_wake_it(lock, holder):
    holder.send_signal(signal.SIGSTOP)
    os.waitpid(holder.pid, os.WUNTRACED)
    with pytest.raises(GaveUp) as caught:
        lock.acquire(give_up)
    assert str(caught.value.args[0]).endswith(f"which is stopped: `kill -CONT {holder.pid}` resumes it")
    holder.send_signal(signal.SIGCONT)


def test_it_can_be_taken_again_by_its_holder_and_is_kept_to_the_outermost_block(lock):
    with lock.held(give_up):
        with lock.held(give_up):
            lock.acquire(give_up)
        assert not free(lock)
    assert free(lock)


def test_an_error_inside_frees_it(lock):
    with pytest.raises(ZeroDivisionError), lock.held(give_up):
        1 / 0  # noqa: B018
    assert free(lock)


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', '{"pid": "x", "host": "h", "argv": [], "since": 0}', "[]"])
def test_a_holder_that_cannot_be_read_is_nobody(lock, holder, text):
    lock.path.write_text(text)
    assert lock.holder() is None
    with pytest.raises(JournalError, match="in use by another process"):
        lock.acquire(None)


def test_a_holder_on_another_machine_is_believed(lock):
    lock.path.write_text(json.dumps({"pid": 2**22 + 1, "host": "elsewhere", "argv": ["pytest"], "since": 0.0}))
    assert lock.holder() == Holder(2**22 + 1, "elsewhere", ("pytest",), 0.0)


def test_secrets_of_the_command_line_are_not_shown(lock, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest", "--batch-backend=https://kim:secret@host/v1"])
    with lock.held(None):
        assert "secret" not in lock.path.read_text()


def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path, python):
    """The parent is killed while its child lives; by an inherited descriptor the child would hold the lock on."""
    script = HOLD.replace(
        'print("held", flush=True)',
        """
import os
ready, told = os.pipe()
child = os.fork()
if child == 0:
    os.write(told, b"x")
    sys.stdin.readline()
    os._exit(0)
os.read(ready, 1)
print(child, flush=True)
""",
    )
    lock = JournalLock(tmp_path / "lock")
    parent = python(script, lock.path)
    child = int(parent.stdout.readline())
    assert not free(lock)
    parent.kill()
    parent.wait()
    os.kill(child, 0)  # still there
    assert free(lock)
    os.kill(child, signal.SIGKILL)


def test_a_forked_child_waits_for_its_parent_and_frees_nothing(lock):
    with lock.held(None):
        child = os.fork()
        if child == 0:
            lock.release()
            try:
                lock.acquire(None)
                os._exit(1)
            except JournalError:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert not free(lock)


def test_who_waited_on_a_deleted_file_takes_the_lock_of_the_new_one(lock):
    other = JournalLock(lock.path)

    def wait(who):
        lock.path.unlink()
        lock.release()

    lock.acquire(None)
    other.acquire(wait)
    assert not free(lock)
    other.release()


def test_a_lock_that_was_deleted_while_it_was_held_keeps_no_other_out_and_says_so(lock):
    lock.acquire(None)
    lock.check()
    lock.path.unlink()
    with pytest.raises(JournalError, match="was deleted while it was held"):
        lock.check()
    other = JournalLock(lock.path)
    other.acquire(None)
    with pytest.raises(JournalError, match="was deleted while it was held"):
        lock.check()
    other.check()
    lock.release()
    lock.check()
    other.release()


def test_a_place_without_room_for_a_lock_is_a_journal_error(tmp_path):
    with pytest.raises(JournalError, match="ENOENT"):
        JournalLock(tmp_path / "missing" / "lock").acquire(None)


def test_on_a_full_disk_it_is_held_and_nobody_is_named(python, lock):
    script = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))" + HOLD
    process = python(script, lock.path)
    assert process.stdout.readline() == "held\n"
    assert not free(lock)
    assert lock.holder() is None


def test_waiting_leaves_no_descriptor_open(lock, holder):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(GaveUp):
            lock.acquire(give_up)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_second_is_waited_by_default(monkeypatch):
    slept = []
    monkeypatch.setattr("pytest_batcheval.wire.real_time.sleep", slept.append)
    wait_a_second(None)
    assert slept == [1]


def test_many_threads_hold_it_one_after_the_other(tmp_path):
    """Each thread has a holder of its own; what they count is only right when they exclude each other."""
    count = [0]
    turn = threading.Event()

    def work():
        own = JournalLock(tmp_path / "lock")
        for _ in range(20):
            with own.held(lambda who: turn.wait(0.001)):
                before = count[0]
                turn.wait(0)
                count[0] = before + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == [80]


def test_closing_the_journal_gives_the_lock_back(path):
    with Journal.open(path) as journal:
        journal.lock.acquire(None)
        assert not free(journal.lock)
    assert free(journal.lock)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--my-key=gateway-canary"], ["--my-key=…"]),
        (["--api-token", "gateway-canary", "-x"], ["--api-token", "…", "-x"]),
        (["--password", "-x"], ["--password", "-x"]),
        (["-o", "gate=gateway-canary"], ["-o", "gate=…"]),
        (["-k", "monkey", "--batch-enqueued-tokens=m=1"], ["-k", "monkey", "--batch-enqueued-tokens=m=1"]),
    ],
)
def test_a_command_line_is_kept_without_secrets(given, shown, monkeypatch):
    monkeypatch.setenv("GATEWAY_API_KEY", "gateway-canary")
    monkeypatch.setattr("sys.argv", ["pytest", *given])
    assert shown_argv() == ["pytest", *shown]
