"""A level may be a word, a number, or a score with declared cut-offs, in any format."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.catalogue.load import CODES, dimensions
from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.matrix.profile import TCI, WORDS, Cutoffs, level_of, parse_factors_option


@pytest.mark.parametrize(("written", "level"), WORDS.items())
def test_every_word_gives_its_level(written: str, level: str) -> None:
    assert level_of("NS", f" {written.title()} ", TCI) == level


@pytest.mark.parametrize(
    ("value", "level"), [(-1, "low"), (0.0, "average"), ("1.0", "high"), ("+1", "high"), ("−1", "low")]
)
def test_numbers_of_three_levels_need_no_declaration(value: object, level: str) -> None:
    assert level_of("NS", value, TCI) == level


@pytest.mark.parametrize("value", [True, "", "1,5", "nan", "inf", None, [1]])
def test_what_is_no_level_is_shown(value: object) -> None:
    with pytest.raises(MatrixError, match="is no level; write low, average or high"):
        level_of("NS", value, {"NS": Cutoffs(45, 55)})


@given(score=st.floats(-1e6, 1e6), low=st.integers(-100, 99))
def test_a_score_is_low_up_to_the_first_cut_off_and_high_from_the_second(score: float, low: int) -> None:
    level = level_of("NS", str(score), {"NS": Cutoffs(low, low + 1)})
    assert level == ("low" if score <= low else "high" if score >= low + 1 else "average")


def test_with_cut_offs_a_word_is_still_a_level_and_every_number_a_score() -> None:
    factors = parse_factors_option(["", "NS, HA = 45 55", "개방성 = 2.5 3.5", "calm"])
    assert [level_of("NS", value, factors) for value in ("높음", 1, 50, "45", "55.0")] == [
        "high", "low", "average", "low", "high"
    ]  # fmt: skip
    assert list(factors) == [*CODES, "개방성", "calm"]
    assert (factors["HA"], factors["개방성"], factors["calm"]) == (Cutoffs(45, 55), Cutoffs(2.5, 3.5), None)


HEADS = [
    *(["번호", "설명", *heads] for heads in (CODES, [f"profile.{code}" for code in CODES])),
    *(["번호", "설명", *(d.name[language] for d in dimensions())] for language in ("ko", "en")),
]


@pytest.mark.parametrize("head", HEADS, ids=["codes", "profile", "Korean", "English"])
def test_columns_give_a_profile(tmp_path: Path, head: list[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text("\n".join([",".join(head), "1,가,낮음,-1,low,0,높음,1,"]), encoding="utf-8")
    (persona,) = load_axis("persona", path)
    assert persona.levels == {"NS": -1, "HA": -1, "RD": -1, "P": 0, "SD": 1, "CO": 1}
    assert set(persona.fields) == {"number", "description", "profile"}


def test_a_profile_of_declared_factors_and_targets_in_them(tmp_path: Path) -> None:
    factors = parse_factors_option(["openness = 2 4"])
    person = {"id": "a", "description": "x", "profile": {"openness": 4.5, "NS": "낮음"}}
    (tmp_path / "p.json").write_text(json.dumps([person, {"id": "b", "description": "y", "openness": 2, "NS": None}]))
    assert [p.levels for p in load_axis("persona", tmp_path / "p.json", factors)] == [
        {"openness": 1, "NS": -1},
        {"openness": -1},
    ]
    (tmp_path / "q.csv").write_text("질문,대상\n왜요?,openness NS\n", encoding="utf-8")
    (question,) = load_axis("question", tmp_path / "q.csv", factors)
    assert (question.id, question.text, question.targets) == ("1", "왜요?", ("openness", "NS"))


def test_a_factor_is_one_however_its_characters_are_composed(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(unicodedata.normalize("NFD", "설명,개방성\n가,높음\n"), encoding="utf-8")
    (persona,) = load_axis("persona", tmp_path / "p.csv", parse_factors_option(["개방성"]))
    assert persona.levels == {"개방성": 1}


def test_another_axis_has_no_profile(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,NS,description\nold,much,x\n")
    (value,) = load_axis("age", tmp_path / "a.csv")
    assert (value.id, value.fields) == ("old", {"name": "old", "NS": "much", "description": "x"})


@pytest.mark.parametrize(
    ("head", "rows", "ids"),
    [
        ("id,번호,이름,설명", ["a,1,김,x", "b,2,이,x"], ["a", "b"]),
        ("이름,번호,설명", ["김,7,x", "이,8,x"], ["7", "8"]),
        ("Patient Name;Description", ["김;x", "이;x"], ["김", "이"]),
        ("설명\t나이", ["x\t1", "", "y\t2"], ["1", "2"]),
        ("ＩＤ,설명", ["a,x"], ["a"]),
        ("\u110b\u1175\u1105\u1173\u11b7,설명", ["김,x"], ["김"]),  # 이름 as macOS composes it
    ],
)
def test_the_id_is_the_first_of_id_number_name_and_row(
    tmp_path: Path, head: str, rows: list[str], ids: list[str]
) -> None:
    (tmp_path / "p.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    assert [p.id for p in load_axis("persona", tmp_path / "p.csv")] == ids


@pytest.mark.parametrize(("written", "identifier"), [(7, "7"), (7.0, "7"), (" a ", "a"), ("환자 01", "환자 01")])
def test_a_whole_number_is_an_id_in_json(tmp_path: Path, written: object, identifier: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps([{"id": written, "description": "x"}]))
    assert [p.id for p in load_axis("persona", tmp_path / "p.json")] == [identifier]
