"""The figures of docs/seed.md are those that its command prints."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from pytest_batcheval.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "seed.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.sampled


def rows(columns):
    """The cells of the table's rows that have so many columns and begin with a number."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    return [row for row in cells if len(row) == columns and row[0].isdecimal()]


@pytest.fixture(scope="module")
def measured():
    """The findings of the command by latency of a call, number of answers and way."""
    found = {}
    for latency in (3, 6):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(["performance-comparison", "--call-seconds", str(latency), "--json"]) == 0
        for run in json.loads(out.getvalue())["runs"]:
            found |= {(latency, run["requests"], way["way"]): way for way in run["ways"]}
    return found


def words(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def test_the_table_is_what_was_measured(measured):
    expected = [
        [
            str(answers),
            name,
            *(words(measured[latency, answers, name]["seconds"]) for latency in (3, 6)),
            str(way["calls"]),
            str(way["polls"]),
            f"{way['saved_percent']:.0f} %",
        ]
        for (latency, answers, name), way in measured.items()
        if latency == 3
    ]
    assert rows(7) == expected


def test_so_are_the_figures_in_words(measured):
    batch = {n: measured[3, n, "one batch"] for n in (10, 275)}
    at_once = {n: measured[3, n, "calls, 8 to 64 at once"] for n in (10, 275)}
    fewer = 100 - 100 * (batch[275]["calls"] + batch[275]["polls"]) / 275
    said = [
        f"{batch[275]['calls']} calls instead of 275, with {batch[275]['polls']} polls {fewer:.1f} % fewer",
        f"{at_once[10]['speed_up']:.2f} times for 10, {at_once[275]['speed_up']:.2f} times for 275",
        f"{batch[10]['calls']} calls instead of 10, but {batch[10]['calls'] + batch[10]['polls']} instead of 11 with polls",
        f"until a call takes about {batch[275]['seconds'] / 275:.1f} s",
    ]
    page = re.sub(r"\s+", " ", PAGE)
    assert [each for each in said if each not in page] == []
