from __future__ import annotations

from pathlib import Path

import pytest
from respondent_tables import interview, personas, questions, rubric_body

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.respondents.registry import NAMES, chosen, make, served_model

INTERVIEW = interview(personas()[0], questions()[0])
RUBRIC = rubric_body("hello")


@pytest.mark.parametrize("name", [n for n in NAMES if n != "scripted"])
def test_every_name_makes_a_respondent_that_bears_it(name: str) -> None:
    assert make(name).name == name


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("faithful-0.4", "share", 0.4),
        ("faithful", "share", 0.75),
        ("noisy-0.3", "wrong", 0.3),
        ("noisy-1", "wrong", 1.0),
        ("refuser-0.05", "rate", 0.05),
        ("partial", "shown", ("NS", "HA", "RD", "P")),
        ("partial-NS-HA", "shown", ("NS", "HA")),
        ("collapsed", "everywhere", False),
        ("collapsed-everywhere", "everywhere", True),
        ("mute-2", "count", 2),
        ("few", "count", 3),
        ("late-9", "count", 9),
        ("polite-0.3", "rate", 0.3),
        ("judge_drifting", "points", 1.5),
        ("judge_drifting-0.5", "points", 0.5),
        ("judge_noisy-1.5", "deviation", 1.5),
        ("judge_null-0.9", "share", 0.9),
    ],
)
def test_parameters(name: str, field: str, value: object) -> None:
    assert make(name).name == name
    assert getattr(make(name), field) == value


@pytest.mark.parametrize("name", ["", "Faithful", "faithfull", "judges", "noisy_0.3", "-", "sim-blind"])
def test_unknown_names_list_what_exists(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"unknown respondent '.*'; known: faithful, blind, .*judge_gullible and scripted-"
    ):
        make(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("noisy-1.1", "the part after 'noisy-' must be a probability from 0 to 1"),
        ("mute-0", "the part after 'mute-' must be a number from 1 to 99"),
        ("late-100", "the part after 'late-' must be a number from 1 to 99"),
        ("noisy-", "the part after 'noisy-' must be a probability from 0 to 1"),
        ("noisy--0.1", "the part after 'noisy-' must be a probability"),
        ("noisy-nan", "the part after 'noisy-' must be a probability"),
        ("noisy-0.3-0.4", "the part after 'noisy-' must be a probability"),
        ("noisy-٠", "the part after 'noisy-' must be a probability"),
        ("noisy-1e-1", "the part after 'noisy-' must be a probability"),
        ("judge_noisy-5", "the part after 'judge_noisy-' must be a standard deviation from 0 to 4 points"),
        ("partial-NS-XX", "the part after 'partial-' must be dimensions such as NS-HA"),
        ("partial-", "the part after 'partial-' must be dimensions such as NS-HA"),
        ("collapsed-here", "the part after 'collapsed-' must be everywhere"),
        ("blind-0.3", "'blind' has no parameter"),
        ("judge-1", "'judge' has no parameter"),
    ],
)
def test_wrong_parameters_say_what_may_follow(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"unknown respondent '{name}': {why}"):
        make(name)


def test_a_model_chooses_whatever_the_servers_own_is() -> None:
    body = {**INTERVIEW, "model": "sim-noisy-0.3"}
    assert chosen(make("blind"), body) == make("noisy-0.3")
    assert chosen(make("judge"), {**INTERVIEW, "model": "sim-judge_null"}) == make("judge_null")
    assert chosen(make("blind"), {**RUBRIC, "model": "sim-judge_null"}) == make("judge_null")


def test_without_such_a_model_it_is_the_servers_own() -> None:
    assert chosen(make("blind"), INTERVIEW) == make("blind")
    assert chosen(make("blind"), {"input": "x", "model": 7}) == make("blind")
    assert chosen(make("judge_halo"), RUBRIC) == make("judge_halo")


def test_patients_leave_rubrics_to_the_judge_and_judges_interviews_to_the_faithful() -> None:
    assert chosen(make("blind"), RUBRIC) == make("judge")
    assert chosen(make("faithful"), {**RUBRIC, "model": "sim-blind"}) == make("judge")
    assert chosen(make("judge_noisy"), INTERVIEW) == make("faithful")


def test_a_script_answers_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- text: hi")
    own = make(f"scripted-{path}")
    assert chosen(own, RUBRIC) is own
    assert chosen(own, INTERVIEW) is own


@pytest.mark.parametrize("model", ["sim-nobody", "sim-", "sim-noisy-7"])
def test_a_model_of_no_respondent_is_an_error(model: str) -> None:
    with pytest.raises(UsageError, match="unknown respondent"):
        chosen(make("faithful"), {**INTERVIEW, "model": model})


@pytest.mark.parametrize("mark", ["-", ":"])
def test_a_request_opens_no_file_of_the_server(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- text: secret")
    with pytest.raises(UsageError, match="a request cannot name a file on the server"):
        chosen(make("faithful"), {**INTERVIEW, "model": f"sim-scripted{mark}{path}"})


@pytest.mark.parametrize(
    ("own", "model", "served"),
    [
        ("faithful", "gpt-6.1-terra", "gpt-6.1-terra-2025-04-14"),
        ("faithful-0.75", "gpt-6.1-terra", "sim-faithful-0.75"),
        ("noisy-0.3", "gpt-6.1-terra", "sim-noisy-0.3"),
        ("faithful", "sim-noisy-0.3", "sim-noisy-0.3"),
        ("blind", "sim-faithful", "sim-faithful"),
    ],
)
def test_served_models(own: str, model: str, served: str) -> None:
    assert served_model(make(own), model, f"{model}-2025-04-14") == served
