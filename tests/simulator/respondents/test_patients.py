from __future__ import annotations

import copy
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from respondent_tables import CODES, GOOD, asked, interview, personas, questions, said_by

from pytest_batcheval.catalogue.load import dimensions, fillers
from pytest_batcheval.simulator.respondents.patients import HaloPatient
from pytest_batcheval.simulator.respondents.protocol import RespondentRequest
from pytest_batcheval.simulator.respondents.registry import NAMES, make

NAMED = [*(name for name in NAMES if name != "scripted"), "faithful-0.4", "collapsed-everywhere", "judge_noisy-0.5"]
BODY = interview(personas()[7], questions()[4])
SAMPLED = [
    "faithful", "blind", "flat", "inverted", "noisy", "partial", "halo", "placebo", "echo", "salad", "refuser-0.5",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_the_same_request_gets_the_same_reply_and_is_left_as_it_was(name: str) -> None:
    body = copy.deepcopy(BODY)
    random.seed(1)
    state = random.getstate()
    first = make(name).reply(asked(body, 3, 1))
    make(name).reply(asked(interview(personas()[2], questions()[1]), 3, 1))
    assert make(name).reply(asked(copy.deepcopy(body), 3, 1)) == first
    assert body == BODY
    assert random.getstate() == state


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_and_seeds_differ(name: str) -> None:
    respondent = make(name)
    assert len({respondent.reply(asked(BODY, 0, sample)).text for sample in range(10)}) > 1
    assert len({respondent.reply(asked(BODY, seed, 0)).text for seed in range(10)}) > 1


@pytest.mark.parametrize("name", ["prompt_sensitive", "collapsed", "collapsed-everywhere"])
def test_these_give_every_sample_the_same_text(name: str) -> None:
    respondent = make(name)
    assert len({respondent.reply(asked(BODY, 0, sample)).text for sample in range(10)}) == 1
    assert len({respondent.reply(asked(BODY, seed, 0)).text for seed in range(10)}) > 1


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20, deadline=None)
@given(
    body=st.fixed_dictionaries(
        {"model": st.text(max_size=5)},
        optional={
            "messages": st.one_of(
                st.none(), st.lists(st.dictionaries(st.sampled_from(["role", "content"]), st.text()))
            ),
            "input": st.one_of(st.text(), st.lists(st.one_of(st.text(), st.dictionaries(st.text(), st.text())))),
            "instructions": st.one_of(st.none(), st.text(), st.integers()),
            "response_format": st.one_of(st.none(), st.text(), st.dictionaries(st.text(), st.text())),
            "text": st.one_of(st.text(), st.dictionaries(st.just("format"), st.text())),
        },
    )
)
def test_any_body_gets_a_reply(name: str, body: dict[str, object]) -> None:
    reply = make(name).reply(asked(body))
    reply.text.encode()


@pytest.mark.parametrize("name", NAMED)
def test_half_of_a_character_never_comes_back(name: str) -> None:
    messages = [{"role": "system", "content": "a \ud83d"}, {"role": "user", "content": "\ud83d?\n<answer>\udc00"}]
    prompt = "\n".join(message["content"] for message in messages)
    make(name).reply(RespondentRequest(prompt, 0, "key", {"messages": messages})).text.encode()
    make(name).reply(RespondentRequest(prompt, 0, "key")).text.encode()


def test_an_answer_is_an_opener_and_a_sentence_for_each_targeted_dimension() -> None:
    poles = {u: (d.code, level) for d in dimensions() for level in (-1, 1) for u in d.pole(level).utterances["ko"]}
    shown: Counter[bool] = Counter()
    for persona, question, _, reply in said_by("faithful", samples=2):
        found = {code: level for said, (code, level) in poles.items() if said in reply.text}
        assert found == reply.planted
        assert set(found) <= set(question.targets)
        assert all(persona.levels[code] == level for code, level in found.items())
        assert sum(f in reply.text for f in fillers("ko")) == len(question.targets) - len(found)
        shown.update(code in found for code in question.targets if persona.levels[code])
    assert shown[True] / shown.total() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(("name", "share"), [("faithful-0.4", 0.4), ("faithful-1", 1.0), ("faithful-0", 0.0)])
def test_the_share_of_signs_is_the_parameter(name: str, share: float) -> None:
    chances = [code in r.planted for p, q, _, r in said_by(name) for code in q.targets if p.levels[code]]
    assert sum(chances) / len(chances) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("wrong", [0.1, 0.45])
def test_noise_turns_that_share_of_the_signs(wrong: float) -> None:
    rows = said_by(f"noisy-{wrong}", samples=2)
    turned = [p.levels[code] != level for p, _, _, r in rows for code, level in r.planted.items()]
    assert sum(turned) / len(turned) == pytest.approx(wrong, abs=0.05)


def test_blind_shows_either_pole_equally_often_in_each_answer_of_a_persona() -> None:
    levels = [level for _, _, _, reply in said_by("blind", samples=3) for level in reply.planted.values()]
    assert abs(sum(levels)) / len(levels) < 0.06
    for persona in personas():
        seen = {
            (code, level)
            for p, _, _, reply in said_by("blind", samples=3)
            if p is persona
            for code, level in reply.planted.items()
        }
        assert len(seen) > 10


def test_halo_is_good_or_ill_all_through_by_the_majority_of_the_told_poles() -> None:
    for persona in personas():
        impression = sum(GOOD[code] * level for code, level in persona.levels.items())
        sides = {
            GOOD[code] * level for p, _, _, r in said_by("halo") if p is persona for code, level in r.planted.items()
        }
        assert sides == ({1} if impression > 0 else {-1} if impression < 0 else set())


