"""A good judge climbs every step; each biased one falls at the step made for it."""

import json
from dataclasses import replace
from functools import cache

import pytest
from test_words import english_left

from pytest_batcheval.quality import TableError, ladder, rubric_request
from pytest_batcheval.quality.verdicts import at_turn
from pytest_batcheval.recordings.answer_table import Answers

COVERING = ("chief_complaint", "daily_life", "conflict", "meaning")
"""Four questions that aim at all seven dimensions between them."""


def interview(persona, question, patient="faithful"):
    return {
        "model": f"sim-{patient}",
        "messages": [
            {"role": "system", "content": f"당신은 환자입니다: {persona.description}"},
            {"role": "user", "content": question.text},
        ],
    }


@pytest.fixture(scope="session")
def judged(driven, rubric):
    """Answers judged as they are, and changed in some way: `judged("judge", change=ladder.padded)`."""

    @cache  # several steps look at the same verdicts
    def build(judge, patient="faithful", questions=None, most=25, leaky=False, change=None, turn=0, again=None):
        def prompt(persona, question):
            answer = yield interview(persona, question, patient)
            body = rubric_request(answer, question, rubric, model=f"sim-{judge}")
            if leaky:
                body["messages"][0]["content"] += f" The patient was told: {persona.description}"
            yield body
            said = None if change is None else change(answer.text)
            other = rubric_request(answer, question, rubric, model=f"sim-{again or judge}", turn=turn, said=said)
            yield {**other, "seed": 1}

        both = driven(prompt, questions, most)
        return at_turn(both, 1), at_turn(both, 2)

    return build


@pytest.fixture(scope="session")
def step(judged):
    """One step of a judge: `step("repeat", "judge_noisy")`."""
    small = {"questions": COVERING}

    def groups(judge, leaky=False):
        return ladder.known_groups({name: judged(judge, name, leaky=leaky)[0] for name in ladder.GROUPS})

    looks = {
        "evidence": lambda judge: ladder.evidence(judged(judge)[0]),
        "planted signs": lambda judge: ladder.planted_signs(judged(judge)[0]),
        "known groups": groups,
        "known groups, persona seen": lambda judge: groups(judge, leaky=True),
        "repeat": lambda judge: ladder.repeat(*judged(judge, **small)),
        "second judge": lambda judge: ladder.second_judge(*judged(judge, again="judge", **small)),
        "padding": lambda judge: ladder.bias_probe("padding", *judged(judge, change=ladder.padded, **small)),
        "injection": lambda judge: ladder.bias_probe("injection", *judged(judge, change=ladder.with_demand, **small)),
        "order": lambda judge: ladder.bias_probe("order", *judged(judge, turn=1, **small)),
        "null scores": lambda judge: ladder.null_scores(judged(judge)[0]),
    }
    return cache(lambda name, judge: looks[name](judge))


MADE_FOR = {
    "judge_noisy": ("repeat",),
    "judge_verbose": ("padding",),
    "judge_halo": ("planted signs", "known groups"),
    "judge_lenient": ("planted signs", "second judge"),
    "judge_persona": ("known groups, persona seen",),
    "judge_null": ("null scores", "planted signs"),
    "judge_three": ("planted signs", "null scores"),
    "judge_hallucinated": ("evidence",),
    "judge_order": ("order",),
    "judge_gullible": ("injection",),
}
NAMES = sorted({name for names in MADE_FOR.values() for name in names})


@pytest.mark.sampled
@pytest.mark.parametrize("name", NAMES)
def test_a_good_judge_climbs_every_step(step, name):
    found = step(name, "judge")
    assert found.passed, found.explain()


@pytest.mark.sampled
@pytest.mark.parametrize(("judge", "name"), [(judge, name) for judge, names in MADE_FOR.items() for name in names])
def test_a_biased_judge_falls_at_the_step_made_for_it(step, judge, name, personas, questions):
    found = step(name, judge)
    assert not found.passed, found.explain()
    assert "FAIL" in found.explain()
    assert english_left(found, [one.id for one in (*personas, *questions)]) == set()


@pytest.mark.sampled
def test_a_judge_that_would_favour_the_persona_cannot_when_it_does_not_see_it(step):
    failed = [figure.name for figure in step("known groups", "judge_persona").figures if not figure.holds]
    assert failed == ["echo: nulls"], "only an answer that repeats its description gives the persona away"


@pytest.mark.sampled
def test_a_judge_that_sees_the_persona_gives_a_blind_patient_its_traits(step):
    failed = {figure.name for figure in step("known groups, persona seen", "judge_persona").figures if not figure.holds}
    assert {"blind: largest slope", "inverted: largest delta"} <= failed


@pytest.mark.sampled
def test_a_constant_shift_hides_from_kappa_but_not_from_the_difference(step):
    kappa, bound, apart = step("second judge", "judge_lenient").figures
    assert kappa.value > 0.5
    assert bound.holds
    assert not apart.holds


@pytest.mark.sampled
def test_the_order_probe_names_cells_to_look_at(step):
    found = step("order", "judge_order")
    assert " x " in found.examples[0]
    assert "see: " in found.explain()


def test_padding_is_long_and_shows_nothing(driven):
    for answer in driven(interview, ["goals"]):
        longer = ladder.padded(answer.text)
        assert longer.startswith(answer.text)
        assert len(longer) >= len(answer.text) + ladder.PADDED


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda table: ladder.bias_probe("colour", table, table), "the probes are padding"),
        (lambda table: ladder.bias_probe("order", table, table[:10]), "100 and 10 answers"),
        (lambda table: ladder.known_groups({"odd": table}), "groups must be some of faithful"),
        (lambda table: ladder.known_groups({}), "not none"),
        (lambda table: ladder.planted_signs(table, [{}] * len(table)), "not all empty"),
        (lambda table: ladder.repeat(table[:99], table[:99]), "too few answers for the agreement of two judges: 99"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(judged, call, message):
    with pytest.raises(TableError, match=message):
        call(judged("judge", questions=COVERING)[0])


def test_questions_without_targets_are_refused_unless_declared(judged):
    table = judged("judge", questions=COVERING)[0]
    bare = Answers(replace(row, cell={**row.cell, "question": row.id("question")}) for row in table.rows)
    with pytest.raises(TableError, match="has no `targets`"):
        ladder.null_scores(bare)
    targets = {question.id: question.targets for question in table.axis("question")}
    assert ladder.null_scores(bare, targets=targets) == ladder.null_scores(table)


def test_a_step_is_neither_true_nor_false_and_has_plain_figures(judged):
    found = ladder.evidence(judged("judge", questions=COVERING)[0])
    with pytest.raises(TypeError, match=r"assert step\.passed, step\.explain\(\)"):
        bool(found)
    assert json.loads(json.dumps(found.to_dict()))["passed"] is True
