"""`batcheval journal path | copy`."""

from __future__ import annotations

import itertools
import json
import stat
import threading
from dataclasses import replace

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.journal import copying
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

ROW = BatchRow("o", "scope", "/v1/chat/completions", "identity", 1, 1, 1, "batcheval-x.jsonl", run="run")


def request(number):
    return Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {number}"}]})


def add(journal, number):
    asked = request(number)
    body = json.dumps({"status_code": 200, "body": {"number": number}}).encode()
    planned = journal.plan(ROW, [asked])
    journal.settle(replace(planned, state="settled"), [AnswerRow(asked.custom_id, "line", body)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def journal(folder):
    with Journal.open(folder / ".batcheval/journal.sqlite") as opened:
        opened.add_run("run", "o")
        add(opened, 0)
        yield opened


def answers(path, count):
    reader = Journal.read(path)
    found = reader.answers(map(request, range(count)))
    reader.close()
    return len(found)


def test_path_is_the_one_that_would_be_used(folder, capsys):
    assert main(["journal", "path"]) == 0
    assert capsys.readouterr().out == f"{folder}/.batcheval/journal.sqlite\n"
    assert main(["journal", "path", "--journal", "other.sqlite"]) == 0
    assert capsys.readouterr().out == f"{folder}/other.sqlite\n"
    assert not (folder / ".batcheval").exists()


def test_a_copy_has_what_is_in_the_log_and_is_one_private_file(folder, journal, capsys):
    assert main(["journal", "copy", "copy.sqlite"]) == 0
    assert "copied .batcheval/journal.sqlite to copy.sqlite" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == [".batcheval", "copy.sqlite"]
    assert stat.S_IMODE((folder / "copy.sqlite").stat().st_mode) == 0o600
    assert answers(folder / "copy.sqlite", 1) == 1
    assert main(["verify", "--journal", "copy.sqlite"]) == 0


def test_a_copy_can_take_the_journals_place(folder, journal, capsys):
    journal.close()
    main(["journal", "copy", "copy.sqlite"])
    (folder / "copy.sqlite").replace(folder / ".batcheval/journal.sqlite")
    with Journal.open(folder / ".batcheval/journal.sqlite") as again:
        add(again, 1)
        assert len(again.reader.answers([request(0), request(1)])) == 2


def test_a_copy_while_a_run_writes_is_of_one_moment(folder, journal):
    """Each batch of a copy has its answer: both came in the same transactions."""
    stop = threading.Event()

    def write():
        with Journal.open(journal.path) as other:
            for number in itertools.count(1):
                add(other, number)
                if stop.is_set():
                    return

    writing = threading.Thread(target=write)
    writing.start()
    try:
        sizes = []
        for number in range(4):
            assert main(["journal", "copy", f"{number}.sqlite"]) == 0
            with Journal.open(folder / f"{number}.sqlite") as copied:
                done = [row for row in copied.reader.batches() if row.state == "settled"]
                assert len(done) == len(copied.reader.answers(map(request, range(2_000))))
                sizes.append(len(done))
    finally:
        stop.set()
        writing.join()
    assert sizes == sorted(sizes)


def test_an_existing_file_is_never_overwritten(folder, journal, capsys, monkeypatch):
    (folder / "photo").write_text("photo")
    (folder / "link").symlink_to("nowhere")
    for name in ("photo", "link", ".", "missing/copy.sqlite"):
        assert main(["journal", "copy", name]) == 4
    monkeypatch.setattr("pytest_batcheval.cli.journal.check_new", lambda path: None)
    assert main(["journal", "copy", "photo"]) == 4
    assert (folder / "photo").read_text() == "photo"
    assert sorted(path.name for path in folder.iterdir()) == [".batcheval", "link", "photo"]


def test_a_damaged_journal_gets_no_copy(folder, journal, capsys):
    journal._connection.execute("UPDATE answer SET response = X'78'")
    assert main(["journal", "copy", "copy.sqlite"]) == 12
    assert "batcheval recover" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [".batcheval"]


def test_a_full_disk_is_named_and_leaves_nothing(folder, journal, capsys, monkeypatch):
    def full(draft):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copying, "private_file", full)
    assert main(["journal", "copy", "copy.sqlite"]) == 12
    assert "copy.sqlite cannot be written" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [".batcheval"]


def test_wrong_use_is_explained(folder, journal, capsys):
    assert main(["journal", "copy"]) == 4
    assert main(["journal", "path", "copy.sqlite"]) == 4
    assert main(["journal", "copy", "copy.sqlite", "--journal", "missing.sqlite"]) == 4
    assert "there is no journal missing.sqlite" in capsys.readouterr().err