def test_halo_likes_or_dislikes_strangers_too() -> None:
    def side(name: str) -> set[int]:
        body = {"messages": [{"role": "system", "content": name}, {"role": "user", "content": "Hello?"}]}
        return {GOOD[code] * level for code, level in HaloPatient("halo").levels(asked(body)).items()}

    sides = [side(f"You are number {n}") for n in range(12)]
    assert all(len(s) == 1 for s in sides)
    assert len(set(map(tuple, sides))) == 2


def test_collapsed_has_one_text_for_a_question_and_a_language_and_the_wider_scope_one_for_all() -> None:
    texts = {(q.id, r.text) for _, q, _, r in said_by("collapsed")}
    assert len(texts) == len({text for _, text in texts}) == 11
    assert len({r.text for _, _, _, r in said_by("collapsed-everywhere")}) == 1
    assert len({r.text for _, _, _, r in said_by("collapsed-everywhere", language="en")}) == 1


def test_collapsed_knows_questions_of_the_user_by_their_message() -> None:
    def text(persona: str, question: str) -> str:
        body = {"messages": [{"role": "system", "content": persona}, {"role": "user", "content": question}]}
        return make("collapsed").reply(asked(body)).text

    assert text("a", "How is the weather?") == text("b", "How is the weather?")
    assert len({text("a", f"What about {n}?") for n in range(5)}) > 1


def test_flat_shows_nothing_and_partial_only_its_dimensions() -> None:
    assert not any(r.planted for *_, r in said_by("flat"))
    assert {code for *_, r in said_by("partial") for code in r.planted} == {"NS", "HA", "RD", "P"}
    assert {code for *_, r in said_by("partial-CO-ST") for code in r.planted} == {"CO", "ST"}


def test_inverted_shows_what_was_not_told() -> None:
    assert all(p.levels[c] == -level for p, _, _, r in said_by("inverted") for c, level in r.planted.items())


@pytest.mark.parametrize("language", ["ko", "en"])
def test_echo_says_its_own_words_and_no_sign(language: str) -> None:
    for persona, question, _, reply in said_by("echo", language=language):
        assert persona.describe(language, "short") in reply.text, question.id
        assert not reply.planted


def test_echo_repeats_poles_without_types_and_words_of_the_users_own() -> None:
    def text(system: str) -> str:
        body = {"messages": [{"role": "system", "content": system}, {"role": "user", "content": "So?"}]}
        return make("echo").reply(asked(body)).text

    assert text("Harm avoidance: fearful and easily tired").startswith("People would call me fearful and easily tired.")
    assert text("You are a\nretired  miner").startswith("People would call me You are a retired miner.")


def test_salad_has_the_letters_of_the_faithful_answer_and_none_of_its_signs() -> None:
    for (*_, mixed), (*_, plain) in zip(said_by("salad"), said_by("faithful"), strict=True):
        assert Counter(mixed.text.replace(" ", "")) == Counter(plain.text.replace(" ", ""))
        assert mixed.text != plain.text
        assert not mixed.planted


def test_refuser_refuses_at_its_rate_and_marks_half_of_them() -> None:
    rows = [
        (r, f) for (*_, r), (*_, f) in zip(said_by("refuser", samples=3), said_by("faithful", samples=3), strict=True)
    ]
    refusals = [r for r, faithful in rows if r.text != faithful.text]
    assert len(refusals) / len(rows) == pytest.approx(0.3, abs=0.04)
    assert sum(r.refused for r in refusals) / len(refusals) == pytest.approx(0.5, abs=0.1)
    assert not any(r.planted for r in refusals)
    assert len({r.text for r in refusals}) == 3


def test_placebo_habits_hang_on_words_that_mean_nothing() -> None:
    def habits(label: str) -> Counter[str]:
        said: Counter[str] = Counter()
        for question in questions():
            body = {"messages": [{"role": "system", "content": label}, {"role": "user", "content": question.text}]}
            text = make("placebo").reply(asked(body)).text
            said.update(filler for filler in fillers("ko") if filler in text)
        return said

    for label in ("환자 가", "환자 나"):
        favourites = habits(label).most_common(3)
        assert sum(times for _, times in favourites) >= 11 + 2
    assert {f for f, _ in habits("환자 가").most_common(3)} != {f for f, _ in habits("환자 나").most_common(3)}


def test_persona_and_question_are_named() -> None:
    for name in ("faithful", "collapsed", "echo", "refuser", "salad", "placebo"):
        for persona, question, _, reply in said_by(name)[::13]:
            assert (reply.persona, reply.question) == (persona.id, question.id)


def test_language_follows_the_prompt() -> None:
    assert all(not reply.text.isascii() for *_, reply in said_by("faithful"))
    assert all(reply.text.isascii() for *_, reply in said_by("faithful", language="en"))


def test_no_sentence_is_said_twice_where_nothing_is_recognised() -> None:
    for n in range(200):
        text = make("flat").reply(asked({"messages": [{"role": "user", "content": f"What about {n}?"}]})).text
        said = [filler for filler in fillers("en") if filler in text]
        assert len(said) == 4
        assert all(text.count(filler) == 1 for filler in said)


def test_the_average_persona_shows_nothing() -> None:
    assert not any(r.planted for p, _, _, r in said_by("faithful") if p.id == "average")
    assert set(CODES) == {code for *_, r in said_by("faithful") for code in r.planted}
