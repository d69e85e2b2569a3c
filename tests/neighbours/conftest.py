"""A user's small repository, run in processes of their own together with the plugins that a test's marker names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer, Request

INSTALL = "pip install '.[neighbours]'"
OURS = "batcheval"
ENTRY_POINTS = {
    "allure": "allure_pytest",
    "bdd": "pytest-bdd",
    "cov": "pytest_cov",
    "forked": "pytest_forked",
    "html": "html",
    "inline-snapshot": "inline_snapshot",
    "json-report": "pytest_jsonreport",
    "lazy-fixtures": "pytest_lazyfixture",
    "mock": "pytest_mock",
    "order": "pytest_order",
    "retry": "pytest-retry",
    "split": "pytest-split",
    "testmon": "pytest-testmon",
    "time-machine": "time_machine",
}
"""Names under which pytest loads plugins, by their name in the marker `neighbours`, where the two differ."""

PROMPTS = """
    def ask(persona, question):
        return {
            "model": "m",
            "messages": [
                {"role": "system", "content": persona.description},
                {"role": "user", "content": question.text},
            ],
        }

    def ask_question(question):
        return {"model": "m", "messages": [{"role": "user", "content": question.text}]}
"""
PERSONAS = {"kim": "You are kim.", "choi": "You are choi.", "park": "You are park."}
QUESTIONS = {"sleep": "How do you sleep?", "work": "어떻게 일하세요?"}
ORIGIN = "simulator:faithful@0"
INI = """
    [pytest]
    pythonpath = .
    batch_axes =
        persona=personas.json
        question=questions.json
"""
ALL = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""
"""Six tests of six requests."""

NOT_OURS = ("PYTEST_", "OPENAI_", "BATCHEVAL_", "GITHUB_")
FOLDER = Path(__file__).parent


def pytest_configure(config):
    config.addinivalue_line("markers", "neighbours(*names): the plugins that a test of ours runs together with ours")
    config.addinivalue_line("markers", "chosen: a test of ours with other plugins that `.ci/run` runs too")


def wanted(item):
    return [name for mark in item.iter_markers("neighbours") for name in mark.args]


def installed(name):
    return bool(entry_points(group="pytest11", name=ENTRY_POINTS.get(name, name)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Without the extra one test of this folder is left, which says so; of the others each one says what it lacks."""
    here = [item for item in items if FOLDER in item.path.parents]
    if here and not installed("repeat"):
        here[0].add_marker(pytest.mark.skip(reason=f"{len(here)} tests with other plugins: {INSTALL}"))
        config.hook.pytest_deselected(items=here[1:])
        items[:] = [item for item in items if item is here[0] or item not in here]
        return
    for item in here:
        if lacking := [name for name in wanted(item) if not installed(name)]:
            item.add_marker(pytest.mark.skip(reason=f"{', '.join(lacking)}: not installed, see docs/plugins.md"))


def has_frame_of_ours(text):
    """Whether a traceback in a text, or in a file of a reporter, goes through our source."""
    return re.search(r"pytest_batcheval[/\\]\S+\.py(:\d+|\", line)", text) is not None


@dataclass(frozen=True)
class Run:
    """What a process of pytest has come to."""

    status: int
    stdout: str
    stderr: str

    def shows_ours(self):
        return has_frame_of_ours(self.stdout)

    @property
    def outcomes(self):
        """The numbers of pytest's last line, such as `{"passed": 5, "unrecorded": 1}`."""
        return pytest.RunResult.parse_summary_nouns(self.stdout.splitlines())

    def assert_outcomes(self, **expected):
        found = {noun: number for noun, number in self.outcomes.items() if noun not in ("deselected", "warnings")}
        assert found == expected, self.stdout + self.stderr

    def line(self, text):
        """The only line with a text, without spaces around it."""
        (found,) = [line for line in self.stdout.splitlines() if text in line]
        return found.strip()


