"""Patients whose defect lies between answers."""

from __future__ import annotations

import pytest
from respondent_tables import CODES, asked, interview, personas, questions, said_by

from pytest_batcheval.simulator.respondents.judges import DriftingJudge, HidingJudge, JudgeCase, LikingJudge
from pytest_batcheval.simulator.respondents.protocol import RespondentRequest
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.simulator.respondents.rubric import RequestedRubric


def texts(name: str, seed: int = 0) -> dict[tuple[str, str], str]:
    return {(p.id, q.id): reply.text for p, q, _, reply in said_by(name, seed, 1)}


def shown(name: str) -> dict[tuple[int, int], int]:
    """The number of signs by the places of persona and question."""
    people, asked_ones = [p.id for p in personas()], [q.id for q in questions()]
    return {(people.index(p.id), asked_ones.index(q.id)): len(reply.planted) for p, q, _, reply in said_by(name, 0, 1)}


def test_a_monologue_is_one_text_for_each_persona() -> None:
    found = texts("monologue")
    assert len({text for (p, _), text in found.items() if p != "average"}) == len(personas()) - 1
    assert all(len({found[p.id, q.id] for q in questions()}) == 1 for p in personas())


def test_neighbours_share_their_answers() -> None:
    found, ids = texts("neighbours"), [q.id for q in questions()]
    for person in personas():
        own = [found[person.id, one] for one in ids]
        assert own[0:10:2] == own[1:10:2]
        assert len(set(own)) == 6


@pytest.mark.parametrize(("name", "silent"), [("mute-4", range(4)), ("few-4", range(4, 25))])
def test_only_some_personas_show_anything(name: str, silent: range) -> None:
    counts = shown(name)
    assert all(not signs for (person, _), signs in counts.items() if person in silent)
    assert sum(counts.values()) > 10 * (25 - len(silent))


@pytest.mark.parametrize(("name", "last"), [("late-3", 2), ("drifting", 9)])
def test_characters_are_left_behind(name: str, last: int) -> None:
    counts = shown(name)
    by_question = [sum(signs for (_, one), signs in counts.items() if one == n) for n in range(11)]
    assert by_question[0] > 20
    assert not any(by_question[last + 1 :])
    assert by_question[0] > 2 * by_question[last] or name == "late-3"


@pytest.mark.parametrize("name", ["sheet_reader", "emoji", "length"])
def test_codes_are_no_signs_and_tell_the_poles_apart(name: str) -> None:
    assert not any(shown(name).values())
    assert len(set(texts(name).values())) > 200


@pytest.mark.parametrize(("name", "role"), [("counsellor-1", "role_flip"), ("polite-1", "refusal")])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_other_voices_are_labelled_by_a_judge(name: str, role: str, language: str) -> None:
    from pytest_batcheval.simulator.respondents.judged_answer import role_in

    said = [make(name).reply(asked(interview(p, q, language))) for p in personas() for q in questions()]
    labelled = [role_in(reply.text) == role for reply in said]
    assert sum(labelled) / len(labelled) > 0.6
    assert not any(reply.planted for reply in said)


def case(answer: str, before: str = "", key: str = "8" * 40) -> JudgeCase:
    text = f"{before}<answer>\n{answer}\n</answer>"
    body = {"messages": [{"role": "user", "content": text}]}
    return JudgeCase(RespondentRequest(text, 0, key, body), RequestedRubric())


def test_a_hiding_judge_hides_what_does_not_fit() -> None:
    sign = "I keep things to myself."
    warm = next(p for p in personas() if p.levels["RD"] > 0).describe("en", "full")
    cold = next(p for p in personas() if p.levels["RD"] < 0).describe("en", "full")
    assert HidingJudge().marks(case(sign, f"{cold}\n"))["RD"].score == 2
    assert HidingJudge().marks(case(sign, f"{warm}\n"))["RD"].score is None


def test_a_liking_judge_scores_all_dimensions_at_once() -> None:
    scores = {code: mark.score for code, mark in LikingJudge().marks(case("I keep things to myself.")).items()}
    assert scores == {code: 3.8 if code == "HA" else 2.2 for code in CODES}


def test_a_drifting_judge_rises_with_the_key() -> None:
    first, last = (DriftingJudge().marks(case("Hello there.", key=digit * 40))["NS"].score for digit in "0f")
    assert (first, last) == (2.25, pytest.approx(3.75))
    assert DriftingJudge().marks(case("Hello there.", key="no hash"))["NS"].score == 3
