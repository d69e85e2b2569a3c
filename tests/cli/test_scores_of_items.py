"""Items without profiles, scored by a judge: `baseline` and `compare` take the mean of its scores."""

import json

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.quality import rubric_request
from pytest_batcheval.recordings.answers import NewRecording, Recordings

JUDGE = "sim-judge"
MODELS = ("gpt-6.1-terra", "gpt-6-luna")


@pytest.fixture
def recorded(folder, rubric, answered):
    """Twelve items asked of two models, each answer judged; nothing declares an axis."""
    (folder / "pyproject.toml").write_text("")
    personas, questions = (load_axis(name, folder / f"fixtures/{name}s.yaml") for name in ("persona", "question"))
    found = []
    for model in MODELS:
        for number, persona in enumerate(personas[:12]):
            system = {"role": "system", "content": persona.description}
            messages = [system, {"role": "user", "content": questions[0].text}]
            said = answered({"model": model, "messages": messages, "reasoning_effort": "none"})
            verdict = answered(rubric_request(said, questions[0], rubric, model=JUDGE))
            cell = {"item": f"item {number}", "model": model}
            found += [NewRecording(one, cell, "tests/test_a.py") for one in (said, verdict)]
    Recordings(folder / "cassettes").export(found)
    return folder


def test_a_baseline_is_of_the_judges_scores(recorded, capsys):
    assert main(["baseline", "save", "main", "--judge", JUDGE, "--model", MODELS[0]]) == 0
    assert "saved baselines/main.json: score/1 +" in capsys.readouterr().out
    kept = json.loads((recorded / "baselines/main.json").read_text())["tests"][0]
    assert kept["bound"]["scores"] == f"judge {JUDGE}"
    assert (kept["cells"]["rows"], kept["cells"]["questions"]) == ("item", [""])
    assert main(["baseline", "compare", "main", "--judge", JUDGE, "--model", MODELS[0]]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PASS: score/1 changed by +0.000")
    assert "a drop above 0.2" in out
    assert "error clustered by item (12)" in out


def test_models_are_compared_by_the_judges_scores(recorded, capsys):
    assert main(["compare", *MODELS, "--judge", JUDGE, "--leave-out", "diverse", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert (found["comparison"]["metric"], found["comparison"]["margin"]) == ("score/1", 0.3)
    assert found["comparison"]["clustered"] == {"item": 12}
    for side in found["models"]:
        assert [part["name"] for part in side["gate"]["parts"]] == ["form"]
        assert list(side["gate"]["unseen"]) == [
            *("different", "own_words", "copies", "traits", "discriminant", "each_persona", "each_question")
        ]


def test_without_judge_and_tests_it_is_said_what_is_missing(recorded, capsys):
    assert main(["baseline", "save", "main", "--model", MODELS[0]]) == 4
    err = capsys.readouterr().err
    assert "the values of axes are not declared: --axis item=FILE" in err
    assert "run pytest -m batch first" in err