class Repository:
    """A folder with three personas, two questions, prompts and tests of its own."""

    def __init__(self, path: Path, plugins: list[str]) -> None:
        self.path = path
        self.plugins = plugins
        self.file("pytest.ini", INI)
        self.file("prompts.py", PROMPTS)
        for axis, name, entries in (("personas", "description", PERSONAS), ("questions", "text", QUESTIONS)):
            self.file(f"{axis}.json", json.dumps([{"id": key, name: text} for key, text in entries.items()]))

    def file(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def ini(self, *lines: str) -> None:
        with (self.path / "pytest.ini").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def test_file(self, source: str = ALL, name: str = "test_it.py") -> Path:
        return self.file(name, "import pytest\nfrom prompts import ask, ask_question\n" + textwrap.dedent(source))

    def record(self, skip=(), module="test_it.py"):
        """Record an answer `<persona>/<question>` for every request of `ask`, but for the ids of cells to `skip`."""
        recorded = []
        for persona, description in PERSONAS.items():
            for question, words in QUESTIONS.items():
                messages = [{"role": "system", "content": description}, {"role": "user", "content": words}]
                text = f"{persona}/{question}"
                body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
                answer = Answer(
                    Request({"model": "m", "messages": messages}), ORIGIN, {"status_code": 200, "body": body}
                )
                if text not in skip:
                    recorded.append(NewRecording(answer, {"persona": persona, "question": question}, module))
        Recordings(self.path / "cassettes").export(recorded)

    def recorded(self):
        """The recorded lines of answers."""
        files = sorted((self.path / "cassettes" / "answers").rglob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]

    def python(self, *words: str, variables: Mapping[str, str] | None = None, limit: float = 60) -> Run:
        """Run `python <words>` here, in an environment without anything of pytest's or a provider's."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        environment = {**clean, "PYTHONUTF8": "1", **(variables or {})}
        command = [sys.executable, *words]
        done = subprocess.run(
            command, cwd=self.path, env=environment, capture_output=True, encoding="utf-8", timeout=limit
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def run(self, *args: str, ours_last=False, autoload=False, hidden=True, variables=None, limit=60) -> Run:
        """Run pytest with ours and the wanted plugins, in this order or with ours last; no traceback may be ours.

        With `autoload` it loads all that is installed, and what is not `hidden` may show a frame of ours.
        """
        others = [ENTRY_POINTS.get(name, name) for name in self.plugins]
        names = [*others, OURS] if ours_last else [OURS, *others]
        loaded = [] if autoload else [word for name in names for word in ("-p", name)]
        given = {} if autoload else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = self.python("-m", "pytest", *loaded, *args, variables={**given, **(variables or {})}, limit=limit)
        shown = done.stdout + done.stderr
        assert "INTERNALERROR" not in shown, shown
        assert not (hidden and has_frame_of_ours(shown)), shown
        return done

    def send(self, server, *args: str, mode="send", **more) -> Run:
        """Run pytest against a server, whose ledger has what was sent."""
        variables = {"OPENAI_API_KEY": "test-key", **more.pop("variables", {})}
        return self.run(f"--batch={mode}", f"--batch-backend={server.base_url}", *args, variables=variables, **more)

    def junit(self, name="junit.xml"):
        """The test cases of a JUnit file by name: of each the tags below it with their texts."""
        cases: dict[str, list[tuple[str, str]]] = {}
        for case in ElementTree.parse(self.path / name).iter("testcase"):
            found = [(part.tag, part.get("message") or part.text or "") for part in case if part.tag != "properties"]
            cases.setdefault(case.get("name"), []).extend(found)
        return cases

    def properties(self, name="junit.xml"):
        """The properties of the test cases of a JUnit file by name."""
        return {
            case.get("name"): [(found.get("name"), found.get("value")) for found in case.iter("property")]
            for case in ElementTree.parse(self.path / name).iter("testcase")
        }


@pytest.fixture
def repository(request, tmp_path):
    return Repository(tmp_path, wanted(request.node))


@pytest.fixture
def sent(batch_server):
    """`sent()`: how often each request was executed at the server, in order of the numbers."""

    def numbers():
        return sorted(Counter(execution.custom_id for execution in batch_server.ledger.executions).values())

    return numbers
