"""A disk that fills up while requests stream: an error that says what to do, nothing paid twice, nothing lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from collections import Counter
from pathlib import Path
from pytest_batcheval import BatchClient, Request
from pytest_batcheval.errors import JournalError
from pytest_batcheval.simulator.server import SimulatorServer

disk, sizes = Path(sys.argv[1]), [*map(int, sys.argv[2:])]
os.environ.update(OPENAI_API_KEY="test-key", SQLITE_TMPDIR=str(disk))
whole = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
with SimulatorServer() as server:
    for size in sizes:
        def requests():
            for n in range(900):
                yield Request({"model": "m", "messages": [{"role": "user", "content": f"{size} {n} " + "x" * 2_000}]})
        filler = disk / "filler"
        filler.write_bytes(b"x" * (whole - size * 1024))
        before = len(server.ledger.executions)
        with BatchClient(server.base_url, journal=disk / ".batcheval" / f"{size}.sqlite") as client:
            try:
                client.run(requests(), batch_size=400)
                print(size, "enough")
            except JournalError as error:
                print(size, "sent" if len(server.ledger.executions) > before else "kept", error)
        filler.unlink()
        with BatchClient(server.base_url, journal=disk / ".batcheval" / f"{size}.sqlite") as client:
            run = client.run(requests(), batch_size=400)
            assert len(run) == 900 and run.finished and not run.failed, run
        for file in (disk / ".batcheval").glob(f"{size}.*"):
            file.unlink()
    paid = Counter(one.custom_id for one in server.ledger.executions)
    print("paid", len(paid), set(paid.values()))
"""


SIZES = (60, 2_060, 8_060, 12_460, 13_060, 13_460)
"""Kilobytes that are free: too few for the requests, the journal, an input file, the results."""


@pytest.mark.sampled
def test_a_disk_that_fills_up_pays_nothing_twice(tmp_path):
    mounted = 'mount -t tmpfs -o size=20m none "$1" && exec "$0" -c "$2" "$1" $3 || exit 77'
    words = [sys.executable, str(tmp_path), SCRIPT, " ".join(map(str, SIZES))]
    ended = subprocess.run(["unshare", "-rm", "sh", "-c", mounted, *words], capture_output=True, text=True, check=False)
    output = ended.stdout + ended.stderr
    if ended.returncode == 77 and "mount" in output:
        pytest.skip(f"this machine lets nobody mount: {output}")
    *runs, paid = output.splitlines()
    assert paid == f"paid {900 * len(runs)} {{1}}", output
    full = [line for line in runs if "enough" not in line]
    assert len(full) > 1, output
    assert all("make room and run the same command again" in line for line in full), output
    assert {line.split()[1] for line in full} == {"kept", "sent"}, output
    assert "nothing was sent" in full[0] or "nothing is lost" in full[0]
