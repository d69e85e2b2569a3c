"""Every fault by name: the usual client fails on it, and ours pays once and loses nothing."""

import inspect

import openai
import pytest
from naive import Canceller, Naive, Resumer

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.errors import ProviderError, UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.faults.kinds import BATCHES, EXCHANGES, LINES
from pytest_batcheval.simulator.faults.plan import FaultPlan
from pytest_batcheval.wire.objects import Request

REQUESTS = [Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(6)]
KEYS = [request.custom_id for request in REQUESTS]
OTHER = Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": "다른 질문"}]})
OFTEN = 3
"""The SDK's tries of one call."""

PLANS = {
    "status": [{"fault": "status", "call": "files.create", "times": OFTEN}],
    "status_after": [{"fault": "status_after"}],
    "reset_before": [{"fault": "reset_before", "call": "batches.retrieve", "times": OFTEN}],
    "reset_after": [{"fault": "reset_after"}],
    "late": [{"fault": "late", "seconds": 100}],
    "delay": [{"fault": "delay", "call": "batches.create", "seconds": 200_000}, {"fault": "stuck", "times": 45}],
    "truncated": [{"fault": "truncated", "times": OFTEN}],
    "truncated_silently": [{"fault": "truncated_silently"}],
    "garbage": [{"fault": "garbage", "call": "batches.create"}],
    "drip": [{"fault": "drip", "pieces": 4, "pause": 0.3, "times": OFTEN}],
    "redirect": [{"fault": "redirect", "call": "batches.retrieve", "times": OFTEN}],
    "list_lag": [{"fault": "reset_after"}, {"fault": "list_lag", "seconds": 100, "times": 4}],
    "page_repeats": [{"fault": "reset_before", "call": "batches.create"}, {"fault": "page_repeats", "times": 60}],
    "file_not_found": [{"fault": "file_not_found"}],
    "batch_not_found": [{"fault": "batch_not_found"}],
    "wrong_counts": [{"fault": "wrong_counts", "times": 99}, {"fault": "missing_line"}],
    "status_backwards": [{"fault": "status_backwards", "probability": 0.9}],
    "unknown_status": [{"fault": "unknown_status", "nth": [2, 3]}],
    "stuck": [{"fault": "stuck", "times": 45}],
    "null_output": [{"fault": "null_output", "times": 6}],
    "empty_error_file": [{"fault": "empty_error_file", "times": 99}],
    "vanished": [{"fault": "vanished", "times": 99}],
    "expired_output": [{"fault": "expired_output"}],
    "cancel_refused": [{"fault": "cancel_refused", "times": OFTEN}],
    "kill_client": None,
    "kill_client_after": None,
    **{name: [{"fault": name}] for name in LINES},
}
CLIENTS = {"list_lag": Resumer, "page_repeats": Resumer, "cancel_refused": Canceller}
LOST = {"missing_line", "wrong_counts", "vanished", "expired_output", "broken_line"}
"""Where an answer is gone at the provider: ours reports it, and does not pay again by itself."""

HARMLESS_BUT = {
    "duplicate_line": "a client that counts lines",
    "conflicting_line": "a client that keeps the last line of a request",
    "foreign_line": "a client that takes every line for an answer of its own",
    "reordered_lines": "a client that reads answers by position",
    "giant_line": "a client that takes every line for an answer of its own",
}
"""Faults that the usual code survives by luck, and which client does not; see `_suffers`."""


def test_every_fault_has_a_plan_here():
    assert PLANS.keys() == EXCHANGES.keys() | LINES.keys()


@pytest.mark.sampled
@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if plan])
def test_the_usual_client_fails_on_it(simulator, name):
    if name == "page_repeats":
        Naive(simulator.base_url).run([OTHER.line()])  # an empty list has no page to repeat
    plan = simulator.misbehave(*PLANS[name])
    naive = CLIENTS.get(name, Naive)(simulator.base_url, timeout=0.2 if name == "drip" else 20).run(
        [request.line() for request in REQUESTS]
    )
    simulator.forward(3 * 86_400)
    assert plan.struck[name] > 0
    assert _suffers(name, naive, simulator), (naive.error, naive.answers)


def _suffers(name, naive, simulator):
    paid_twice = max(simulator.ledger.billed().values(), default=0) > 1
    if naive.error is not None or paid_twice or not naive.answers.keys() >= set(KEYS):
        return True
    if name not in HARMLESS_BUT:
        return False
    lines = _output_lines(simulator)
    if name == "reordered_lines":
        return [line["custom_id"] for line in lines] != KEYS
    if name == "conflicting_line":
        return len({line["response"]["request_id"] for line in lines}) > len({line["custom_id"] for line in lines})
    return len(lines) != len(KEYS)


