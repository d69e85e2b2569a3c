"""The catalogue's data against what the evaluation relies on."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from itertools import combinations, product

import pytest

from pytest_batcheval.catalogue.load import (
    CODES,
    average,
    characters,
    design,
    dimensions,
    fillers,
    openers,
    questions,
    temperaments,
)

LANGUAGES = ("ko", "en")
POLES = [pytest.param(d, level, id=f"{d.code}{level:+d}") for d in dimensions() for level in (-1, 1)]
CORNERS = design()[:24]


@pytest.fixture(scope="module")
def cues():
    """The words by which answers are judged: code -> pole -> cues."""
    path = files("pytest_batcheval.quality").joinpath("data", "cues.json")
    return json.loads(path.read_text(encoding="utf-8"))


def shown(cues, text):
    """(code, pole) of every cue in a text."""
    lower = text.lower()
    return {
        (code, pole) for code, poles in cues.items() for pole, words in poles.items() if any(w in lower for w in words)
    }


# -- the design ---------------------------------------------------------------------------------------------------


def test_there_are_25_different_personas_and_the_last_is_average():
    assert len(design()) == 25
    assert len({persona.id for persona in design()}) == 25
    assert len({tuple(persona.levels.values()) for persona in design()}) == 25
    assert set(design()[-1].levels.values()) == {0}


def test_every_persona_has_every_dimension_in_the_order_of_the_codes():
    assert all(tuple(persona.levels) == CODES for persona in design())
    assert all(set(persona.levels.values()) == {-1, 1} for persona in CORNERS)


@pytest.mark.parametrize("code", CODES)
def test_half_of_the_corners_are_high_in_each_dimension(code):
    assert Counter(persona.levels[code] for persona in CORNERS) == {1: 12, -1: 12}


@pytest.mark.parametrize("codes", list(combinations(CODES, 3)), ids="-".join)
def test_every_triple_of_dimensions_shows_each_of_its_corners_three_times(codes):
    seen = Counter(tuple(persona.levels[code] for code in codes) for persona in CORNERS)
    assert seen == dict.fromkeys(product((-1, 1), repeat=3), 3)


def test_ids_are_short_ascii_and_none_is_part_of_another():
    ids = [persona.id for persona in design()]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)?", name) and len(name) <= 30 for name in ids)
    assert not [(one, two) for one in ids for two in ids if one != two and one in two]


def test_a_persona_is_made_of_the_corners_its_types_name():
    kinds = {kind.code: kind.levels for kind in (*temperaments(), *characters())}
    for persona in CORNERS:
        parts = kinds[persona.temperament] | kinds[persona.character]
        assert parts.items() <= persona.levels.items()
        assert persona.levels["P"] in (-1, 1)


@pytest.mark.parametrize(("kinds", "codes"), [(temperaments, ("NS", "HA", "RD")), (characters, ("SD", "CO", "ST"))])
def test_each_cube_has_eight_corners_with_words_of_their_own(kinds, codes):
    assert sorted(tuple(kind.levels[code] for code in codes) for kind in kinds()) == sorted(product((-1, 1), repeat=3))
    assert all(tuple(kind.levels) == codes for kind in kinds())
    for language in LANGUAGES:
        assert len({kind.phrase[language] for kind in kinds()}) == 8
    for kind in kinds():
        initials = zip(kind.code, kind.levels.items(), strict=True)
        assert all(letter.isupper() == (level == 1) for letter, (_, level) in initials), kind.code


# -- the words ----------------------------------------------------------------------------------------------------


def is_in(language, text):
    hangul = len(re.findall("[가-힣]", text))
    return hangul > 0 if language == "ko" else text.isascii() and hangul == 0


def all_words():
    """(where, language, text) of every text of the catalogue."""
    for dimension in dimensions():
        for language in LANGUAGES:
            yield dimension.code, language, dimension.name[language]
            for level in (-1, 1):
                pole = dimension.pole(level)
                yield f"{dimension.code}{level:+d}", language, pole.phrase[language]
                yield from ((f"{dimension.code}{level:+d}", language, text) for text in pole.signs[language])
                yield from ((f"{dimension.code}{level:+d}", language, text) for text in pole.utterances[language])
    for language in LANGUAGES:
        yield "average", language, average()[language]
        yield from (("filler", language, text) for text in fillers(language))
        for question in questions():
            yield question.id, language, question.text[language]
            yield from ((question.id, language, text) for text in openers(question.id, language))


def test_every_text_is_there_clean_and_in_its_language():
    texts = list(all_words())
    assert len(texts) > 300
    for where, language, text in texts:
        assert text == text.strip() != "", where
        assert is_in(language, text), (where, text)
        assert not re.search(r"\s\s|[\x00-\x1f]", text), (where, text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("dimension", "level"), POLES)
def test_a_pole_has_several_different_utterances_and_signs(dimension, level, language):
    pole = dimension.pole(level)
    for texts in (pole.utterances[language], pole.signs[language]):
        assert len(set(texts)) == len(texts) >= 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("dimension", "level"), POLES)
def test_an_utterance_shows_its_own_pole_and_not_the_opposite(cues, dimension, level, language):
    own, opposite = ("high", "low") if level == 1 else ("low", "high")
    for text in dimension.pole(level).utterances[language]:
        found = shown(cues, text)
        assert (dimension.code, own) in found, text
        assert (dimension.code, opposite) not in found, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_beside_the_traits_shows_none(cues, language):
    texts = [*fillers(language), *(text for q in questions() for text in openers(q.id, language))]
    assert {text: found for text in texts if (found := shown(cues, text))} == {}
    assert len(set(texts)) == len(texts)


def test_no_utterance_of_a_pole_is_one_of_another():
    poles = [dimension.pole(level) for dimension in dimensions() for level in (-1, 1)]
    utterances = [text for pole in poles for language in LANGUAGES for text in pole.utterances[language]]
    assert len(set(utterances)) == len(utterances)


def test_cues_are_lower_case_and_of_one_pole_only(cues):
    assert tuple(cues) == CODES
    words = [word for poles in cues.values() for pole in poles.values() for word in pole]
    assert [word for word in words if word != word.lower() or not word.strip()] == []
    assert [word for word, count in Counter(words).items() if count > 1] == []


# -- the questions ------------------------------------------------------------------------------------------------


def test_the_eleven_questions_aim_at_every_dimension():
    assert len(questions()) == len({question.id for question in questions()}) == 11
    assert questions()[0].text["ko"] == "어디가 불편해서 방문하게 되셨나요?"
    targets = Counter(code for question in questions() for code in question.targets)
    assert set(targets) == set(CODES)
    assert min(targets.values()) >= 3
    assert all(len(set(question.targets)) == len(question.targets) for question in questions())


def test_an_unknown_question_has_no_opener():
    with pytest.raises(KeyError):
        openers("unheard_of", "ko")


@pytest.mark.parametrize("level", [0, 2, -3])
def test_only_the_ends_have_a_pole(level):
    with pytest.raises(ValueError, match="has poles at -1 and 1 only"):
        dimensions()[0].pole(level)


def test_what_is_loaded_cannot_be_changed():
    persona = design()[0]
    for change in (
        lambda: persona.levels.__setitem__("NS", 0),
        lambda: average().__setitem__("ko", ""),
        lambda: dimensions()[0].name.__setitem__("ko", ""),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
