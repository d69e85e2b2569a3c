"""`--batch-deadline` chooses batches, flex or individual calls by the journal's history, and tells the price of each."""

import json
from types import SimpleNamespace

import pytest

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.plugin.deadline import FEWEST, by_deadline
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.objects import Request

HOUR = 3600.0
SUITE = f"""
    def patient(question):
        return {{"model": "{MODEL}", "reasoning_effort": "none", "max_completion_tokens": 100,
                "messages": [{{"role": "user", "content": question.text}}]}}

    @pytest.mark.batch(prompt=patient)
    def test_one(question, answer):
        assert answer.text
"""


def batch(seconds, number=0):
    """A batch of ten requests that took so long."""
    times = json.dumps({"created_at": 0, "in_progress_at": seconds / 2, "completed_at": seconds})
    row = BatchRow("o", "s", CHAT, "i", 1, 1, 10, "f", id=number, state="settled", status="completed", model=MODEL)
    row.__dict__["times"] = times
    return row


def chosen(deadline, past=(), **more):
    """The way that is chosen for ten requests, and the lines."""
    body = {"model": MODEL, "max_completion_tokens": 10}
    asked = [Request(body | {"messages": [{"role": "user", "content": f"{n}"}]}) for n in range(10)]
    ahead = SimpleNamespace(fresh={one.custom_id: ("t", one) for one in asked}, later=[], waves=more.pop("waves", 1))
    reader = SimpleNamespace(batches=lambda origin: [batch(seconds) for seconds in past], runs=list)
    names = Settings.__dataclass_fields__
    given = {
        "backend": "openai",
        "backends": {},
        "given_backends": frozenset(),
        "calls": "batch",
        "deadline": deadline,
        "wait": None,
    } | more
    settings = Settings(**{name: given.get(name) for name in names})
    return by_deadline(settings, ahead, reader)


@pytest.mark.parametrize(
    ("deadline", "past", "way"),
    [
        (25 * HOUR, (), "batch"),
        (2 * HOUR, (), "flex"),
        (2 * HOUR, (HOUR,) * (FEWEST - 1), "flex"),
        (2 * HOUR, (HOUR,) * FEWEST, "batch"),
        (2 * HOUR, (HOUR,) * 9 + (3 * HOUR,), "batch"),
        (2 * HOUR, (HOUR,) * 8 + (3 * HOUR,) * 2, "flex"),
        (600.0, (HOUR,) * FEWEST, "individual"),
    ],
)
def test_the_cheapest_that_can_be_there_in_time(deadline, past, way):
    assert chosen(deadline, past)[0].calls == way


def test_a_deadline_is_for_all_waves_together():
    past = (HOUR,) * FEWEST
    assert chosen(2.5 * HOUR, past, waves=2)[0].calls == "batch"
    settings, lines = chosen(1.5 * HOUR, past, waves=2)
    assert settings.calls == "flex"
    assert "in 2 waves" in lines[0]


def test_the_price_of_each_is_told_and_why():
    settings, lines = chosen(2 * HOUR, (HOUR,) * 9 + (3 * HOUR,))
    assert lines[0] == "answers are wanted within 2h 00m; the ways to send, the cheapest first:"
    prices = [line.partition(": ")[2].partition(", ")[0] for line in lines[1:4]]
    assert prices[0] == prices[1] != prices[2]
    assert lines[1].endswith("9 of 10 similar ones ended by then")
    assert lines[-1] == "chosen: batches"
    assert settings.wait == 2 * HOUR


def test_a_wait_of_the_users_own_stays():
    assert chosen(2 * HOUR, wait=60.0)[0].wait == 60.0


@pytest.mark.parametrize(
    ("backend", "deadline", "way"),
    [("groq", 2 * HOUR, "individual"), ("anthropic", 2 * HOUR, "individual"), ("folder:x", 60.0, "batch")],
)
def test_a_provider_without_flex_has_the_other_two_and_a_folder_only_one(backend, deadline, way):
    settings, lines = chosen(deadline, backend=backend)
    assert settings.calls == way
    assert ("chosen: batches, though they may be late" in lines) == (way == "batch")


def test_without_a_deadline_nothing_is_chosen():
    assert chosen(None)[1] == []


def test_plan_and_run_choose_alike(suite):
    suite.test_file(SUITE)
    option = ("--batch-backend=simulator", "--batch-deadline=2h")
    suite.run("--batch=plan", *option).stdout.fnmatch_lines(["chosen: flex calls", "2 individual calls to send:"])
    run = suite.run("--batch=send", *option)
    run.assert_outcomes(passed=2)
    run.stdout.fnmatch_lines(["batch: chosen: flex calls", "batch: calls: 2/2 answered*"])


def test_a_deadline_that_is_none_is_refused(suite):
    suite.test_file(SUITE)
    run = suite.run("--batch-deadline=soon")
    assert run.ret == 4
    run.stderr.fnmatch_lines(["*batch_deadline = *soon*"])
