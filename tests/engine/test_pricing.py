from __future__ import annotations

from decimal import Decimal

import pytest

from pytest_batcheval.engine.estimate import plan, total
from pytest_batcheval.engine.pricing import estimate_tokens, input_tokens, most_output_tokens, price
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.wire.objects import Request


def test_korean_takes_more_tokens_a_character_than_english():
    assert estimate_tokens("가" * 100) == 61
    assert estimate_tokens("a" * 100) == 23
    assert estimate_tokens("") == 0


def test_all_texts_of_a_body_count():
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 1000}]}]}
    assert 230 <= input_tokens(body) <= 240
    assert input_tokens({"input": "x" * 1000, "instructions": "y" * 1000}) >= 460
    parts = {"parts": [{"text": "x" * 1000}]}
    assert 460 <= input_tokens({"contents": [parts], "systemInstruction": parts}) <= 470


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5, "n": 3}, 15),
        ({"max_output_tokens": 7}, 7),
        ({"generationConfig": {"maxOutputTokens": 7, "candidateCount": 2}}, 14),
    ],
)
def test_the_worst_case_of_an_answer_is_what_the_body_allows(body, most):
    assert most_output_tokens(body) == most


def test_batches_cost_half_where_the_table_knows_it():
    batch, single = price("gpt-6-luna", 10**6, 10**6), price("gpt-6-luna", 10**6, 10**6, batch=False)
    assert batch.usd == single.usd / 2 == Decimal("0.3")
    assert batch.batch_rate
    assert not single.batch_rate


def calls(*tiers, batch=False, model="gpt-6-luna"):
    body = {"model": model, "input": "x" * 10**6, "max_output_tokens": 100_000}
    bodies = [{**body, **({"service_tier": tier} if tier else {})} for tier in tiers]
    (file,) = plan([Request(body, "/v1/responses") for body in bodies], batch=batch)
    return file.price and file.price.usd


def test_a_service_tier_of_individual_calls_has_its_own_price():
    usual = calls(None)
    assert calls("flex") == usual / 2
    assert calls("priority") == usual * 2
    assert calls("flex", None) == usual * Decimal("1.5")
    assert calls("auto") == calls("default") == usual


def test_a_tier_that_the_table_does_not_have_is_of_unknown_price():
    assert calls("nonsense") is None
    assert calls("flex", model="gpt-4.1-mini") is None
    assert calls("nonsense", None) is None


def test_in_a_batch_a_service_tier_costs_what_a_batch_costs():
    assert calls("flex", batch=True) == calls("priority", batch=True) == calls(None, batch=True) == calls(None) / 2


def test_a_missing_batch_rate_is_reported():
    assert not price("text-embedding-3-small", 10**6, 0).batch_rate


def test_an_unknown_model_has_no_price():
    assert price("nobody-knows-this-model", 1, 1) is None


def test_the_plan_is_file_by_file(ask):
    files = plan(ask(5) + ask(1, model="nobody-knows-this-model"), Limits(requests=2))
    assert [file.requests for file in files] == [2, 2, 1, 1]
    assert files[0].bytes == sum(len(r.line()) + 1 for r in sorted(ask(5), key=lambda r: r.custom_id)[:2])
    assert files[0].output_tokens is None
    assert total(files[:3]) > 0
    assert total(files) is None
