"""What a journal in PostgreSQL has that a file has not: senders, an address with a password, a server that is away."""

import sys
import threading
import traceback
from contextlib import closing
from dataclasses import replace

import pytest

from pytest_batcheval.client import BatchClient
from pytest_batcheval.errors import JournalError, UsageError
from pytest_batcheval.journal import queries, senders
from pytest_batcheval.journal.address import beside, journal_address
from pytest_batcheval.journal.postgres_dialect import rows_at_once, statement
from pytest_batcheval.journal.rows import FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import ClaimedError, TakenOverError

SECRET = "kestrel-41"


@pytest.fixture
def opened(postgres, tmp_path):
    """`opened()`: a journal of one more sender."""
    journals = []

    def open_one(held=True):
        journal = Journal.open(journal_address(postgres, tmp_path))
        journals.append(journal)
        journal.add_run("run", "https://api.test/v1")
        if held:
            journal.lock.acquire()
        return journal

    yield open_one
    for journal in journals:
        journal.close()


# -- senders ----------------------------------------------------------------------------------------------------


def test_two_senders_claim_at_once_and_neither_gets_what_the_other_has(opened, row, ask):
    one, two = opened(), opened()
    requests = ask(3)
    planned = one.plan(row, requests[:2])
    with pytest.raises(ClaimedError) as caught:
        two.plan(row, requests)
    assert caught.value.keys == {request.custom_id for request in requests[:2]}
    two.plan(row, requests[2:])
    assert one.reader.held([r.custom_id for r in requests[:2]], row.origin) == {
        request.custom_id: planned.id for request in requests[:2]
    }


def test_threads_that_claim_the_same_keys_in_any_order_share_them(opened, row, ask):
    """Each key ends in one batch, and nobody is blocked for ever by two that wait for each other."""
    requests = ask(200)
    journals, claimed = [opened() for _ in range(4)], []

    def claim(number):
        wanted = requests[50 * number :] + requests[: 50 * number]
        for start in range(0, 200, 20):
            part = wanted[start : start + 20]
            while part:
                try:
                    claimed.append(journals[number].plan(row, part))
                    break
                except ClaimedError as error:
                    part = [request for request in part if request.custom_id not in error.keys]

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    keys = [key for planned in claimed for key in journals[0].reader.keys(planned.id)]
    assert sorted(keys) == sorted(request.custom_id for request in requests)


def test_what_another_sender_has_just_settled_is_not_claimed_again(opened, row, ask, answer_to):
    """Between a look at the journal and the claim any time may pass."""
    one, two = opened(), opened()
    requests = ask(2)
    one.settle(replace(one.plan(row, requests[:1]), state="settled"), [answer_to(requests[0])])
    with pytest.raises(ClaimedError, match="1 request just settled by another run") as caught:
        two.plan(row, requests)
    assert caught.value.keys == {requests[0].custom_id}
    two.plan(replace(row, generation=2), requests)


def test_batches_of_a_live_sender_are_its_own_and_of_one_that_has_ended_the_next_ones(opened, row, ask):
    one, two, three = opened(), opened(), opened()
    planned = one.plan(row, ask(2))
    assert two.take_over(row.origin) == []
    assert [holder.pid for holder in two.owners([planned.id])]
    one.lock.release()
    assert two.take_over(row.origin) == [planned]
    assert three.take_over(row.origin) == []
    assert two.take_over(row.origin) == [planned]


def test_only_the_batches_with_wanted_requests_are_taken_over(opened, row, ask):
    one, two = opened(), opened()
    planned = one.plan(row, ask(2)[:1])
    one.plan(row, ask(2)[1:])
    one.lock.release()
    assert two.take_over(row.origin, [ask(1)[0].custom_id]) == [planned]


def test_a_sender_whose_beat_stops_is_taken_over_and_can_write_no_more(opened, row, ask, answer_to, monkeypatch):
    one, two = opened(), opened()
    planned = one.plan(row, ask(2))
    monkeypatch.setattr(senders, "STALLED", 0.0)
    assert two.take_over(row.origin) == [planned]
    for write in (
        lambda: one.commit(replace(planned, state="uploaded")),
        lambda: one.record(planned, [answer_to(ask(1)[0])]),
        lambda: one.settle(replace(planned, state="settled"), map(answer_to, ask(2))),
    ):
        with pytest.raises(TakenOverError, match=r"had stalled or was cut off, by process \d+ on"):
            write()
    assert two.reader.open_batches() == [planned]
    two.settle(replace(planned, state="settled"), map(answer_to, ask(2)))


@pytest.mark.sampled
def test_a_sender_that_stalls_within_a_transaction_is_taken_over_too(opened, row, ask, monkeypatch):
    monkeypatch.setattr("pytest_batcheval.journal.postgres.IDLE_SECONDS", 1)
    monkeypatch.setattr(senders, "STALLED", 0.0)
    one, two = opened(), opened()
    planned = one.plan(row, ask(2))
    with pytest.raises(JournalError, match="cannot be used"), one._changing(planned):
        assert two.take_over(row.origin) == [planned]


def test_a_sender_that_has_lost_its_session_plans_nothing(opened, row, ask, postgres_server, monkeypatch):
    monkeypatch.setattr(senders, "BEAT", 0.05)
    one = opened()
    postgres_server.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")
    one.lock._beating.join(30)
    with pytest.raises(JournalError, match="was lost while it was in use"):
        one.plan(row, ask(1))


