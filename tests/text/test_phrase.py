"""Texts that can be said in another language."""

import copy
import json

import pytest

from pytest_batcheval.text.phrase import Phrase, catalogue

TEXTS = {
    "{answers} of {name}": "{name}: {answers}",
    "{number} answers": "답변 {number}개",
    "{names} and {more} more": "{names} 외 {more}개",
    "ok": "통과",
}


def test_a_phrase_is_its_english_text():
    phrase = Phrase("{answers} of {name}", answers=Phrase.counted(1, "answer"), name="{kim}")
    assert phrase == "1 answer of {kim}"
    assert json.dumps({phrase: phrase}) == '{"1 answer of {kim}": "1 answer of {kim}"}'
    assert phrase.said({}) == str(phrase)
    assert type(phrase.said({})) is str


def test_it_is_said_in_another_language_with_the_phrases_in_it():
    phrase = Phrase("{answers} of {name}", answers=Phrase.counted(1200, "answer"), name="{kim}")
    joined = Phrase.joined(", ", [phrase, "as it is", Phrase("ok"), Phrase("unknown")])
    assert joined == "1,200 answers of {kim}, as it is, ok, unknown"
    for one in (joined, copy.deepcopy(joined)):
        assert one.said(TEXTS) == "{kim}: 답변 1,200개, as it is, 통과, unknown"


def test_a_value_is_formatted_where_its_language_has_it():
    assert Phrase("{:.2f} {it[0]:+d}", 0.5, it=(3,)).said({"{:.2f} {it[0]:+d}": "{it[0]:+d}, {:.2f}"}) == "+3, 0.50"


def test_an_unknown_language_is_refused():
    assert catalogue("quality", "en") == {}
    with pytest.raises(ValueError, match=r"unknown language '\.\./en': must be one of en, ko"):
        catalogue("quality", "../en")
