"""The schedule of docs/running.md, over three virtual weeks: each run begins with a fresh checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from forked import Forked

ROOT = Path(__file__).parents[2]
DAY = 86_400.0
FRIDAYS = ("2026-11-20 18:00", "2026-11-27 18:00", "2026-12-04 18:00")
WEEKS = ("2026-W47", "2026-W48", "2026-W49")
TEST = """
    @pytest.mark.batch(prompt=ask)
    def test_one(answer):
        assert answer.text
"""


@pytest.fixture
def calendar(tmp_path, monkeypatch):
    """`calendar(now)`: the round that the recipe's own line of shell names at that time."""
    recipe = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    line = re.search(r'- run: (echo "BATCHEVAL_ROUND=.*)', recipe)[1]
    fake = tmp_path / "bin" / "date"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\n[ "$3" = "3 days ago" ] && exec /bin/date -u -d "$NOW 3 days ago" "$4"\nexit 9\n')
    fake.chmod(0o755)

    def name(now):
        told = tmp_path / "github_env"
        told.unlink(missing_ok=True)
        own = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "NOW": now, "GITHUB_ENV": str(told)}
        subprocess.run(["sh", "-ec", line], env=own, check=True)
        return told.read_text().strip().partition("=")[2]

    return name


@pytest.fixture
def checkout(suite, batch_server, tmp_path):
    """`checkout(round, wait)`: a run in a copy of the suite that has no journal."""
    suite.test_file(TEST)
    numbers = iter(range(100))

    def run(round_name, *more):
        folder = tmp_path / f"checkout{next(numbers)}"
        shutil.copytree(suite.path, folder)
        own = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": batch_server.base_url, "BATCHEVAL_ROUND": round_name}
        with Forked(("-m", "pytest", "-m", "batch", "--batch=send", *more), folder, os.environ | own) as running:
            return running.completed(120)

    return run


@pytest.mark.sampled
@pytest.mark.ledger(paid=3, lost=True)
def test_three_weeks_make_three_batches_and_each_answer_is_paid_once_a_week(calendar, checkout, batch_server):
    rounds = []
    for friday in FRIDAYS:
        day, _ = friday.split()
        assert calendar(f"{day} 18:00") == calendar(f"{day} 18:00 62 hours")  # Monday, 8:00
        rounds.append(calendar(friday))
        submitted = checkout(rounds[-1], "--batch-wait=0")
        assert submitted.returncode == 10, submitted.stdout
        batch_server.forward(2.5 * DAY)
        collected = checkout(rounds[-1])
        assert collected.returncode == 0, collected.stdout
        assert "6 passed" in collected.stdout
        batch_server.forward(4.5 * DAY)
    assert tuple(rounds) == WEEKS
    assert len(batch_server.ledger.intervals) == 3
    assert set(batch_server.ledger.billed().values()) == {3}


@pytest.mark.parametrize("name", ["2026 W48", "w;1", "x" * 65])
def test_a_round_that_is_no_name_ends_the_run_at_once(suite, name):
    suite.test_file(TEST)
    result = suite.run("--batch-round", name)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*batch_round = *a round is named by 1 to 64 letters*"])


@pytest.mark.parametrize("text", ["m", "=3", "m=0", "m=-1", "m=x"])
def test_enqueued_tokens_that_are_none_end_the_run_at_once(suite, text):
    suite.test_file(TEST)
    result = suite.run(f"--batch-enqueued-tokens={text}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*batch_enqueued_tokens = *must be MODEL=N*"])