def test_many_that_begin_at_once_make_the_tables_once(postgres, tmp_path):
    errors = []

    def begin():
        try:
            Journal.open(journal_address(postgres, tmp_path)).close()
        except JournalError as error:
            errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with closing(Journal.read(journal_address(postgres))) as reader:
        assert reader.exists()
        assert reader.verify() == []


# -- the address ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://kim:{SECRET}@127.0.0.1:1/db",
        f"postgres://kim:{SECRET}@127.0.0.1:1/db?connect_timeout=1",
        f"postgresql://127.0.0.1:1/db?user=kim&password={SECRET}",
        f"postgresql://kim:{SECRET}%zz@127.0.0.1:1/db",
    ],
)
def test_a_password_is_in_no_message_and_no_traceback(text, monkeypatch, tmp_path):
    address = journal_address(text, tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest", f"--batch-journal={text}"])
    with pytest.raises(JournalError, match=r"cannot be used.*nothing was sent") as caught:
        Journal.open(address)
    ours = caught.value.__traceback__.tb_next  # what this test has itself is not ours
    shown = traceback.TracebackException(JournalError, caught.value, ours, capture_locals=True)
    seen = "".join(shown.format()) + repr(address) + str(address)
    assert caught.value.__context__ is None
    assert SECRET not in seen
    assert SECRET not in repr(BatchClient("simulator", journal=text))


def test_a_password_that_is_refused_names_the_places_for_it(postgres_server, tmp_path):
    """A role that does not exist is what a server with `trust` refuses."""
    url = postgres_server.url("x").replace("tests@", f"nobody:{SECRET}@")
    with pytest.raises(JournalError) as caught:
        Journal.open(journal_address(url, tmp_path))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgresql://host", "names no database"),
        ("postgresql://host/", "names no database"),
        ("postgresql://host/db?schema=a;drop", "is no name of a schema"),
        (f"postgresql://kim:{SECRET}@host", "names no database"),
    ],
)
def test_an_address_that_cannot_be_is_refused_at_once(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        journal_address(text)
    assert SECRET not in str(caught.value)


def test_files_of_this_machine_lie_in_the_folder_of_journals(tmp_path):
    one, two = (journal_address(f"postgresql://host/{name}", tmp_path) for name in ("a", "b"))
    assert beside(one).parent == tmp_path / ".batcheval"
    assert beside(one) != beside(two)
    assert journal_address("x/journal.sqlite", tmp_path) == tmp_path / "x" / "journal.sqlite"


def test_without_the_driver_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "pytest_batcheval.journal.postgres", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'pytest-batcheval\[postgres\]'"):
        Journal.read(journal_address("postgresql://host/db"))


# -- a server ---------------------------------------------------------------------------------------------------


def test_a_reader_connects_again_after_the_server_has_cut_it(opened, row, ask, postgres_server):
    journal = opened()
    planned = journal.plan(row, ask(2))
    assert journal.reader.batches() == [planned]
    postgres_server.cut()
    with pytest.raises(JournalError, match="the same command goes on where this one has stopped"):
        journal.reader.batches()
    assert journal.reader.batches() == [planned]


def test_a_journal_of_a_later_release_is_refused(opened, postgres_server, postgres, tmp_path):
    opened(held=False)
    schema = journal_address(postgres).schema
    postgres_server.sql(f"INSERT INTO {schema}.journal VALUES (99)")
    for use in (Journal.open, lambda address: Journal.read(address).batches()):
        with pytest.raises(JournalError, match="has version 99, but this release"):
            use(journal_address(postgres, tmp_path))


def test_what_a_server_cannot_store_is_replaced(opened, row, ask):
    """PostgreSQL's texts have no NUL; a provider's words may."""
    journal = opened()
    planned = journal.plan(row, ask(1))
    journal.settle(
        replace(planned, state="settled"), [FailureRow(ask(1)[0].custom_id, "bad", "a\0b", None, retryable=False)]
    )
    assert journal.reader.failures(ask(1), row.origin)[ask(1)[0].custom_id].message == "a\ufffdb"


@pytest.mark.parametrize(
    ("query", "text", "places"),
    [
        ("SELECT 1 WHERE a = ? AND b = ?", "SELECT 1 WHERE a = $1 AND b = $2", (0, 1)),
        ("SELECT ?2, ?1, ?2", "SELECT $1, $2, $1", (1, 0)),
        ("a = ? AND b IN (?, ?, ?) AND c = ?", "a = $1 AND b = ANY($2) AND c = $3", (0, (1, 4), 4)),
        ("SELECT :key, '?:x', a::text, :key", "SELECT $1, '?:x', a::text, $1", ("key",)),
    ],
)
def test_values_have_their_places(query, text, places):
    assert statement(query) == (text, places)


def test_every_insert_of_values_is_one_for_many_rows():
    inserts = {name: text for name, text in vars(queries).items() if isinstance(text, str) and "VALUES (?" in text}
    assert len(inserts) > 10
    for name, text in inserts.items():
        assert "unnest(CAST($1 AS TEXT[])" in (rows_at_once(text) or "") or "BIGINT[]" in (rows_at_once(text) or ""), (
            name
        )
