"""Lines that count: one is "1 request", two are "2 requests"."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_batcheval.cli.batch_files import file_line
from pytest_batcheval.cli.options import say_sent
from pytest_batcheval.cli.recover import _say_salvaged
from pytest_batcheval.cli.watch import _fitting
from pytest_batcheval.engine.estimate import plan
from pytest_batcheval.engine.send_result import SendResult
from pytest_batcheval.journal.salvage import Salvaged
from pytest_batcheval.wire.objects import Request


@pytest.mark.parametrize(
    ("batches", "answered", "line"),
    [
        (0, 0, "collected 0 batches: 0 requests answered, 0 failed"),
        (1, 1, "collected 1 batch: 1 request answered, 0 failed"),
        (2, 1234, "collected 2 batches: 1,234 requests answered, 0 failed"),
    ],
)
def test_collected(capsys, batches, answered, line):
    say_sent(SendResult(0, 0, 0, answered, 0, 0, batches, 0))
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize(("count", "words"), [(1, "1 request,"), (2, "2 requests,")])
def test_files(count, words):
    (file,) = plan([Request({"model": "gpt-6-luna", "input": str(n)}, "/v1/responses") for n in range(count)])
    assert f"gpt-6-luna: {words} " in file_line(file)


def test_recovered(capsys):
    _say_salvaged(Salvaged("SQLITE_CORRUPT", Path("copy"), 1, 1, 1))
    assert capsys.readouterr().out == (
        "the journal was damaged (SQLITE_CORRUPT); the damaged file is kept as copy\n"
        "recovered 1 answer of 1 batch; 1 row with a wrong checksum left out. "
        "Asking the provider for the rest:\n"
    )


@pytest.mark.parametrize(("lines", "last"), [(3, "... 2 more lines"), (4, "... 3 more lines")])
def test_lines_that_do_not_fit(lines, last):
    assert _fitting(["a line"] * lines, 80, 2)[-1] == last
