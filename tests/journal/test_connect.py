import hashlib
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal import connect
from pytest_batcheval.journal.migrate import scripts, upgrade, version
from pytest_batcheval.journal.store import Journal


def pragma(journal, name):
    return journal._connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_every_commit_is_on_disk_and_every_transaction_waits_for_its_turn(in_file):
    assert pragma(in_file, "journal_mode") == "wal"
    assert pragma(in_file, "synchronous") == 2  # FULL
    assert pragma(in_file, "foreign_keys") == 1
    assert pragma(in_file, "busy_timeout") == 5000
    seen = []
    in_file._connection.set_trace_callback(seen.append)
    in_file.add_run("another", "o")
    assert [seen[0], seen[-1]] == ["BEGIN IMMEDIATE", "COMMIT"]


def test_an_interrupt_inside_a_transaction_leaves_nothing_of_it(journal, row, ask):
    def interrupted():
        yield ask(1)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.plan(row, interrupted())
    assert journal.reader.batches() == []
    journal.plan(row, ask(1))


def test_a_foreign_file_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE t (x)")
        other.commit()
    before = path.read_bytes()
    for use in (Journal.open, lambda p: Journal.read(p).batches()):
        with pytest.raises(JournalError, match="is not a journal of pytest-batcheval"):
            use(path)
    assert path.read_bytes() == before


def test_a_later_release_is_named_and_its_file_not_touched(path):
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version = 99")
    for use in (Journal.open, lambda p: Journal.read(p).batches()):
        with pytest.raises(JournalError, match=r"version 99, .* up to \d+; upgrade"):
            use(path)
    with closing(sqlite3.connect(path)) as same:
        assert same.execute("PRAGMA user_version").fetchone() == (99,)


