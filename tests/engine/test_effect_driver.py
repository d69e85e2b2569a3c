from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from send_with import send_with

from pytest_batcheval.backends.errors import TransientFailure
from pytest_batcheval.engine.effect_driver import Driver
from pytest_batcheval.engine.results import KEEP
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.engine.thread_pool import Pool
from pytest_batcheval.errors import JournalError, UnfinishedError
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal


def go(provider, journal, clock, requests, **more):
    return send_with(requests, backend=provider, journal=journal, clock=clock, **more)


# -- the pool -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pool():
    opened = Pool(2)
    yield opened
    opened.close()


def test_calls_run_side_by_side_and_come_back_under_their_labels(pool):
    meet = threading.Barrier(2, timeout=30)
    for label in "ab":
        pool.start(label, lambda label=label: (meet.wait(), label.upper())[1])
    assert {pool.next(30.0), pool.next(30.0)} == {("a", "A"), ("b", "B")}
    assert pool.busy == 0
    assert pool.next(0.0) is None


def test_a_fault_is_a_result_and_anything_else_is_raised(pool):
    fault = TransientFailure("503", "busy")

    def fail(error):
        raise error

    pool.start("a", lambda: fail(fault))
    assert pool.next(30.0) == ("a", fault)
    for error in (ZeroDivisionError(), SystemExit(), KeyboardInterrupt()):
        pool.start("b", lambda error=error: fail(error))
        with pytest.raises(type(error)):
            pool.next(30.0)
    pool.start("c", lambda: "still works")
    assert pool.next(30.0) == ("c", "still works")


def test_a_closed_pool_waits_for_nobody():
    begun, hang = threading.Event(), threading.Event()
    pool = Pool(1)
    pool.start("a", lambda: (begun.set(), hang.wait(30))[1])
    assert begun.wait(30)
    pool.close()
    assert pool.next(0.0) is None
    hang.set()
    assert pool.next(30.0) == ("a", True)


def test_a_closed_pool_begins_no_call_that_waits():
    """After Ctrl-C no create may leave that has not left yet."""
    begun, hang, made = threading.Event(), threading.Event(), []
    pool = Pool(1)
    pool.start("a", lambda: (begun.set(), hang.wait(30))[1])
    assert begun.wait(30)
    pool.start("b", lambda: made.append("b"))
    pool.close()
    hang.set()
    assert pool.next(30.0) == ("a", True)
    for thread in threading.enumerate():
        if getattr(thread, "_target", None) == pool._work:
            thread.join()
    assert made == []


# -- threads ------------------------------------------------------------------------------------------------------


def test_the_journal_is_written_and_read_on_the_calling_thread_and_the_provider_on_others(
    provider, journal, clock, ask, monkeypatch
):
    here, journal_threads, provider_threads = threading.get_ident(), set(), set()
    call = provider._call

    def called(name):
        if name != "list":  # before anything is sent, batches of other machines are looked for
            provider_threads.add(threading.get_ident())
        call(name)

    provider._call = called
    rows = journal.reader._rows
    monkeypatch.setattr(journal.reader, "_rows", lambda *a: (journal_threads.add(threading.get_ident()), rows(*a))[1])
    journal._connection.set_trace_callback(lambda sql: journal_threads.add(threading.get_ident()))
    go(provider, journal, clock, ask(20), limits=Limits(requests=4))
    assert journal_threads == {here}
    assert here not in provider_threads


# -- interrupts ---------------------------------------------------------------------------------------------------


