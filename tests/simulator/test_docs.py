"""docs/simulator.md: its commands work, and it knows every option and switch."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.app import _CALLS, CALLS
from pytest_batcheval.simulator.behaviour import CODES, TEXTS, Behaviour, load_behaviour

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
MAIN = "from pytest_batcheval.cli import main; raise SystemExit(main())"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shown() -> Iterator[tuple[dict[str, str], int]]:
    """The server the page starts, on a free port: its two variables, and the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program, *arguments = shlex.split(blocks("sh")[0].replace("8080", str(port)))
    assert program == "batcheval"
    with subprocess.Popen([sys.executable, "-c", MAIN, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip().split("=", 1) for _ in range(2)]
        yield dict(lines), port
        process.send_signal(signal.SIGTERM)


def shell(text: str, variables: dict[str, str], folder: Path) -> str:
    """Run commands as the page's reader does, and return what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **variables, "PATH": path}
    return subprocess.run(
        ["bash", "-euc", text], env=environment, cwd=folder, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.sampled
def test_the_commands_of_the_page_work(shown: tuple[dict[str, str], int], tmp_path: Path) -> None:
    variables, port = shown
    _, export, python, curl, control = (text.replace("8080", str(port)) for text in blocks("sh"))
    assert variables["OPENAI_BASE_URL"] in export
    (script,) = blocks("py")
    (tmp_path / "my_batch.py").write_text(script, encoding="utf-8")
    printed = shell(export + python, variables, tmp_path).splitlines()
    assert sorted(line.split()[0] for line in printed) == ["night-0", "night-1", "night-2"]
    lines = [json.loads(line) for line in shell(export + curl, variables, tmp_path).splitlines()]
    assert sorted(line["custom_id"] for line in lines) == ["one", "two"]
    decoder, answers, rest = json.JSONDecoder(), [], shell(control, variables, tmp_path)
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    ledger, report, before, after, fault, reset = answers
    assert report["clean"]
    assert len(ledger["executions"]) == 5
    assert after["now"] == before["now"] + 86_400
    assert (fault, reset) == ({"fault": "expire_next_batch"}, {"reset": True})


def test_the_files_of_the_page_are_valid(tmp_path: Path) -> None:
    keys, behaviour = blocks("yaml")
    (tmp_path / "keys.yaml").write_text(keys, encoding="utf-8")
    (tmp_path / "behaviour.yaml").write_text(behaviour, encoding="utf-8")
    ring = KeyRing.load(tmp_path / "keys.yaml")
    assert ring.find("Bearer sk-test-alice", Behaviour()).project == "clinic"
    assert load_behaviour(tmp_path / "behaviour.yaml").no_error_file == "blank"


def test_the_page_knows_every_option() -> None:
    text = subprocess.run([sys.executable, "-c", MAIN, "serve", "--help"], capture_output=True, text=True, check=True)
    options = set(re.findall(r"--[\w-]+", text.stdout)) - {"--help"}
    assert len(options) >= 9
    assert {option for option in options if f"`{option}" not in PAGE} == set()


def test_the_page_knows_every_switch_and_its_default() -> None:
    rows = {
        name: row
        for row in PAGE.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    for field in dataclasses.fields(Behaviour):
        default = getattr(Behaviour(), field.name)
        shown = rows[field.name].split("|")[2].strip().strip("`")
        if isinstance(default, (str, bool, tuple)):
            assert yaml.safe_load(shown) in (default, [*default] if isinstance(default, tuple) else None), field.name
    for situation in (*CODES, *TEXTS):
        assert f"`{situation}`" in PAGE


def test_the_page_knows_every_scope() -> None:
    for methods in _CALLS.values():
        for call in methods.values():
            assert f"`{call.scope}`" in PAGE
    assert len(set(CALLS)) == len(CALLS)