def _output_lines(simulator):
    import json

    with openai.OpenAI(base_url=simulator.base_url, api_key="test-key") as client:
        batch = client.batches.list().data[0]
        return [json.loads(line) for line in client.files.content(batch.output_file_id).text.split("\n") if line]


@pytest.mark.sampled(30)
@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if plan and name != "cancel_refused"])
def test_ours_pays_once_and_loses_nothing(simulator, tmp_path, name):
    plan = simulator.misbehave(*PLANS[name])
    with (
        OpenAIBatch(simulator.base_url, "test-key") as backend,
        SimulatorClock(simulator.clock_address) as clock,
        Journal.open(tmp_path / "journal.sqlite") as journal,
    ):
        for _ in range(30):
            try:
                send(REQUESTS, backend=backend, journal=journal, clock=clock, policy=SendPolicy(attempts=3))
            except ProviderError:
                continue  # it says what stands in the way; the next run goes on
            break
        simulator.forward(3 * 86_400)
        answers = journal.reader.answers(REQUESTS, backend.origin)
        failures = journal.reader.failures(REQUESTS, backend.origin)
    if name not in ("list_lag", "page_repeats", "file_not_found"):  # a file that is ready is not asked for
        assert plan.struck[name] > 0
    most = {2} if name == "status_zero_line" else set()  # the provider lost an answer it had billed
    assert {1} <= set(simulator.ledger.billed().values()) <= {1} | most
    assert answers.keys() | failures.keys() == set(KEYS)
    assert name in LOST or not failures


def test_a_plan_strikes_as_often_as_it_says():
    plan = FaultPlan.of([{"fault": "status", "nth": [2, 4], "times": 2}])
    entry = plan.entries[0]
    dice = plan._dice
    assert [entry.strikes("files.list", dice) for _ in range(5)] == [False, True, False, True, False]
    seldom = FaultPlan.of([{"fault": "status", "probability": 0.3}], seed=1).entries[0]
    struck = [seldom.strikes("chat", dice) for _ in range(1000)]
    assert 240 < sum(struck) < 360


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"fault": "nonsense"}, r"\$.faults\[0\].fault breaks the rule enum"),
        ({"call": "files.create"}, r"\$.faults\[0\] breaks the rule required"),
        ({"fault": "late", "minutes": 1}, r"\$.faults\[0\] breaks the rule additionalProperties"),
        ({"fault": "expire_next_batch"}, r"expire_next_batch requires after"),
        ({"fault": "late", "share": 0.5}, r"late has no parameter share; it has: seconds"),
    ],
)
def test_a_wrong_plan_names_the_place(fault, message):
    with pytest.raises(UsageError, match=message):
        FaultPlan.of([fault])


def test_docs_list_every_fault_with_its_parameters():
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")
    functions = {name: fault.strike for name, fault in EXCHANGES.items()}
    functions |= {name: fault.spoil for name, fault in LINES.items()}
    functions |= {name: fault.happen for name, fault in BATCHES.items()}
    for name, fault in {**EXCHANGES, **LINES, **BATCHES}.items():
        function = functions[name]
        own = [p for p in inspect.signature(function).parameters if p not in ("exchange", "lines", "places", "dice")]
        row = next((line for line in page.splitlines() if line.startswith(f"| `{name}` |")), None)
        assert row is not None, name
        assert fault.kind.meaning in row, name
        assert all(f"`{parameter}`" in row for parameter in own), (name, own)


def test_faults_of_batches_are_planned_like_any_other(simulator, api):
    """The second batch expires, the third is refused, and one line fails twice: all from one list."""
    plan = simulator.misbehave(
        {"fault": "expire_next_batch", "nth": 2, "after": 3},
        {"fault": "fail_next_batch", "nth": 3, "code": "invalid_request", "message": "no", "line": 2},
        {"fault": "fail_lines", "match": "Question 0", "status_code": 503, "times": 2},
    )
    ended = [api.ended(api.batch(3)) for _ in range(3)]
    assert [batch["status"] for batch in ended] == ["completed", "expired", "failed"]
    assert ended[0]["request_counts"]["failed"] == 1
    assert ended[2]["errors"]["data"][0] == {"code": "invalid_request", "message": "no", "line": 2, "param": None}
    assert plan.struck == {"expire_next_batch": 1, "fail_next_batch": 1, "fail_lines": 2}


def test_a_plan_that_is_replaced_keeps_faults_that_were_added_one_by_one(simulator, api):
    simulator.faults.fail_lines("Question 1", times=1)
    simulator.misbehave({"fault": "status", "call": "models.list"})
    assert api.ended(api.batch(2))["request_counts"]["failed"] == 1
