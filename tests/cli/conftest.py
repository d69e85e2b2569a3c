"""A project of its own with recorded answers, for the verbs that measure them."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.quality import Rubric, rubric_request
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.simulator.inference.answering import Answering
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.wire.objects import Answer, Request

FIXTURES = Path(__file__).parents[2] / "fixtures"
ANSWERING = Answering(make("faithful"), seed=0)


@pytest.fixture(scope="session")
def rubric():
    return Rubric.load(FIXTURES / "rubric.yaml")


@pytest.fixture(scope="session")
def answered():
    """The answer of the simulator's respondents to a body, without a server."""
    return _answered


def _answered(body):
    request = Request(body)
    status, found = ANSWERING.answer(request.url, body, request.custom_id)
    assert status == 200, found
    return Answer(request, "simulator:faithful@0", {"status_code": status, "body": found}, line_id="x")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with a matrix and no recordings."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURES, tmp_path / "fixtures")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nbatch_axes = ["persona=fixtures/personas.yaml", "question=fixtures/questions.yaml"]\n'
    )
    return tmp_path


@pytest.fixture
def empty_folder(pytester, monkeypatch):
    """An empty folder for an evaluation, where no key is set and an inner pytest has our plugin alone."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "interview", raising=False)  # of our own scenarios
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_batcheval.plugin")
    return pytester.path


@pytest.fixture
def record(folder, rubric):
    """Record a model's interview, a persona and question each: `record("sim-faithful", judge="sim-judge")`."""

    def build(model, module="tests/test_a.py", judge=None, by=rubric, round_name=""):
        axes = [(folder / "fixtures" / f"{name}.yaml").read_bytes() for name in ("personas", "questions")]
        asked = (*axes, model, module, judge, repr(by))
        if asked not in INTERVIEWS:
            INTERVIEWS[asked] = list(_interview(folder, model, module, judge, by))
        said = [replace(new, answer=replace(new.answer, round=round_name)) for new in INTERVIEWS[asked]]
        Recordings(folder / "cassettes").export(said if round_name else INTERVIEWS[asked])

    return build


INTERVIEWS = {}
"""What was recorded, by what it is made of: the same interview is asked once a session."""


def _interview(folder, model, module, judge, by):
    questions = load_axis("question", folder / "fixtures/questions.yaml")
    for persona in load_axis("persona", folder / "fixtures/personas.yaml"):
        for question in questions:
            cell = {"persona": persona.id, "question": question.id}
            system = {"role": "system", "content": persona.description}
            said = _answered({"model": model, "messages": [system, {"role": "user", "content": question.text}]})
            yield NewRecording(said, cell, module)
            if judge:
                yield NewRecording(_answered(rubric_request(said, question, by, model=judge)), cell, module)