def older(path):
    """A journal of the first version."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        upgrade(first, path, scripts()[:1])
        first.execute("INSERT INTO run (id, started, origin, base_url, argv) VALUES ('old', 1.0, 'o', '', '[]')")
        columns = "run, origin, scope, endpoint, identity, attempt, generation, requests, file_name, state"
        first.execute(f"INSERT INTO batch ({columns}) VALUES ('old', 'o', 's', '/v1', 'i', 1, 1, 0, 'f', 'settled')")


def test_a_journal_of_the_first_version_is_copied_and_goes_on(path):
    older(path)
    with Journal.open(path) as journal:
        (row,) = journal.reader.batches()
        assert (row.run, row.round) == ("old", "")
    assert [copy.name.partition("-")[0] for copy in backups(path)] == ["journal.sqlite.v1"]


def test_a_reader_of_an_older_journal_says_what_brings_it_up_to_date(path):
    older(path)
    with pytest.raises(JournalError, match="from an older release"):
        Journal.read(path).batches()


@pytest.mark.parametrize(
    "pragma", [f"user_version = {len(scripts()) ^ 1}", f"user_version = {len(scripts()) ^ 8}", "application_id = 7"]
)
def test_a_changed_bit_in_the_header_is_damage_and_no_other_release(path, pragma):
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA {pragma}")
    for use in (Journal.open, lambda p: Journal.read(p).batches()):
        with pytest.raises(JournalError, match="its header names another application or version"):
            use(path)


def test_a_changed_word_of_the_schema_is_told(path):
    Journal.open(path).close()
    content = path.read_bytes()
    for old, new in (
        (b"most_usd  ", b"lost_usd  "),
        (b"'ended'", b"'eoded'"),
        (b"crc  INTEGER NOT NULL", b"crc  INTEGER NOT\xa0NULL"),
    ):
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        for use in (Journal.open, lambda p: Journal.read(p).batches()):
            with pytest.raises(JournalError, match=r"is damaged .*batcheval recover"):
                use(path)


def test_tables_of_the_users_are_no_damage(path):
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
        other.execute("ANALYZE")
        other.commit()
    Journal.open(path).close()


def test_an_empty_file_is_not_taken_for_a_new_journal(path):
    path.parent.mkdir()
    path.touch()
    for use in (Journal.open, lambda p: Journal.read(p).batches()):
        with pytest.raises(JournalError, match=r"is empty.*delete it"):
            use(path)
    assert path.stat().st_size == 0


def test_a_missing_journal_reads_as_empty_and_stays_missing(path, ask):
    reader = Journal.read(path)
    assert (reader.answers(ask(2)), reader.batches(), reader.run_origins("r")) == ({}, [], {})
    assert not path.parent.exists()
    with Journal.open(path) as journal:
        journal.add_run("r", "o", name="")
        journal.add_run("r", "elsewhere", name="judge")
        assert reader.run_origins("r") == {"": "o", "judge": "elsewhere"}
    reader.close()


def test_a_killed_creation_leaves_no_journal(path, monkeypatch):
    monkeypatch.setattr(connect.os, "link", lambda *names: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Journal.open(path)
    assert [file.name for file in path.parent.iterdir()] == [".gitignore"]


def test_a_file_system_without_links_will_do(path, monkeypatch):
    def refuse(*names):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(connect.os, "link", refuse)
    with Journal.open(path) as journal:
        journal.add_run("r", "o")
    assert sorted(file.name for file in path.parent.iterdir()) == [".gitignore", path.name]


def test_many_that_create_it_at_once_share_one(path):
    path.parent.mkdir(parents=True)

    def run(number):
        with Journal.open(path) as journal:
            journal.add_run(str(number), "o", name="")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(24)))
    reader = Journal.read(path)
    assert all(reader.run_origins(str(n)) == {"": "o"} for n in range(24))
    assert len(list(path.parent.glob("*.new-*"))) == 0
    reader.close()


# -- damage -----------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(path, row, ask, answer_to):
    """A closed journal with some pages of content."""
    requests = ask(200)
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        planned = journal.plan(row, requests)
        journal.settle(planned, [answer_to(request, "word " * 50) for request in requests])
    return path


def test_a_damaged_header_is_told(filled):
    filled.write_bytes(b"not a database at all" + filled.read_bytes()[21:])
    for use in (Journal.open, lambda p: Journal.read(p).batches()):
        with pytest.raises(JournalError, match=r"is damaged \(SQLITE_NOTADB.*batcheval recover"):
            use(filled)


def test_half_a_file_is_told(filled):
    content = filled.read_bytes()
    filled.write_bytes(content[: len(content) // 2])
    with pytest.raises(JournalError, match="is damaged"):
        Journal.open(filled)
    assert filled.read_bytes() == content[: len(content) // 2]


def test_a_broken_page_is_found_at_opening_though_counting_works(filled):
    content = bytearray(filled.read_bytes())
    at = len(content) - 4096
    content[at : at + 100] = os.urandom(100)
    filled.write_bytes(content)
    with closing(sqlite3.connect(filled)) as naive:
        naive.execute("SELECT count(*) FROM run").fetchone()
    with pytest.raises(JournalError, match="is damaged"):
        Journal.open(filled)


# -- versions ---------------------------------------------------------------------------------------------------

LATER = (
    *scripts(),
    "-- a second version; its words may hold a ;\nALTER TABLE run ADD COLUMN word TEXT NOT NULL DEFAULT ';--';\n"
    "CREATE TABLE extra (x INTEGER) STRICT;\nINSERT INTO extra VALUES (1)\n;",
)


def backups(path):
    return sorted(path.parent.glob("journal.sqlite.v*"))


def test_an_older_version_is_copied_and_then_brought_up_to_date(filled):
    with closing(connect.writer(filled)) as connection:
        upgrade(connection, filled, LATER)
        assert version(connection, filled, len(LATER)) == len(LATER)
        assert connection.execute("SELECT id, word FROM run").fetchall() == [("run", ";--")]
        assert connection.execute("SELECT x FROM extra").fetchall() == [(1,)]
        upgrade(connection, filled, LATER)
    (copy,) = backups(filled)
    assert copy.name.startswith(f"journal.sqlite.v{len(scripts())}-")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = Journal.read(copy)
    assert len(restored.batches()) == 1
    assert not (restored.damaged)
    restored.close()


def test_a_new_journal_is_not_copied(path):
    Journal.open(path).close()
    Journal.open(path).close()
    assert backups(path) == []


def test_a_step_that_fails_leaves_the_old_version_whole(filled):
    broken = (*scripts(), "CREATE TABLE extra (x INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);")
    with closing(connect.writer(filled)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            upgrade(connection, filled, broken)
        assert version(connection, filled) == len(scripts())
        assert not connection.in_transaction
    with Journal.open(filled) as journal:
        assert len(journal.reader.batches()) == 1


def test_a_script_never_changes_since_journals_exist_that_were_made_by_it():
    """A change of the schema is a further script."""
    found = [hashlib.sha256(script.encode()).hexdigest()[:16] for script in scripts()]
    assert found == ["6e068229da384307", "1f57f3371db40729", "512fe801da9acbc8", "baa69613d3fea73b"]


def test_two_that_upgrade_at_once_do_it_once(filled):
    """The second finds this version, copies it, and waits for its turn, when the next one is there."""
    with closing(connect.writer(filled)) as first, ThreadPoolExecutor(1) as pool:
        first.execute("BEGIN IMMEDIATE")
        second = pool.submit(_upgrade, filled)
        while not backups(filled) and not second.done():
            pass
        first.execute("ALTER TABLE run ADD COLUMN word TEXT")
        first.execute("CREATE TABLE extra (x)")
        first.execute(f"PRAGMA user_version = {len(LATER)}")
        first.execute("COMMIT")
        second.result()
        assert version(first, filled, len(LATER)) == len(LATER)


def _upgrade(path):
    with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        upgrade(connection, path, LATER)
