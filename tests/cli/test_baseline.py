"""`batcheval baseline save | compare | promote` on recorded answers of the simulator's respondents."""

import json
import re
import shutil
from pathlib import Path

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.quality import Rubric, rubric_request
from pytest_batcheval.quality.comparing._baseline import Baseline
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.report.ci_page import MOST_BYTES, CiRun, write_comment

FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_a_run_against_itself_passes(record, folder, capsys):
    record("sim-faithful")
    assert main(["baseline", "save", "main"]) == 0
    assert "saved baselines/main.json: alignment/2 +0." in capsys.readouterr().out
    assert main(["baseline", "compare", "main"]) == 0
    assert "PASS: alignment/2 changed by +0.000" in capsys.readouterr().out


def test_a_worse_run_fails_with_status_1_and_names_cells(record, folder, capsys):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    record("sim-noisy")
    capsys.readouterr()
    assert main(["baseline", "compare", "main", "--model", "sim-noisy"]) == 1
    out = capsys.readouterr().out
    assert "FAIL: alignment/2 changed by -0." in out
    assert "fell most: " in out
    assert "model: sim-faithful in the baseline, sim-noisy now" in out
    assert main(["baseline", "compare", "main", "--model", "sim-noisy", "--lang", "ko"]) == 1
    out = capsys.readouterr().out
    assert "모델: 기준선 sim-faithful, 지금 sim-noisy" in out
    assert not {"changed", "fell", "cells", "baseline"} & set(re.findall("[a-z]+", out))


