"""A suite run by pytest in a real pseudo-terminal, whose screen is what a terminal would show."""

import json
import os
import re
import select
import termios
import textwrap
import time
from dataclasses import replace
from multiprocessing.connection import Connection

import pyte
import pytest
from forked import start

from pytest_batcheval.simulator.server import ANY_MODEL, SimulatorServer

PATIENCE = 90
"""Seconds until a text that does not come is given up; far more than it ever takes."""

INI = """
    [pytest]
    addopts = -p pytest_batcheval.plugin --import-mode=importlib -p no:cacheprovider
    pythonpath = .
    batch_axes =
        persona=personas.json
        question=questions.json
"""
PERSONAS = json.dumps([{"id": name, "description": f"You are {name}."} for name in ("kim", "choi", "park")])
QUESTIONS = '[{"id": "sleep", "text": "How do you sleep?"}, {"id": "work", "text": "어떻게 일하세요?"}]'
PROMPTS = """
    def ask(persona, question):
        return {"model": "m", "messages": [{"role": "user", "content": f"{persona.description} {question.text}"}]}

    def ask_model(persona, question):
        return ask(persona, question) | {"model": persona.id}

    def judged(persona, question):
        answer = yield ask(persona, question)
        yield {"model": "m", "input": f"Judge: {answer.text}"}
"""
ONE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""


class Terminal:
    """A program in a pseudo-terminal of this size, and its screen."""

    def __init__(self, words, folder, environment, width, height):
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (height, width))
        streams = {number: Connection(os.dup(slave)) for number in range(3)}
        os.close(slave)
        self._process = start(words, folder, environment, streams)
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""

    @property
    def lines(self):
        """What the screen shows, without the empty lines at its end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def printed(self):
        """Its lines as they were written, before the terminal wrapped them."""
        wrapped = (row if row[-1] != " " else f"{row.rstrip()}\n" for row in self.screen.display)
        return [line for line in "".join(wrapped).split("\n") if line]

    def until(self, pattern, step=lambda: None):
        """Wait until the screen shows a pattern, calling `step` while it does not; returns what matched."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.text, re.MULTILINE)) is None:
            assert time.monotonic() < end, f"{pattern!r} never came:\n{self.text}"
            assert self._read(0.2), f"{pattern!r} never came, and the program has ended:\n{self.text}"
            step()
        return found[0]

    def rest(self):
        """Read to the end of the program; returns its exit status, negative when a signal ended it."""
        end = time.monotonic() + PATIENCE
        while self._read(1):
            assert time.monotonic() < end, f"it did not end:\n{self.text}"
        self._process.join(PATIENCE)
        return self._process.exitcode

    def resize(self, width, height):
        termios.tcsetwinsize(self._master, (height, width))
        self.screen.resize(height, width)

    def ctrl_c(self):
        os.write(self._master, termios.tcgetattr(self._master)[6][termios.VINTR])

    def close(self):
        """End the program, if it goes on, and the terminal."""
        self._process.kill()
        self._process.join()
        os.close(self._master)

    def _read(self, seconds):
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            read = os.read(self._master, 65536)
        except OSError:  # nobody has the other end any more
            return False
        self.written += read
        self._stream.feed(read)
        return True


class Stepped(SimulatorServer):
    """A simulator whose time goes on when the test says so; a request takes 30 seconds of it."""

    def __init__(self):
        super().__init__(clock="real", behaviour=replace(ANY_MODEL, line_seconds=(30.0, 30.0)))

    def pass_time(self, seconds):
        """Let time pass, unless the client is busy and would miss what happens meanwhile."""
        if self._clock._sleepers:
            self.forward(seconds)


@pytest.fixture
def stepped():
    with Stepped() as server:
        yield server


@pytest.fixture
def environment():
    """Variables of the program; nothing tells it the size of its terminal but the terminal."""
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
    kept = {name: value for name, value in os.environ.items() if name not in (*unset, "PYTEST_ADDOPTS")}
    return kept | {
        "TERM": "xterm-256color",
        "OPENAI_API_KEY": "test-key",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def suite(tmp_path):
    """A folder with an evaluation suite: six requests of three personas and two questions."""
    (tmp_path / "pytest.ini").write_text(textwrap.dedent(INI))
    (tmp_path / "personas.json").write_text(PERSONAS)
    (tmp_path / "questions.json").write_text(QUESTIONS, encoding="utf-8")
    (tmp_path / "prompts.py").write_text(textwrap.dedent(PROMPTS))
    (tmp_path / "test_it.py").write_text("import pytest\nfrom prompts import *\n" + textwrap.dedent(ONE))
    return tmp_path


@pytest.fixture
def terminal(suite, environment):
    """Start a program in a terminal: `terminal("-q", width=40)` runs pytest, `command=` another one."""
    started = []

    def start(*arguments, width=80, height=50, command=("-m", "pytest"), **variables):
        words = [*command, *map(str, arguments)]
        started.append(Terminal(words, suite, environment | variables, width, height))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def send(terminal, batch_server):
    """Start pytest that sends to the simulator: `send("-q", width=40)`."""

    def start(*arguments, **options):
        return terminal("--batch=send", f"--batch-backend={batch_server.base_url}", *arguments, **options)

    return start


@pytest.fixture
def write_test(suite):
    """Replace the suite's tests."""

    def write(source):
        (suite / "test_it.py").write_text("import pytest\nfrom prompts import *\n" + textwrap.dedent(source))

    return write
