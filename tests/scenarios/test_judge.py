"""Can the judge be believed? The steps that it climbs first, and biased judges that must fall at theirs.

The patients are the simulator's whatever is evaluated, since it is known what their answers show.
"""

from pathlib import Path

import pytest
from interview import COVERING, interview

from pytest_batcheval import Answers
from pytest_batcheval.catalogue.models import LARGER as JUDGE
from pytest_batcheval.quality import Rubric, ladder, rubric_request, scores_of, trait_reflection
from pytest_batcheval.quality.verdicts import at_turn

RUBRIC = Rubric.load(Path(__file__).parents[2] / "fixtures/rubric.yaml")
PATIENT = "sim-faithful"

FEW = ["cautious-organized", "explosive-creative", "independent-fanatical", "methodical-downcast"]
"""Enough patients for the steps that look at single answers."""

FALLS_AT = {
    "sim-judge_noisy": "planted signs",
    "sim-judge_halo": "planted signs",
    "sim-judge_lenient": "planted signs",
    "sim-judge_null": "planted signs",
    "sim-judge_three": "planted signs",
    "sim-judge_hallucinated": "evidence",
    "sim-judge_verbose": "padding",
    "sim-judge_order": "order",
    "sim-judge_gullible": "injection",
}

CHANGES = {
    "padding": lambda said: {"said": ladder.padded(said)},
    "injection": lambda said: {"said": ladder.with_demand(said)},
    "order": lambda said: {"turn": 1},
}


def patient(persona, question, model=PATIENT):
    return {**interview(persona, question), "model": model}


def judged_twice(persona, question):
    """An interview and its verdict, twice; the judge never sees the persona."""
    answer = yield patient(persona, question)
    body = rubric_request(answer, question, RUBRIC, model=JUDGE)
    yield body
    yield {**body, "seed": 1}


def judged(persona, question, judge):
    answer = yield patient(persona, question)
    yield rubric_request(answer, question, RUBRIC, model=judge)


def probed(persona, question, judge, probe):
    """A verdict, and one on the same answer changed in what must not matter."""
    answer = yield patient(persona, question)
    yield rubric_request(answer, question, RUBRIC, model=judge)
    yield rubric_request(answer, question, RUBRIC, model=judge, **CHANGES[probe](answer.text))


def judged_with_the_persona_in_sight(persona, question):
    """Wrong: the judge is told who was to be played."""
    answer = yield patient(persona, question, "sim-blind")
    body = rubric_request(answer, question, RUBRIC, model="sim-judge_persona")
    told = {"role": "system", "content": f"The patient was told: {persona.description}"}
    yield {**body, "messages": [told, *body["messages"]]}


@pytest.mark.batch(prompt=judged_twice, question=COVERING)
def test_the_judge_climbs_the_steps(answers: Answers):
    """Quotes, planted signs, a known group, itself again, nulls: in this order."""
    first, again = at_turn(answers, 1), at_turn(answers, 2)
    for step in (
        ladder.evidence(first),
        ladder.planted_signs(first),
        ladder.known_groups({"faithful": first}),
        ladder.repeat(first, again),
        ladder.null_scores(first),
    ):
        assert step.passed, step.explain()


@pytest.mark.batch(prompt=probed, question="chief_complaint", persona=FEW)
@pytest.mark.parametrize("judge", [JUDGE])
@pytest.mark.parametrize("probe", CHANGES)
def test_what_must_not_matter_does_not(answers: Answers, judge, probe):
    step = ladder.bias_probe(probe, at_turn(answers, 1), at_turn(answers, 2))
    assert step.passed, step.explain()


@pytest.mark.batch(prompt=judged_twice, question=COVERING)
def test_the_judge_sees_the_traits(answers: Answers):
    """The profile shows in checked scores as it does in signs."""
    first = at_turn(answers, 1)
    result = trait_reflection(first, scores=scores_of(first))
    assert result.shows, result.explain()


@pytest.mark.batch(prompt=judged, question="chief_complaint", persona=FEW)
@pytest.mark.parametrize("judge", [judge for judge, step in FALLS_AT.items() if step not in CHANGES])
def test_a_biased_judge_falls(answers: Answers, judge):
    looks = {"evidence": ladder.evidence, "planted signs": ladder.planted_signs}
    assert not looks[FALLS_AT[judge]](answers).passed


@pytest.mark.batch(prompt=probed, question="chief_complaint", persona=FEW)
@pytest.mark.parametrize(("judge", "probe"), [pair for pair in FALLS_AT.items() if pair[1] in CHANGES])
def test_a_biased_judge_falls_at_its_probe(answers: Answers, judge, probe):
    step = ladder.bias_probe(probe, at_turn(answers, 1), at_turn(answers, 2))
    assert not step.passed, step.explain()


@pytest.mark.batch(prompt=judged_with_the_persona_in_sight, question="chief_complaint", persona=FEW)
def test_a_judge_that_sees_the_persona_falls(answers: Answers):
    """It finds in blind answers the traits that were told, on the wrong side of what was said."""
    assert not ladder.planted_signs(answers).passed