def test_a_drop_that_is_tolerated_does_not_fail(record, capsys):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    record("sim-noisy-0.1")
    assert main(["baseline", "compare", "main", "--model", "sim-noisy-0.1", "--tolerated", "0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert found["verdict"] == "WARN"
    assert found["baseline"]["model"] == "sim-faithful"


def test_the_outcome_stands_in_the_step_summary_and_the_comment(record, folder, capsys, monkeypatch):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    write_comment(CiRun(), folder / "comment.md")
    before = (folder / "comment.md").read_text()
    assert main(["baseline", "compare", "main", "--comment", "comment.md"]) == 0
    said = capsys.readouterr().out.split("\n", 1)[1]
    added = f"### Baseline main\n\n```\n{said}```\n\n"
    assert (folder / "comment.md").read_text() == before + added
    assert (folder / "summary.md").read_text() == added
    for place, why in (("no.md", "there is no comment no.md; write it first: "), ("summary.md", "is not a comment")):
        assert main(["baseline", "compare", "main", "--comment", place]) == 0
        assert why in capsys.readouterr().err
    (folder / "comment.md").write_text(before + "x" * (MOST_BYTES - len(before)))
    assert main(["baseline", "compare", "main", "--comment", "comment.md"]) == 0
    assert "comment.md has no room for more" in capsys.readouterr().err


def test_the_file_is_readable_a_row_a_line_and_reads_back(record, folder):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    path = folder / "baselines/main.json"
    text = path.read_text()
    assert len(text.splitlines()) < 100
    assert json.loads(text)["tests"][0]["bound"]["metric"] == "alignment/2"
    kept = Baseline.load(path)
    kept.save(folder / "again.json")
    assert (folder / "again.json").read_text() == text
    assert (len(kept.tests[""].values.personas), len(kept.tests[""].values.questions)) == (25, 11)


def test_save_never_replaces_and_promote_does(record, folder, capsys):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    before = (folder / "baselines/main.json").read_text()
    record("sim-noisy")
    assert main(["baseline", "save", "main", "--model", "sim-noisy"]) == 4
    assert "batcheval baseline promote main" in capsys.readouterr().err
    assert (folder / "baselines/main.json").read_text() == before
    assert main(["baseline", "promote", "main", "--model", "sim-noisy"]) == 0
    assert "replaced baselines/main.json: alignment/2 " in capsys.readouterr().out
    assert main(["baseline", "compare", "main", "--model", "sim-noisy"]) == 0


def test_promote_needs_something_to_replace(record, capsys):
    record("sim-faithful")
    assert main(["baseline", "promote", "main"]) == 4
    assert "there is no baseline baselines/main.json; save one: batcheval baseline save main" in capsys.readouterr().err


def test_other_questions_are_refused(record, folder, capsys):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    path = folder / "fixtures/questions.yaml"
    path.write_text(path.read_text().replace("targets: [NS, HA]", "targets: [NS]"))
    assert main(["baseline", "compare", "main"]) == 4
    err = capsys.readouterr().err
    assert "cannot be compared; questions: " in err
    assert "personas" not in err


@pytest.mark.sampled
def test_other_scores_and_another_rubric_are_refused(record, rubric, folder, capsys):
    record("sim-faithful", judge="sim-judge")
    main(["baseline", "save", "words"])
    assert main(["baseline", "save", "judged", "--judge", "sim-judge"]) == 0
    assert main(["baseline", "compare", "judged", "--judge", "sim-judge"]) == 0
    capsys.readouterr()
    assert main(["baseline", "compare", "words", "--judge", "sim-judge"]) == 4
    assert f"scores: word list/1 and judge sim-judge; rubric: none and {rubric.digest}" in capsys.readouterr().err
    (folder / "fixtures/rubric.yaml").write_text((FIXTURES / "rubric.yaml").read_text().replace("flares up", "shouts"))
    shutil.rmtree(folder / "cassettes")
    record("sim-faithful", judge="sim-judge", by=Rubric.load(folder / "fixtures/rubric.yaml"))
    assert main(["baseline", "compare", "judged", "--judge", "sim-judge"]) == 4
    assert f"rubric: {rubric.digest} and " in capsys.readouterr().err


@pytest.mark.sampled
def test_verdicts_by_two_rubrics_are_no_single_scale(record, answered, folder, capsys):
    record("sim-faithful", judge="sim-judge")
    places = Recordings(folder / "cassettes").places()
    Recordings(folder / "cassettes").drop([p for p in places if p.line.cell["question"] == "goals"])
    text = (FIXTURES / "rubric.yaml").read_text().replace("flares up", "shouts")
    (folder / "other.yaml").write_text(text)
    other = Rubric.load(folder / "other.yaml")
    personas, questions = (load_axis(n, FIXTURES / f"{n}s.yaml") for n in ("persona", "question"))
    (goals,) = [question for question in questions if question.id == "goals"]
    found = []
    for persona in personas:
        system = {"role": "system", "content": persona.description}
        said = answered({"model": "sim-faithful", "messages": [system, {"role": "user", "content": goals.text}]})
        verdict = answered(rubric_request(said, goals, other, model="sim-judge"))
        cell = {"persona": persona.id, "question": "goals"}
        found += [NewRecording(said, cell, "tests/test_a.py"), NewRecording(verdict, cell, "tests/test_a.py")]
    Recordings(folder / "cassettes").export(found)
    assert main(["baseline", "save", "main", "--judge", "sim-judge"]) == 4
    assert "verdicts of sim-judge by 2 rubrics" in capsys.readouterr().err


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["save", "../x"], "a baseline's name must consist of letters"),
        (
            ["save", "main", "--model", "unheard-of"],
            "no recorded answers of unheard-of; recorded models: sim-blind, sim-faithful",
        ),
        (["save", "main"], "answers of 2 models: sim-blind, sim-faithful; choose one with --model"),
        (["save", "main", "--module", "tests/test_none.py"], "no recorded answer in cassettes/answers"),
        (
            ["save", "main", "--cassettes", "none"],
            "there is no none/answers here; change to the folder where pytest runs",
        ),
        (["save", "main", "--where", "question"], "--where question: expected <axis>=<id>"),
        (["save", "main", "--model", "sim-blind", "--judge", "unheard-of"], "no recorded verdict of unheard-of on "),
        (["save", "main", "--model", "sim-blind", "--where", "question=goals"], "1 question are too few"),
        (["compare", "none", "--model", "sim-blind"], "there is no baseline baselines/none.json"),
        (["save", "main", "--axis", "persona=none.yaml"], "none.yaml: the axis file cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_refused(record, capsys, arguments, message):
    record("sim-faithful")
    record("sim-blind", module="tests/test_b.py")
    assert main(["baseline", *arguments]) == 4
    assert message in capsys.readouterr().err


def test_one_module_can_be_chosen(record, folder):
    record("sim-faithful")
    record("sim-blind", module="tests/test_b.py")
    assert main(["baseline", "save", "main", "--module", "tests/test_b.py"]) == 0
    assert json.loads((folder / "baselines/main.json").read_text())["tests"][0]["about"]["model"] == "sim-blind"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("text", ["", "{}", "[]", '{"form": 1, "name": "x"}', '{"form": 2}'])
def test_a_broken_file_is_named(record, folder, capsys, text):
    record("sim-faithful")
    (folder / "baselines").mkdir()
    (folder / "baselines/main.json").write_text(text)
    assert main(["baseline", "compare", "main"]) == 4
    assert "baselines/main.json" in capsys.readouterr().err


def test_without_declared_axes_the_option_is_named(record, folder, capsys):
    record("sim-faithful")
    (folder / "pyproject.toml").unlink()
    assert main(["baseline", "save", "main"]) == 4
    assert "--axis persona=FILE --axis question=FILE" in capsys.readouterr().err
    files = ["--axis", "persona=fixtures/personas.yaml", "--axis", "question=fixtures/questions.yaml"]
    assert main(["baseline", "save", "main", *files]) == 0


@pytest.mark.parametrize("name", ["pyproject.toml", "pytest.ini"])
def test_declared_factors_count_with_the_option_too(record, folder, capsys, name):
    record("sim-faithful")
    (folder / "scores.yaml").write_text("- {id: a, description: x, profile: {openness: 4}}")
    files = ["--axis", "persona=scores.yaml", "--axis", "question=fixtures/questions.yaml"]
    assert main(["baseline", "save", "main", *files]) == 4
    assert "'openness' is no factor" in capsys.readouterr().err
    (folder / "pyproject.toml").unlink()
    line = 'batch_factors = ["openness=2 3"]' if name == "pyproject.toml" else "batch_factors = openness=2 3"
    (folder / name).write_text(f"[tool.pytest]\n{line}" if name == "pyproject.toml" else f"[pytest]\n{line}")
    assert main(["baseline", "save", "main", *files]) == 4
    assert "factor" not in capsys.readouterr().err


DECLARED = {
    "pytest.ini": "[pytest]\nbatch_axes =\n    persona=fixtures/personas.yaml\n    question=fixtures/questions.yaml\n",
    "tox.ini": "[tox]\nenv_list = x\n[pytest]\nbatch_axes =\n  persona=fixtures/personas.yaml\n  question=fixtures/questions.yaml\n",
    "setup.cfg": "[tool:pytest]\nbatch_axes =\n  persona=fixtures/personas.yaml\n  question=fixtures/questions.yaml\n",
    "pytest.toml": '[pytest]\nbatch_axes = ["persona=fixtures/personas.yaml", "question=fixtures/questions.yaml"]\n',
    "pyproject.toml": '[tool.pytest]\nbatch_axes = ["persona=fixtures/personas.yaml", "question=fixtures/questions.yaml"]\n',
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", DECLARED)
def test_axes_are_found_where_pytest_finds_them_from_any_folder_below(record, folder, monkeypatch, name):
    record("sim-faithful")
    (folder / "pyproject.toml").unlink()
    (folder / name).write_text(DECLARED[name])
    (folder / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep" / "er")
    assert main(["baseline", "save", "main", "--cassettes", "../../cassettes"]) == 0


def test_only_the_file_that_configures_pytest_counts(record, folder, capsys):
    record("sim-faithful")
    (folder / "tox.ini").write_text("[tox]\n")
    assert main(["baseline", "save", "main"]) == 0
    (folder / "pytest.ini").write_text("")
    assert main(["baseline", "save", "other"]) == 4
    assert "the values of axes are not declared: --axis persona=FILE --axis question=FILE" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "text"), [("pytest.ini", "batch_axes"), ("pyproject.toml", "[tool")])
def test_a_configuration_that_is_none_is_named(record, folder, capsys, name, text):
    record("sim-faithful")
    (folder / name).write_text(text)
    assert main(["baseline", "save", "main"]) == 4
    assert name in capsys.readouterr().err


@pytest.mark.parametrize("action", ["save", "compare", "promote"])
def test_answers_of_which_the_word_list_sees_nothing_are_no_baseline(record, folder, capsys, action):
    """What shows nothing, and what shows it in other words, would both be 0 in every cell."""
    if action != "save":
        record("sim-faithful")
        main(["baseline", "save", "main", "--model", "sim-faithful"])
    record("sim-flat", module="tests/test_b.py")
    capsys.readouterr()
    assert main(["baseline", action, "main", "--model", "sim-flat"]) == 4
    assert "scores in 0 of 264 answers, less than 50%" in capsys.readouterr().err
    assert (folder / "baselines/main.json").exists() == (action != "save")


def test_a_baseline_of_the_former_alignment_is_refused_with_the_reason(record, folder, capsys):
    record("sim-faithful")
    main(["baseline", "save", "main"])
    path = folder / "baselines/main.json"
    path.write_text(path.read_text().replace("alignment/2", "alignment/1"))
    assert main(["baseline", "compare", "main"]) == 4
    err = capsys.readouterr().err
    assert "metric: alignment/1 and alignment/2" in err
    assert "did not count what an answer does not show" in err
    assert "batcheval baseline promote main" in err
