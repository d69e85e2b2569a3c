"""A checked-out folder may hold links in place of our files: what they lead to is never written to or removed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_batcheval.engine.send import collect, send
from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.lock import JournalLock
from pytest_batcheval.journal.salvage import mend
from pytest_batcheval.journal.store import Journal

NAMES = (".lock", ".reserve", ".mended", ".mending", "-wal", "-shm", "-journal", ".files", ".files/1", ".files/photos")


@pytest.fixture
def home(folder):
    """A folder of the user's, with photos."""
    (folder / "home" / "photos").mkdir(parents=True)
    (folder / "home" / "1").mkdir()
    for name in ("photo", "photos/a", "1/b"):
        (folder / "home" / name).write_text(name)
    return folder / "home"


def contents(home):
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("leads_to", ["photo", "photos", ".", "missing"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damaged", [False, True])
def test_what_a_link_leads_to_stays_as_it_is(name, leads_to, damaged, folder, home, provider, clock, ask):
    path = folder / "batcheval" / "journal.sqlite"
    Journal.open(path).close()
    link = Path(f"{path}{name}")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(home / leads_to)
    if damaged:
        path.write_bytes(b"x" * 4096 + path.read_bytes()[4096:])
    before = contents(home)
    for _ in range(2):
        with suppress(JournalError):
            mend(path)
        with suppress(JournalError), Journal.open(path) as journal:
            send(ask(2), backend=provider, journal=journal, clock=clock)
        with suppress(JournalError), Journal.open(path) as journal:
            collect(backend=provider, journal=journal, clock=clock, adopt=True)
    assert contents(home) == before
    assert set(provider.paid.values()) <= {1}


@pytest.mark.parametrize("name", [".lock", ".files"])
def test_a_link_is_named_with_what_to_do(name, folder, home, provider, clock, ask):
    path = folder / "batcheval" / "journal.sqlite"
    Journal.open(path).close()
    path.with_name(path.name + name).symlink_to(home)
    with Journal.open(path) as journal, pytest.raises(JournalError, match=rf"{name} .*a link .*remove that"):
        send(ask(2), backend=provider, journal=journal, clock=clock)
    assert not provider.ledger


def test_a_pipe_in_place_of_the_lock_is_not_waited_for(folder):
    os.mkfifo(folder / "lock")
    lock = JournalLock(folder / "lock")
    assert lock.holder() is None
    with pytest.raises(JournalError, match="not a regular file"):
        lock.acquire(None)


def test_a_pipe_in_place_of_the_reserve_is_replaced(folder, provider, clock, ask):
    path = folder / "batcheval" / "journal.sqlite"
    Journal.open(path).close()
    os.mkfifo(path.with_name(path.name + ".reserve"))
    with Journal.open(path) as journal:
        assert send(ask(2), backend=provider, journal=journal, clock=clock).answered == 2
