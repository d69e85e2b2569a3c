"""Odd values for every option of every verb: a clear message and a documented status, never a traceback."""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from forked import Forked

from pytest_batcheval import cli

STATUSES = {0, 1, 4, 10, 11, 12}
SECONDS = 30
ODD = [
    "",
    " ",
    "-",
    "--",
    "-x",
    "x" * 5000,
    "x/" * 3000,
    "a\nb",
    "\x1b[31m",
    "\udcff",
    "-1",
    "0",
    "1e999",
    "nan",
    "9" * 400,
]
FILES = ["fifo", "socket", "folder", "text", "dangling", "loop", "/dev/null", "/dev/full", "text/below", "secret/file"]
URLS = [
    "127.0.0.1:99/v1",
    "http://",
    "http://[::1/v1",
    "http://127.0.0.1:port/v1",
    "http://127.0.0.1:99999/v1",
    "http://127.0.0.1:9/v1?api_key=x",
    "http://127.0.0.1:9/v1 ",
    "https://a b/v1",
    "https://\u2026/v1",
    "https://" + "x" * 300 + "/v1",
    "ftp://127.0.0.1/v1",
    "simulator:nobody",
    "openai:x",
]


class _Seen(Exception):
    """The parser of a verb, as it was built."""


def options():
    """(verb, option) for every verb, and (verb, "") for its positional argument."""
    for verb in cli.VERBS:
        module = cli.import_module(f"{cli.__name__}.{cli._module(verb)}")
        verbs = argparse.ArgumentParser().add_subparsers()
        module.add_parser(verbs)
        for action in verbs.choices[verb]._actions:
            if action.dest != "help" and action.nargs != 0:
                yield verb, action.option_strings[-1] if action.option_strings else ""


def kinds(option):
    return [*ODD, *FILES, *(URLS if "backend" in option else [])]


SERVING = ("serve", "dashboard")
"""Verbs that go on until somebody ends them."""


def cases():
    found = [(verb, option, value) for verb, option in options() for value in kinds(option) if verb not in SERVING]
    found += [(verb, option, value) for verb, option in options() for value in (*ODD, *FILES) if verb in SERVING]
    random.Random(1).shuffle(found)
    return found


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("socket")
    os.mkdir("folder")
    with open("text", "w") as file:
        file.write("just words")
    os.symlink("nowhere", "dangling")
    os.symlink("loop", "loop")
    os.mkdir("secret", 0o000)
    yield tmp_path
    listening.close()


def run(words, seconds=SECONDS, **more):
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "test-key"} | more
    if words[0] in SERVING:
        command = [sys.executable, "-m", "pytest_batcheval.cli", *words]
        process = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
        return process.returncode, (process.stdout + process.stderr).decode("utf-8", "replace")
    with Forked(("-m", "pytest_batcheval.cli", *words), Path.cwd(), environment) as forked:
        process = forked.completed(seconds)
    return process.returncode, process.stdout + process.stderr


def sound(words, seconds=SECONDS, **more):
    status, output = run(words, seconds, **more)
    assert "Traceback" not in output, output
    assert status in STATUSES, output
    return status, output


CASES = random.Random(2026).sample(cases(), 160)
"""Of all combinations, since each is a process of its own."""


@pytest.mark.sampled
@pytest.mark.parametrize("number", range(len(CASES)))
def test_an_odd_value_is_told_and_never_a_traceback(number, place):
    verb, option, value = CASES[number]
    words = [verb, f"{option}={value}"] if option.startswith("--") else [verb, *([option] if option else []), value]
    with suppress(*([subprocess.TimeoutExpired] if verb in SERVING else [])):  # it takes the value, and serves
        sound(words, seconds=3 if verb in SERVING else SECONDS)


@pytest.mark.parametrize("url", [*URLS[:2], *(pytest.param(url, marks=pytest.mark.sampled) for url in URLS[2:-2])])
def test_a_base_url_that_is_none_is_told(url, place):
    status, output = sound(["status", "batch_1"], OPENAI_BASE_URL=url)
    assert status in (4, 11)
    assert any(words in output for words in ("base URL", "cannot be reached", "no connection can be made"))


def test_a_base_url_without_its_scheme_is_told_so(place):
    status, output = sound(["status", "batch_1"], OPENAI_BASE_URL="127.0.0.1:99/v1")
    assert status == 4
    assert "does not begin with https:// or http://" in output


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["://", "http://[", "nonsense://x", "http://a:port"])
def test_a_proxy_of_the_environment_that_is_none_is_told(name, proxy, place):
    status, _ = sound(["status", "batch_1"], OPENAI_BASE_URL="https://provider.invalid/v1", **{name: proxy})
    assert status in (4, 11)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("verb", ["runs", "resume", "verify", "recover", "prune"])
def test_a_file_that_is_none_in_place_of_the_journal(verb, kind, place):
    sound([verb, f"--journal={kind}"])
