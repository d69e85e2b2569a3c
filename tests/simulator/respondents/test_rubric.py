from __future__ import annotations

import json
from typing import Any

import pytest
from respondent_tables import CODES, rubric_body, rubric_schema

from pytest_batcheval.simulator.respondents.rubric import Mark, RequestedRubric, requested_rubric
from pytest_batcheval.wire.key import canonical


def with_schema(schema: Any) -> dict[str, Any]:
    return {"messages": [], "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


def test_a_rubric_is_known_by_its_shape_in_either_endpoint() -> None:
    assert requested_rubric(rubric_body("x")) == RequestedRubric()
    assert requested_rubric(
        {"input": "x", "text": {"format": {"schema": rubric_schema(("HA", "P"))}}}
    ) == RequestedRubric(("HA", "P"))


def test_the_order_survives_canonical_json() -> None:
    codes = ("ST", "CO", "NS")
    body = json.loads(canonical(rubric_body("x", codes=codes)))
    assert requested_rubric(body) == RequestedRubric(codes)
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]["scores"]["properties"]) != list(codes)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        "rubric",
        [],
        {},
        {"properties": {"role": {}, "scores": {}}},
        {"properties": {"role": {}, "scores": {"properties": {"speed": {}}}}},
        {"properties": {"scores": {"properties": {"HA": {}}}}},
        {"properties": {"role": {}, "scores": ["HA"]}},
    ],
)
def test_other_schemas_are_none(schema: Any) -> None:
    assert requested_rubric(with_schema(schema)) is None
    assert requested_rubric({"response_format": schema, "text": schema}) is None


def test_order_of_words() -> None:
    assert RequestedRubric().listed("P, then NS HA RD SD CO ST")[0] == "P"
    assert RequestedRubric().listed("Persistence NS HA RD SD CO Self-transcendence (ST)")[0] == "P"
    assert RequestedRubric(("HA", "P")).listed("only P here") == ("HA", "P")
    assert RequestedRubric(("NS", "P")).listed("NSP APA PNS P NS") == ("P", "NS")


@pytest.mark.parametrize(
    ("score", "written"), [(None, None), (0.2, 1), (1.49, 1), (1.5, 2), (2.5, 3), (3.5, 4), (4.5, 5), (9, 5), (-9, 1)]
)
def test_scores_are_whole_and_within_the_scale(score: float | None, written: int | None) -> None:
    assert Mark(score, "x").data()["score"] == written


def test_a_score_without_evidence_is_none() -> None:
    assert Mark(4, "").data() == {"evidence": "", "score": None}
    assert Mark(None, "x").data() == {"evidence": "", "score": None}
    assert Mark().moved(2) == Mark()


def test_what_has_no_mark_is_null() -> None:
    filled = json.loads(RequestedRubric().verdict("in_role", {"P": Mark(5, "x")}))
    assert [code for code in CODES if filled["scores"][code]["score"] is not None] == ["P"]
    assert list(filled["scores"]) == list(CODES)
