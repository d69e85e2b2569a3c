"""What a run may spend: reserved before it is sent, settled at what was used."""

from __future__ import annotations

from decimal import Decimal

import pytest
from send_with import send_with

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.engine.budget import Budget, check_together
from pytest_batcheval.engine.estimate import plan, worst_case
from pytest_batcheval.engine.pricing import price
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import BudgetError, UnfinishedError, UsageError
from pytest_batcheval.wire.objects import Request

USAGE = {"prompt_tokens": 12, "completion_tokens": 34}


def ask(count, first=0):
    body = {"model": MODEL, "max_completion_tokens": 1000}
    return [
        Request(body | {"messages": [{"role": "user", "content": f"question {n}"}]})
        for n in range(first, first + count)
    ]


def worst(requests):
    return worst_case(plan(requests))


@pytest.fixture(autouse=True)
def usage(provider):
    provider.line_of = lambda key, run: (200, {"choices": [{"message": {"content": "fine"}}], "usage": USAGE})


@pytest.fixture
def go(provider, journal, clock):
    def run(requests, budget, name="run", **more):
        return send_with(requests, backend=provider, journal=journal, clock=clock, run=name, budget=budget, **more)

    return run


def spent(journal, provider, run="run"):
    return Budget(Decimal(1), journal.reader, (provider.origin,), run).spent()


def test_a_settled_batch_counts_what_its_answers_used(go, journal, provider):
    go(ask(3), Decimal(1))
    assert spent(journal, provider) == price(MODEL, 36, 102).usd
    (row,) = journal.reader.batches()
    assert (row.model, row.input_tokens, row.output_tokens) == (MODEL, 36, 102)


def test_a_batch_that_may_run_counts_at_its_worst_for_every_run(go, journal, provider):
    with pytest.raises(UnfinishedError):
        go(ask(3), Decimal(1), patience=0)
    for run in ("run", "another run"):
        assert spent(journal, provider, run) == worst(ask(3))


def test_nothing_of_a_wave_over_the_budget_is_sent_or_planned(go, journal, provider):
    enough_for_one = worst(ask(2)) * Decimal("1.5")
    with pytest.raises(UsageError, match="4 requests could cost"):
        go(ask(4), enough_for_one, limits=Limits(requests=2))
    assert journal.reader.batches() == []
    assert provider.ledger == {}


def test_what_is_left_is_what_earlier_waves_did_not_use(go, provider):
    budget = worst(ask(2)) + price(MODEL, 24, 68).usd
    go(ask(2), budget)
    go(ask(2, first=2), budget)
    with pytest.raises(UsageError, match="2 requests could cost"):
        go(ask(2, first=4), budget)
    go(ask(2, first=4), budget, name="another run")


def test_the_second_attempt_of_a_request_must_be_within_it_too(go, provider, journal):
    """The first attempt's answers are paid, what failed is to be sent again would exceed."""
    first = ask(4)
    failing = first[0].custom_id
    provider.line_of = lambda key, run: (
        (503, {}) if key == failing else (200, {"choices": [{"message": {"content": "fine"}}], "usage": expensive})
    )
    expensive = {"prompt_tokens": 0, "completion_tokens": 1400}
    with pytest.raises(UsageError, match="1 request could cost"):
        go(first, worst(first))
    assert len(journal.reader.answered([request.custom_id for request in first], provider.origin)) == 3


def test_a_void_batch_costs_nothing(go, journal, provider):
    provider.status_of = lambda number: "failed"
    provider._end = lambda data: data.update(status="failed", errors={"data": [{"code": "x", "message": "no"}]})
    with pytest.raises(Exception, match="refused"):
        go(ask(3), Decimal(1))
    assert spent(journal, provider) == 0


@pytest.mark.parametrize("body", [{"model": "unheard-of", "max_completion_tokens": 9}, {"model": MODEL}])
def test_a_sum_nobody_knows_is_over_any_budget(go, body):
    with pytest.raises(UsageError, match="has no known limit"):
        go([Request(body | {"messages": []})], Decimal(10**6))


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"input_tokens": 5, "output_tokens": 6}, (5, 6)),
        ({"prompt_tokens": 5, "total_tokens": 5}, (5, 0)),
        ({"prompt_tokens": "many", "completion_tokens": -3}, (0, 0)),
        ({"prompt_tokens": 2**80}, (0, 0)),
        (None, (0, 0)),
    ],
)
def test_tokens_are_counted_under_every_endpoints_names(go, provider, journal, usage, tokens):
    provider.line_of = lambda key, run: (200, {"choices": [{"message": {"content": "fine"}}], "usage": usage})
    go(ask(1), None)
    (row,) = journal.reader.batches()
    assert (row.input_tokens, row.output_tokens) == tokens


@pytest.mark.parametrize("elsewhere", ["https://elsewhere/v1", "https://memory.test/v1"], ids=["others", "same"])
def test_a_wave_for_two_backends_is_refused_whole(go, journal, provider, elsewhere):
    wave = [(provider.origin, ask(2)), (elsewhere, ask(2, first=2))]
    both = worst(ask(4))
    check_together(both, journal.reader, "run", wave)
    with pytest.raises(BudgetError, match="4 requests could cost"):
        check_together(both * Decimal("0.9"), journal.reader, "run", wave)


def test_what_an_open_batch_has_is_counted_once(go, journal, provider):
    with pytest.raises(UnfinishedError):
        go(ask(2), Decimal(1), patience=0)
    wave = [(provider.origin, ask(2)), ("https://elsewhere/v1", ask(2, first=2))]
    check_together(worst(ask(4)), journal.reader, "another run", wave)


def test_batches_of_a_run_count_whatever_their_origin(go, journal, provider):
    go(ask(3), Decimal(1))
    assert Budget(Decimal(1), journal.reader, ("https://elsewhere/v1",), "run").spent() == spent(journal, provider)
