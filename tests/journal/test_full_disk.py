"""A disk that is full at any moment of the journal's life: an error that names it, and a journal that works later."""

from __future__ import annotations

import sys

import pytest

SCRIPT = """
import os, sys
from pathlib import Path
from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.salvage import damage_of
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import DamagedError

disk, sizes = Path(sys.argv[1]), range(*map(int, sys.argv[2:]))
whole = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
full = 0
for size in sizes:
    path = disk / ".batcheval" / "journal.sqlite"
    filler = disk / "filler"
    filler.write_bytes(b"x" * (whole - size * 1024))
    try:
        with Journal.open(path) as journal:
            for number in range(20):
                journal.add_run(str(number) * 50, "o")
    except DamagedError as error:
        print(size, "damaged while full", error)
    except JournalError:
        full += 1
    filler.unlink()
    with Journal.open(path) as journal:
        journal.add_run("later", "o")
    wrong = damage_of(path)
    if wrong:
        print(size, wrong)
    left = {file.name for file in path.parent.iterdir()} - {".gitignore", path.name}
    if left:
        print(size, "left", left)
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
print("full", full)
"""


@pytest.mark.parametrize("sizes", [(4, 200, 24), pytest.param((4, 260, 4), marks=pytest.mark.sampled)], ids=str)
def test_a_journal_that_is_created_on_a_full_disk_is_sound(sizes, tmp_path, python):
    script = "import os, sys; os.execvp('unshare', ['unshare', '-rm', 'sh', '-c', "
    script += '\'mount -t tmpfs -o size=800k none "$1" && exec "$0" -c "$2" "$1" $3 || exit 77\', *sys.argv[1:]])'
    process = python(script, sys.executable, tmp_path, SCRIPT, " ".join(map(str, sizes)))
    output, _ = process.communicate()
    if process.returncode == 77 and "mount" in output:
        pytest.skip(f"this machine lets nobody mount: {output}")
    lines = output.splitlines()
    assert len(lines) == 1, output
    assert int(lines[0].removeprefix("full ")) > 3
