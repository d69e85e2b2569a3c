from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.location import file_system
from pytest_batcheval.journal.store import Journal


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_folder_and_all_files_are_private_whatever_the_umask(path, ask, row):
    with Journal.open(path) as journal, journal.lock.held(None):
        journal.add_run("run", row.origin)
        planned = journal.plan(row, ask(3))
        journal.commit(planned.__class__(**{**vars(planned), "state": "creating"}))
        names = {file.name: mode(file) for file in path.parent.iterdir() if file.name != ".gitignore"}
        assert mode(path.parent) == 0o700
        assert names == dict.fromkeys(
            [path.name, *(path.name + end for end in ("-wal", "-shm", ".lock", ".reserve"))], 0o600
        )


def test_the_folder_keeps_itself_out_of_git(path):
    Journal.open(path).close()
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_folder_that_was_left_half_made_gets_its_gitignore(path):
    path.parent.mkdir(mode=0o700)
    Journal.open(path).close()
    assert (path.parent / ".gitignore").exists()


def test_a_folder_that_has_something_already_is_ignored_and_private_too(path):
    path.parent.mkdir(mode=0o755)
    (path.parent / "note").touch()
    Journal.open(path).close()
    assert (path.parent / ".gitignore").read_text() == "*\n"
    assert mode(path.parent) == 0o700


def test_a_gitignore_of_the_users_stays(path):
    path.parent.mkdir()
    (path.parent / ".gitignore").write_text("journal*\n")
    Journal.open(path).close()
    assert (path.parent / ".gitignore").read_text() == "journal*\n"


def test_a_folder_behind_a_link_is_not_ours(path, tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home" / "photo").touch()
    path.parent.symlink_to(tmp_path / "home")
    Journal.open(path).close()
    assert mode(tmp_path / "home") == 0o755
    assert not (tmp_path / "home" / ".gitignore").exists()


def test_a_folder_of_the_users_gets_none(tmp_path):
    (tmp_path / "test_it.py").touch()
    Journal.open(tmp_path / "journal.sqlite").close()
    assert not (tmp_path / ".gitignore").exists()


def test_nothing_is_left_beside_a_closed_journal(path):
    Journal.open(path).close()
    assert sorted(file.name for file in path.parent.iterdir()) == [".gitignore", path.name]


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mounts"
    spaced = str(tmp_path / "my share").replace(" ", "\\040")
    lines = [
        "/dev/vda / ext4 rw 0 0",
        f"server:/home {tmp_path}/home nfs4 rw 0 0",
        f"/dev/vdb {tmp_path}/home/local xfs rw 0 0",
        f"//server/share {spaced} cifs rw 0 0",
        f"/dev/vdc {tmp_path}/twice ext4 rw 0 0",
        f"user@host: {tmp_path}/twice fuse.sshfs rw 0 0",
        "",
        "nonsense",
    ]
    table.write_text("\n".join(lines))
    return table


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("here", "ext4"),
        ("home/kim", "nfs4"),
        ("home/local/kim", "xfs"),
        ("homestead", "ext4"),
        ("my share", "cifs"),
        ("twice", "fuse.sshfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(tmp_path, mounts, folder, kind):
    assert file_system(tmp_path / folder / "journal.sqlite", mounts) == kind


def test_without_a_table_nothing_is_known(tmp_path):
    assert file_system(tmp_path, tmp_path / "missing") is None
    Journal.open(tmp_path / "a" / "journal.sqlite", mounts=tmp_path / "missing").close()


def test_a_link_to_a_network_folder_is_followed(tmp_path, mounts):
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert file_system(tmp_path / "link" / "journal.sqlite", mounts) == "nfs4"


def test_a_network_file_system_is_refused_with_advice_and_nothing_is_made(tmp_path, mounts):
    with pytest.raises(JournalError, match=r"network file system \(nfs4\).*--batch-journal"):
        Journal.open(tmp_path / "home" / ".batcheval" / "journal.sqlite", mounts=mounts)
    assert not (tmp_path / "home").exists()


def test_this_machines_own_table_does_not_refuse_a_temporary_folder(path):
    Journal.open(path).close()


@pytest.mark.parametrize("blocked", ["file in the way", "folder in place of the file"])
def test_a_place_that_cannot_be_used_is_a_journal_error(tmp_path, path, blocked):
    if blocked == "file in the way":
        path.parent.write_text("a file")
    else:
        path.mkdir(parents=True)
    with pytest.raises(JournalError, match="cannot be used"):
        Journal.open(path)
