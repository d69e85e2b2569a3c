"""The n-th commit, or the n-th call, of a whole send fails, for n = 1, 2, 3 … until a send passes untouched.

After each the next send, of which nothing fails, ends with every request answered and billed once.
"""

from __future__ import annotations

import resource
import sqlite3
from contextlib import suppress

import pytest
from checker import broken_rules
from send_with import send_with

from pytest_batcheval.backends.errors import Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import JournalError, ProviderError
from pytest_batcheval.journal.store import Journal

pytestmark = pytest.mark.timeout(0)

STEPS = {"quick": 11, "ci": 3, "full": 1}
"""Every so many n, from another first one for each fault and each create: in CI each n fails by every fault once."""

FIRST_N = 200


def troubled(provider, requests):
    """Two batches, of which the second one expires, and a line that fails twice: the last batch runs alone."""
    bad = requests[0].custom_id
    provider.takes = 10.0
    provider.status_of = lambda number: "expired" if number == 2 else "completed"
    provider.line_of = lambda key, run: (
        (503, {}) if key == bad and run <= 2 else (200, {"choices": [{"message": {"content": "fine"}}]})
    )


def go(backend, path, requests, **more):
    """One process: opens the journal and sends."""
    with Journal.open(path) as journal:
        return send_with(
            requests,
            backend=backend,
            journal=journal,
            clock=backend.clock,
            attempts=4,
            limits=Limits(requests=4),
            **more,
        )


def check(provider, path, requests, what):
    """A send of which nothing fails, then the rule that everything is paid once and kept."""
    sent = go(provider, path, requests)
    assert (sent.answered, sent.failed, sent.lost) == (len(requests), 0, ()), what
    provider.settle_down()
    assert provider.paid.keys() == {request.custom_id for request in requests}, what
    assert broken_rules(provider.paid, path, provider.origin) == [], what
    with Journal.open(path) as journal:
        assert journal.reader.open_batches() == [], what
        assert journal.reader.claimed(provider.origin) == set(), what
        assert journal.reader.verify() == [], what
    assert not list(path.parent.glob("*.files")), what


# -- commits ------------------------------------------------------------------------------------------------------


