"""The queue of a model: the limit that a refusal names is read, kept, and costs few batches."""

from __future__ import annotations

import pytest

from pytest_batcheval import BatchClient, Request
from pytest_batcheval.backends.protocol import BatchError
from pytest_batcheval.engine.queue_limits import QueueLimits, is_queue_full, named_limit
from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer

OPENAI = "Enqueued token limit reached for gpt-6.1-terra in organization org-4x. Limit: 90,000 enqueued tokens. Please try again"


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        (OPENAI, 90_000),
        ("The enqueued token limit of 2000 tokens is exceeded", 2000),
        ("Queue limit: 1.350.000 tokens", 1_350_000),
        ("at most 90K enqueued tokens", 90_000),
        ("limit is 5M tokens for gpt-6-luna-2026-09-22", 5_000_000),
        ("enqueued tokens: maximum: 700", 700),
        ("Enqueued token limit reached for gpt-6.1-terra", None),
        ("0 tokens", None),
        ("", None),
    ],
)
def test_the_limit_that_a_refusal_names(message, limit):
    assert named_limit(message) == limit


@pytest.mark.parametrize(
    ("code", "message", "full"),
    [
        ("token_limit_exceeded", "", True),
        ("error", OPENAI, True),
        ("429", "Too many enqueued tokens", True),
        ("context_length_exceeded", "This model's maximum context length is 8192 tokens", False),
        ("rate_limit_exceeded", "Limit: 200 tokens per minute", False),
    ],
)
def test_which_errors_are_of_a_full_queue(code, message, full):
    assert is_queue_full(code, message) is full


def test_a_limit_that_nobody_names_is_sought_by_halves_and_one_that_does_not_hold_is_lowered():
    limits = QueueLimits({})
    assert not limits.refused("m", BatchError("token_limit_exceeded", "full"), 1000)
    assert limits.tokens == {"m": 500}
    assert limits.refused("m", BatchError("x", "Limit: 300 enqueued tokens"), 500)
    assert limits.tokens == {"m": 300}
    assert not limits.refused("m", BatchError("x", "Limit: 300 enqueued tokens"), 290)
    assert limits.tokens == {"m": 203}


@pytest.fixture
def limited(monkeypatch):
    """An account whose queue takes 2,000 tokens of the model."""
    keys = KeyRing.from_data(
        {"keys": [{"key": "k", "project": "p"}], "projects": {"p": {"enqueued_tokens": {"m": 2000}}}}
    )
    behaviour = Behaviour(models="any", validating_seconds=(1, 3), start_seconds=1, line_seconds=(0.1, 0.4))
    with SimulatorServer(keys=keys, behaviour=behaviour) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield server


def ask(count, first=0):
    words = "어젯밤에도 잠을 거의 못 잤습니다. " * 20
    bodies = (
        {"model": "m", "messages": [{"role": "user", "content": f"{n} {words[: 60 + 9 * n]}"}]}
        for n in range(first, first + count)
    )
    return [Request(body) for body in bodies]


@pytest.mark.sampled
def test_40_requests_under_a_limit_of_2000_tokens_take_few_batches(limited, tmp_path):
    with BatchClient(journal=tmp_path / "journal.sqlite") as client:
        run = client.run(ask(40))
    assert (len(run.answers), run.failed) == (40, ())
    assert set(limited.ledger.billed().values()) == {1}
    sizes = [answer.usage["prompt_tokens"] for answer in run.answers]
    demanded = -(-sum(sizes) // 2000)
    made = len(limited.ledger.intervals)
    print(f"{made} batches for {sum(sizes):,} tokens under 2,000 at once")
    assert demanded >= 3
    assert made <= 1.2 * demanded + 1, (made, demanded)  # and the one that was refused, which named the limit
    with BatchClient(journal=tmp_path / "journal.sqlite") as client:
        client.run(ask(30, first=40))
    again = len(limited.ledger.intervals) - made
    assert again <= 1.2 * -(-sum(sizes) // 2000) + 1
