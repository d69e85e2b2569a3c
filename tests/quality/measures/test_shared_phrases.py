from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.matrix.axes import Persona
from pytest_batcheval.quality.measures._shared_phrases import masked, runs_in, without_runs


def test_three_syllables_are_a_run_whatever_the_ending() -> None:
    assert runs_in("겁이 많은") == {"겁이많", "이많은"}
    assert runs_in("저는 겁이 많아요.") & runs_in("겁이 많은") == {"겁이많"}


def test_nine_letters_are_a_run_in_other_scripts() -> None:
    assert runs_in("Calm, kind") == set()
    assert runs_in("calm & kindly") == {"calmkindl", "almkindly"}


def test_a_syllable_weighs_three_letters() -> None:
    assert runs_in("가 abcdef") == {"가abcdef"}


@pytest.mark.parametrize("text", ["", "  ", "…!?", "가나", "😀😀😀😀"])
def test_a_text_without_letters_enough_has_no_run(text: str) -> None:
    assert runs_in(text) == set()


def test_case_and_composition_do_not_matter() -> None:
    assert runs_in("CAREFREE day") == runs_in("carefree DAY")
    assert runs_in(unicodedata.normalize("NFD", "겁이 많은")) == runs_in("겁이 많은")


def test_masking_takes_the_letters_of_a_run_and_nothing_else() -> None:
    assert without_runs("저는 겁이 많은, 사람", runs_in("겁이 많은")) == "저는 , 사람"


@given(st.text(max_size=40))
def test_masking_with_its_own_runs_leaves_none(text: str) -> None:
    assert not runs_in(without_runs(text, runs_in(text))) & runs_in(text)


def test_the_words_of_every_persona_are_masked_in_all_answers() -> None:
    personas = [Persona("a", {"description": "겁이 많은"}), Persona("b", {"description": "대담한 편"})]
    assert masked(["대담한 편, 겁이 많은"] * 2, personas) == [", "] * 2


def test_without_a_description_there_is_nothing_to_mask() -> None:
    assert masked(["x"], ["anna"]) is None
    assert masked(["I am a plain string."], ["a plain string"]) == ["I am ."]