class Disk:
    """What happens at commit `at`, counted from 1, of all connections, and at each one after it when it `stays`."""

    def __init__(self, how, stays, provider):
        self.how, self.stays, self.provider = how, stays, provider
        self.at = self.commits = 0

    def commit(self, connection, usual):
        self.commits += 1
        if not self.at or self.commits < self.at or (self.commits > self.at and not self.stays):
            return usual()
        return getattr(self, self.how)(connection, usual)

    def io_error(self, connection, usual):
        """SQLite's own: the system lets no file grow. The provider's threads write nothing meanwhile."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        with self.provider.guard:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
            try:
                return usual()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def full(self, connection, usual):
        """As SQLite was seen to do it on a full disk: the transaction is rolled back already."""
        sqlite3.Connection.execute(connection, "ROLLBACK")
        raise _error("database or disk is full", "SQLITE_FULL")

    def stored_all_the_same(self, connection, usual):
        """The last fsync failed, and what was written is there nevertheless."""
        usual()
        raise _error("disk I/O error", "SQLITE_IOERR_FSYNC")


def _error(text, name):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


@pytest.fixture
def disk(monkeypatch):
    """`disk(how, stays, provider)`: from now on the journal lies on such a disk."""
    usual = sqlite3.connect

    def install(how, stays, provider):
        disk = Disk(how, stays, provider)

        class Connection(sqlite3.Connection):
            def execute(self, sql, *arguments):
                run = super().execute
                if sql.strip().upper() != "COMMIT":
                    return run(sql, *arguments)
                return disk.commit(self, lambda: run(sql, *arguments))

        def connect(name, **more):  # a temporary database, which has no name, is not the journal
            return usual(name, **more, **({"factory": Connection} if name else {}))

        monkeypatch.setattr(sqlite3, "connect", connect)
        return disk

    return install


HOW = ["io_error", "full", "stored_all_the_same"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("stays", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("how", HOW)
def test_after_the_nth_commit_failed_everything_is_paid_once(how, stays, world, folder, ask, disk, proof):
    requests, step = ask(8), STEPS[proof]
    for number in range(1 + HOW.index(how) * 4 % step, FIRST_N, step):
        provider, path = world(), folder / str(number) / "journal.sqlite"
        troubled(provider, requests)
        failing = disk(how, stays, provider)
        failing.at = number
        error = None
        try:
            go(provider, path, requests)
        except JournalError as caught:
            error = caught
        passed, failing.at = failing.commits < number, 0
        if error is not None:
            assert "SQLITE_" in str(error), number
            assert "sqlite" in str(error), number
        assert error is not None or passed or not stays, f"commit {number} failed for good and nobody said so"
        check(provider, path, requests, f"commit {number}")
        if passed:
            break
    assert passed
    assert number > 20, "a send has more commits than that"


def test_a_file_that_may_not_grow_is_an_error_of_sqlites_own(world, folder, ask, disk):
    """The proof above would hold of a failure that fails nothing."""
    provider = world()
    failing = disk("io_error", False, provider)
    failing.at = 4
    with pytest.raises(JournalError, match=r"SQLITE_IOERR"):
        go(provider, folder / "journal.sqlite", ask(8))


# -- calls --------------------------------------------------------------------------------------------------------


class Bug(Exception):
    """Of ours, in a thread of the pool."""


FAULTS = {
    "no answer, not applied": (False, TransientFailure("ReadTimeout", "no reply"), UnknownOutcome("never", "reset")),
    "no answer, applied": (True, TransientFailure("ReadTimeout", "no reply"), UnknownOutcome("applied", "reset")),
    "503": (False, TransientFailure("503", "busy", 503), UnknownOutcome("503", "busy", 503)),
    "503, applied": (True, TransientFailure("503", "busy", 503), UnknownOutcome("503", "busy", 503)),
    "429": (False, *2 * [TransientFailure("rate_limit_exceeded", "slow down", 429)]),
    "401": (False, *2 * [Stopped("invalid_api_key", "no", 401)]),
    "no quota": (False, *2 * [Stopped("insufficient_quota", "no money", 429)]),
    "400": (False, *2 * [Refused("invalid", "no", 400)]),
    "404": (False, *2 * [Refused("not_found", "no such thing", 404)]),
    "a bug": (False, *2 * [Bug("oops")]),
    "a bug, applied": (True, *2 * [Bug("oops")]),
    "Ctrl-C": (True, *2 * [KeyboardInterrupt()]),
}
"""Whether the call is applied, what it raises, and what a create raises instead."""

CALLS = {"upload", "find_file", "create", "list_batches", "retrieve", "download", "delete_file"}


class FailingAt:
    """A provider whose call `at`, counted from 1, fails; the first create is without an answer when `unclear`."""

    def __init__(self, provider, at, fault, unclear):
        self._provider, self._at, self._unclear = provider, at, unclear
        self._applied, self._fault, self._of_create = FAULTS[fault]
        self.calls = 0
        self.failed = ""

    def __getattr__(self, name):
        found = getattr(self._provider, name)
        return (lambda *arguments: self._call(name, found, arguments)) if name in CALLS else found

    def _call(self, name, call, arguments):
        with self._provider.guard:
            self.calls += 1
            if name == "create" and self._unclear:
                unclear, self._unclear = self._unclear, ""
                if self.calls == self._at:
                    self.failed = name
                if unclear == "applied":
                    call(*arguments)
                raise UnknownOutcome(unclear, "reset")
            if self.calls != self._at:
                return call(*arguments)
            self.failed = name
            if self._applied:
                call(*arguments)
            raise self._of_create if name == "create" else self._fault


ENDS = {"a bug": Bug, "a bug, applied": Bug, "Ctrl-C": KeyboardInterrupt}
"""What a send ends in, where that is not the provider's error."""


UNCLEAR = ["", "never", "applied"]
"""What became of the first create, which has no answer, or has one."""


@pytest.mark.sampled(28)
@pytest.mark.parametrize("unclear", UNCLEAR, ids=["plain", "create lost", "create unclear"])
@pytest.mark.parametrize("fault", FAULTS)
def test_after_the_nth_call_failed_everything_is_paid_once(fault, unclear, world, folder, ask, proof):
    requests, failed = ask(8), set()
    first = 1 + ([*FAULTS].index(fault) + UNCLEAR.index(unclear)) % STEPS[proof]
    for number in range(first, FIRST_N, STEPS[proof]):
        provider, path = world(), folder / str(number) / "journal.sqlite"
        troubled(provider, requests)
        backend = FailingAt(provider, number, fault, unclear)
        with suppress(ENDS.get(fault, ProviderError)):
            go(backend, path, requests)
        failed.add(backend.failed)
        check(provider, path, requests, f"call {number}, {backend.failed}")
        if not backend.failed:
            break
    assert not backend.failed
    if STEPS[proof] == 1:
        assert failed >= {"upload", "create", "list_batches", "retrieve", "download"}
        assert unclear != "never" or "delete_file" in failed


@pytest.mark.parametrize("fault", ["400", "401"])
def test_a_refused_list_of_other_machines_batches_is_an_error_of_the_provider(fault, world, folder, ask):
    provider = world()
    backend = FailingAt(provider, 1, fault, "")
    with pytest.raises(ProviderError):
        go(backend, folder / "journal.sqlite", ask(2))
    assert backend.failed == "list_batches"