def test_ctrl_c_while_waiting_leaves_the_batch_to_the_next_run(provider, journal, clock, ask, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(clock, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(provider, journal, clock, ask(5))
    assert [row.state for row in journal.reader.batches()] == ["created"]
    sent = go(provider, journal, clock, ask(5))
    assert (sent.attached, sent.answered, sent.sent) == (1, 5, 0)
    assert set(provider.paid.values()) == {1}


def test_ctrl_c_in_the_progress_display_leaves_a_usable_journal(provider, journal, clock, ask, proof):
    """The display runs on the same thread, between any two effects."""
    number, step = 0, 9 if proof == "quick" else 1
    while True:
        number += step
        left = [number]

        def progress(seen, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        requests = ask(min(number, 12) + 5)
        try:
            go(provider, journal, clock, requests, limits=Limits(requests=3), progress=progress)
            break
        except KeyboardInterrupt:
            journal.add_run(f"usable-{number}", "o")
    assert number > 4 * step
    assert provider.paid == {request.custom_id: 1 for request in requests}


# -- waiting ------------------------------------------------------------------------------------------------------


def test_with_no_patience_everything_is_submitted_first(provider, journal, clock, ask):
    fails = [TransientFailure("503", "busy", 503)] * 3
    provider.fault = lambda call: fails.pop() if call == "upload" and fails else None
    with pytest.raises(
        UnfinishedError, match=r"3 batches still running \(batch_\d, batch_\d, batch_\d\); nothing is lost"
    ):
        go(provider, journal, clock, ask(9), limits=Limits(requests=3), patience=0)
    assert [row.state for row in journal.reader.batches()] == ["created"] * 3
    assert clock.time < 60
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, ask(9), patience=0)
    assert provider.calls["create"] == 3


def test_patience_is_used_up_to_its_end_and_a_last_look_is_taken_there(provider, journal, clock, ask):
    provider.takes = 999.0
    assert go(provider, journal, clock, ask(2), patience=1000).answered == 2
    assert clock.time <= 1001


def test_patience_does_not_outlast_a_pause_before_another_attempt(provider, journal, clock, ask):
    provider.takes = 10.0
    provider.line_of = lambda key, run: (503, {})
    with pytest.raises(UnfinishedError, match="2 requests can be sent again in 600 s at the earliest"):
        go(provider, journal, clock, ask(2), attempts=5, patience=300)
    assert clock.time < 300
    assert go(provider, journal, clock, ask(2), attempts=1).failed == 2
    assert set(provider.ledger.values()) == {3}


# -- files --------------------------------------------------------------------------------------------------------


def test_files_of_finished_batches_are_removed_and_those_worth_reading_or_not_ours_kept(provider, journal, clock, ask):
    go(provider, journal, clock, ask(3), limits=Limits(requests=1))
    open_one = journal.plan(replace(journal.reader.batches()[0], state="planned"), ask(4)[3:])
    driver = Driver(provider, journal, clock)
    folder = driver.folder_of(1).parent
    for name in ("1", "2", "3", str(open_one.id), "7", "photos"):
        (folder / name).mkdir(parents=True)
        (folder / name / "output.jsonl").write_text("{}")
    (folder / "2" / KEEP).touch()
    (folder / "3" / "more").symlink_to(folder / "photos")
    driver.tidy()
    assert {path.name for path in folder.iterdir()} == {"2", str(open_one.id), "7", "photos"}
    assert (folder / "photos" / "output.jsonl").exists()


def test_the_files_are_private(provider, journal, clock, ask):
    modes = []
    upload = provider.upload

    def seen(path, filename):
        modes.append(path.parent.stat().st_mode & 0o777)
        return upload(path, filename)

    provider.upload = seen
    go(provider, journal, clock, ask(2))
    assert modes == [0o700]


def test_a_full_disk_under_the_input_file_is_reported_and_nothing_is_sent(provider, journal, clock, ask, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pytest_batcheval.backends.local_files.os.fsync", full)
        with pytest.raises(JournalError, match=r"cannot be written .*No space left"):
            go(provider, journal, clock, ask(2))
    assert provider.calls["upload"] == 0
    assert go(provider, journal, clock, ask(2)).answered == 2


def test_a_place_where_no_folder_can_be_made_is_reported_and_nothing_is_sent(provider, journal, clock, ask):
    blocked = journal.path.with_name(journal.path.name + ".files")
    blocked.write_text("in the way")
    with pytest.raises(JournalError, match=r"journal.sqlite.files.* cannot be written"):
        go(provider, journal, clock, ask(2), threads=0)
    assert provider.calls["upload"] == 0
    blocked.unlink()
    assert go(provider, journal, clock, ask(2)).answered == 2


# -- a journal that fails -----------------------------------------------------------------------------------------


class Failing(Journal):
    """The n-th commit or settlement fails as a full disk makes it fail."""

    left = 0

    def commit(self, row):
        self.count()
        super().commit(row)

    def settle(self, row, results):
        self.count()
        super().settle(row, results)

    def count(self):
        Failing.left -= 1
        if Failing.left == 0:
            raise JournalError("the journal cannot be used (SQLITE_FULL: database or disk is full)")


@pytest.mark.sampled
@pytest.mark.parametrize("refresh", [False, True])
def test_after_the_nth_commit_that_fails_the_next_run_pays_once(world, folder, ask, refresh):
    """n = 1, 2, 3 … until a run passes clean."""
    number, requests = 0, ask(7)
    while True:
        number += 1
        provider, path = world(), folder / f"{refresh}{number}" / "journal.sqlite"
        with Failing.open(path) as journal:
            Failing.left = 0
            if refresh:
                go(provider, journal, provider.clock, requests)
            Failing.left = number
            with suppress(JournalError):
                go(provider, journal, provider.clock, requests, limits=Limits(requests=4), refresh=refresh)
                break
            assert go(provider, journal, provider.clock, requests, refresh=refresh).answered == 7
        provider.settle_down()
        assert set(provider.paid.values()) == {1 + refresh}, f"commit {number}"
    assert number == 11


def test_results_that_cannot_be_stored_are_said_to_be_there(provider, journal, clock, ask, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "settle", lambda self, row, results: (_ for _ in ()).throw(JournalError("full")))
        with pytest.raises(
            JournalError, match=r"full\. The results of batch batch_0 could not be stored; the next run"
        ):
            go(provider, journal, clock, ask(2))
    assert go(provider, journal, clock, ask(2)).answered == 2


def test_result_files_that_vanish_before_they_are_stored_are_downloaded_again(
    provider, journal, clock, ask, monkeypatch
):
    """A cleaner of temporary files, say, between the download and the transaction."""
    settle = Journal.settle
    folder = Driver(provider, journal, clock).folder_of(1)

    def swept(self, row, results):
        shutil.rmtree(folder)
        settle(self, row, results)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "settle", swept)
        with pytest.raises(JournalError, match="ENOENT"):
            go(provider, journal, clock, ask(2))
    assert [row.state for row in journal.reader.batches()] == ["ended"]
    assert go(provider, journal, clock, ask(2)).answered == 2
    assert set(provider.paid.values()) == {1}


def test_an_engine_that_asks_for_something_unknown_is_a_mistake_of_ours(provider, journal, clock):
    with pytest.raises(TypeError, match="is not a call"):
        Driver(provider, journal, clock)._call(replace(BatchRow("o", "s", "e", "i", 1, 1, 1, "f")))
