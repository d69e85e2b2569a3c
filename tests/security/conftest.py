"""A suite in a folder of its own whose key, organisation and project are told by their canaries."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from forked import Forked

from pytest_batcheval.simulator.server import SimulatorServer

KEY = "sk-canary-7f3b9d2e8a4c6150"
CANARIES = {"OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "org-canary-52a1", "OPENAI_PROJECT_ID": "proj_canary-90c4"}
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a model or a server may have written and a terminal would obey."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m \u202egnp.exe\u2066 \u2028 \r overwritten"
INI = """
[pytest]
addopts = -p pytest_batcheval.plugin --import-mode=importlib -p no:cacheprovider
pythonpath = .
batch_axes =
    persona=personas.json
"""
PROMPTS = """
def ask(persona):
    return {"model": "m", "messages": [{"role": "user", "content": persona.description}]}
"""


class Suite:
    """Two personas, one question; every process that is started belongs to the canaries."""

    def __init__(self, path: Path, server: SimulatorServer) -> None:
        self.path = path
        self.server = server
        self.canaries = CANARIES
        self.shown: list[str] = []
        (path / "pytest.ini").write_text(INI)
        (path / "prompts.py").write_text(PROMPTS)
        people = [{"id": name, "description": f"You are {name}."} for name in ("kim", "choi")]
        (path / "personas.json").write_text(json.dumps(people))

    def test_file(self, source: str) -> None:
        head = "import os, logging, pytest\nfrom prompts import ask\n"
        (self.path / "test_it.py").write_text(head + textwrap.dedent(source), encoding="utf-8")

    def pytest(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`pytest --batch=send` in a process of its own."""
        return self._run("-m", "pytest", "--batch=send", *arguments, **environment)

    def batcheval(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        code = "from pytest_batcheval.cli import main; raise SystemExit(main())"
        return self._run("-c", code, *arguments, **environment)

    def _run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        usual = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTEST_", "GITHUB_"))
        }
        own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OPENAI_BASE_URL": self.server.base_url, **CANARIES}
        with Forked(arguments, self.path, usual | own | environment) as run:
            done = run.completed(120)
        self.shown.append(done.stdout + done.stderr)
        return done

    def leaks(self) -> list[str]:
        """Where a canary stands: on a terminal so far, or in any byte of any file beside the suite's own."""
        found = [f"on the terminal: {line!r}" for text in self.shown for line in text.splitlines() if "canary" in line]
        for path in sorted(self.path.rglob("*")):
            content = path.read_bytes() if path.is_file() and path.suffix != ".py" else b""
            found += [f"in {path.relative_to(self.path)}" for _ in range(b"canary" in content)]
        return found

    def raw(self) -> list[str]:
        """Lines on a terminal so far that it would obey, but for colours of pytest's own."""
        lines = (COLOURS.sub("", line) for text in self.shown for line in text.split("\n"))
        return [repr(line) for line in lines if RAW.search(line.rstrip("\r"))]


@pytest.fixture
def suite(tmp_path: Path, batch_server: SimulatorServer) -> Suite:
    return Suite(tmp_path, batch_server)


@pytest.fixture
def key() -> str:
    return KEY


@pytest.fixture
def evil() -> str:
    """Words that set a title, clear the screen, turn the direction of writing and overwrite the line."""
    return EVIL
