from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_batcheval.journal.address import JournalAddress, journal_address
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

ORIGIN = "https://api.test/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".batcheval" / "journal.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> JournalAddress:
    """A new journal in each of the stores."""
    if request.param == "sqlite":
        place: Path = request.getfixturevalue("path")
        return place
    return journal_address(request.getfixturevalue("postgres"))


@pytest.fixture
def journal(address: JournalAddress) -> Iterator[Journal]:
    with Journal.open(address) as opened:
        opened.add_run("run", ORIGIN)
        yield opened


@pytest.fixture
def in_file(path: Path) -> Iterator[Journal]:
    """A journal in SQLite, for what a file alone can suffer."""
    with Journal.open(path) as opened:
        opened.add_run("run", ORIGIN)
        yield opened


@pytest.fixture
def ask() -> Callable[[int], list[Request]]:
    def build(count: int) -> list[Request]:
        return [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(count)]

    return build


@pytest.fixture
def row() -> BatchRow:
    return BatchRow(ORIGIN, "scope", "/v1/chat/completions", "identity", 1, 1, 3, "batcheval-x.jsonl", run="run")


@pytest.fixture
def answer_to() -> Callable[..., AnswerRow]:
    def build(request: Request, text: str = "잠을 못 자요.") -> AnswerRow:
        body = {"choices": [{"message": {"content": text}}]}
        return AnswerRow(request.custom_id, "line", json.dumps({"status_code": 200, "body": body}).encode())

    return build


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python processes with a script and arguments; they are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *args: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def unwritable() -> Callable[..., object]:
    """`with unwritable(path):` a copy of a journal's files in a folder this process cannot write to."""

    @contextmanager
    def folder(source: Path) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            target = Path(name)
            for file in source.parent.glob("journal.sqlite*"):
                (target / file.name).write_bytes(file.read_bytes())
                (target / file.name).chmod(0o644)
            target.chmod(0o555)
            root = os.geteuid() == 0
            if root:
                os.seteuid(65534)
            try:
                yield target / source.name
            finally:
                if root:
                    os.seteuid(0)
                target.chmod(0o755)

    return folder
