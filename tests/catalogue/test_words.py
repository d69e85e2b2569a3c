"""From levels to words and back."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.catalogue.describe import describe, full_parts, short_description
from pytest_batcheval.catalogue.load import CODES, design, dimensions, questions
from pytest_batcheval.catalogue.recognise import RecognisedPrompt, recognise

LANGUAGES = st.sampled_from(["ko", "en"])
LEVELS = st.fixed_dictionaries({code: st.sampled_from([-1, 0, 1]) for code in CODES})
PERSONAS = st.sampled_from(design())
QUESTIONS = st.sampled_from(questions())
PROMPTS = {
    "ko": "당신은 내원한 환자입니다. 페르소나: {}\n질문에 한국어로 답하세요.",
    "en": "You are a patient. Your persona: {}.\nAnswer the question in English.",
}


# -- describing ---------------------------------------------------------------------------------------------------


def test_the_descriptions_of_the_first_request_file():
    short = {describe(persona.levels, "ko", "short") for persona in design()}
    assert {"고립되고 겁이 많은, 미성숙한", "폭발적인, 비논리적인"} <= short


def test_the_full_description_has_every_dimension_in_order():
    text = describe(design()[0].levels, "en", "full")
    assert text.startswith("detached and unconcerned, submissive and dependent (Novelty seeking: deliberate")
    names = [dimension.name["en"] for dimension in dimensions()]
    assert [text.index(f"{name}: ") for name in names] == sorted(text.index(f"{name}: ") for name in names)


@given(LEVELS, LANGUAGES)
def test_levels_that_are_no_corner_have_only_a_full_description(levels, language):
    corner = all(levels.values()) or all(levels[code] for code in CODES if code != "P") or not any(levels.values())
    assert (short_description(levels, language) is not None) is corner
    full = describe(levels, language, "full")
    assert full_parts(levels, language) in full
    if not corner:
        with pytest.raises(ValueError, match="a short description requires a corner of both cubes"):
            describe(levels, language, "short")


def test_persistence_is_not_told_in_the_short_description():
    levels = dict(design()[0].levels)
    short = describe(levels, "ko", "short")
    assert describe({**levels, "P": -levels["P"]}, "ko", "short") == short
    del levels["P"]
    assert describe(levels, "ko", "short") == short


@pytest.mark.parametrize(
    ("levels", "language", "style", "message"),
    [
        ({}, "ko", "full", "missing or wrong: NS, HA, RD, P, SD, CO, ST"),
        (dict.fromkeys(CODES, 1) | {"HA": 2}, "en", "full", "missing or wrong: HA"),
        (dict.fromkeys(CODES, 1), "fr", "full", "language ko or en, not 'full' and 'fr'"),
        (dict.fromkeys(CODES, 1), "ko", "long", "style must be full or short"),
        ({"NS": 1}, "ko", "short", "no type has the levels"),
    ],
)
def test_what_cannot_be_described_is_said(levels, language, style, message):
    with pytest.raises(ValueError, match=message):
        describe(levels, language, style)


# -- recognising --------------------------------------------------------------------------------------------------


@given(LEVELS, LANGUAGES)
def test_full_descriptions_are_read_back_whatever_the_levels(levels, language):
    seen = recognise(PROMPTS[language].format(describe(levels, language, "full")))
    assert seen.levels == levels
    assert list(seen.levels) == list(CODES)
    assert seen.language == language
    known = [persona.id for persona in design() if persona.levels == levels]
    assert seen.persona == (known[0] if known else None)


@given(PERSONAS, LANGUAGES, st.sampled_from(["full", "short"]), QUESTIONS)
def test_personas_and_questions_of_the_catalogue_are_read_back(persona, language, style, question):
    prompt = PROMPTS[language].format(describe(persona.levels, language, style))
    seen = recognise(f"{prompt}\n{question.text[language]}")
    assert seen == RecognisedPrompt(persona.id, dict(persona.levels), language, question.id)


@given(LANGUAGES, st.integers(0, 63))
def test_short_descriptions_of_types_outside_the_design_give_their_levels(language, number):
    signs = [1 if number >> bit & 1 else -1 for bit in range(6)]
    levels = dict(zip(("NS", "HA", "RD", "SD", "CO", "ST"), signs, strict=True))
    seen = recognise(PROMPTS[language].format(describe(levels, language, "short")))
    assert levels.items() <= seen.levels.items()
    matching = [persona.id for persona in design() if levels.items() <= persona.levels.items()]
    assert seen.persona == (matching[0] if len(matching) == 1 else None)


@given(PERSONAS, st.sampled_from(["full", "short"]))
def test_decomposed_hangul_is_read_too(persona, style):
    text = unicodedata.normalize("NFD", describe(persona.levels, "ko", style))
    assert recognise(text).persona == persona.id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You are a 54-year-old carpenter with knee pain, blunt and in a hurry.",
        "당신은 54세의 목수이고 무릎이 아픕니다. 퉁명스럽고 급합니다.",
        "Novelty seeking: somewhat above average",
        "😀" * 10,
    ],
)
def test_a_persona_of_the_users_own_is_none_of_ours(text):
    seen = recognise(text)
    assert (seen.persona, seen.levels) == (None, {})


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text):
    seen = recognise(text)
    assert seen.language in ("ko", "en")
    assert set(seen.levels) <= set(CODES)


def test_some_dimensions_alone_are_levels_without_a_persona():
    seen = recognise("Novelty seeking: impulsive and easily bored; Harm avoidance: average")
    assert (seen.persona, seen.levels) == (None, {"NS": 1, "HA": 0})


def test_the_first_persona_and_the_last_question_count():
    one, two = design()[0], design()[1]
    first, last = questions()[0], questions()[5]
    text = "\n".join(
        [describe(one.levels, "en"), first.text["en"], describe(two.levels, "en"), last.text["en"], "Well?"]
    )
    seen = recognise(text)
    assert (seen.persona, seen.question) == (one.id, last.id)


@pytest.mark.parametrize(("text", "language"), [("가나다 abcdefg", "ko"), ("가나 abcdefghij", "en"), ("123 !?", "en")])
def test_three_letters_in_ten_make_a_text_korean(text, language):
    assert recognise(text).language == language


def test_an_english_phrase_is_a_whole_word():
    short = describe(design()[0].levels, "en", "short")
    assert recognise(f"un{short}").persona is None
    assert recognise(f"{short}ly").persona is None
    assert recognise(f"({short})").persona == design()[0].id
