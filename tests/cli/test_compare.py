"""`batcheval compare`: cost beside equivalence and gates, from recordings and the journal."""

import json
import re

import pytest

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.cli import main
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import Recordings
from pytest_batcheval.wire.objects import Request


def compared(capsys, *arguments):
    capsys.readouterr()
    status = main(["compare", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.sampled
def test_an_equally_good_cheaper_model_is_as_good(record, capsys):
    record("gpt-6.1-terra")
    record("gpt-6-luna", module="tests/test_b.py")
    assert main(["compare", "gpt-6.1-terra", "gpt-6-luna"]) == 0
    out = capsys.readouterr().out
    assert "equivalent: alignment/2 differs by " in out
    assert "gpt-6-luna is as good as gpt-6.1-terra within 0.15, at 10% of its cost" in out
    main(["compare", "gpt-6.1-terra", "gpt-6-luna", "--lang", "ko"])
    out = capsys.readouterr().out
    assert "gpt-6-luna: 0.15 이내의 차이로 gpt-6.1-terra만큼 좋습니다. 비용은 10%입니다" in out
    assert not {"answers", "tokens", "gate", "passed", "minus", "scores", "cell"} & set(re.findall("[a-z]+", out))
    status, found = compared(capsys, "gpt-6.1-terra", "gpt-6-luna")
    assert (status, found["as_good"]) == (0, True)
    assert [side["answers"] for side in found["models"]] == [275, 275]


@pytest.mark.sampled
def test_the_language_of_the_answers_may_be_named(record, capsys):
    record("gpt-6.1-terra")
    record("gpt-6-luna", module="tests/test_b.py")
    assert main(["compare", "gpt-6.1-terra", "gpt-6-luna", "--language", "en"]) == 1
    out = capsys.readouterr().out
    assert "gpt-6-luna is not shown to be as good as gpt-6.1-terra: it does not pass the gate" in out
    assert "FAIL form" in out


@pytest.mark.sampled
def test_tokens_and_cost_are_those_of_the_answers(record, folder, capsys):
    record("gpt-6.1-terra")
    record("gpt-6-luna", module="tests/test_b.py")
    usage = [
        line.answer(line.asked()).usage
        for line in Recordings(folder / "cassettes").lines()
        if line.asked().model == "gpt-6-luna"
    ]
    _, found = compared(capsys, "gpt-6.1-terra", "gpt-6-luna")
    side = found["models"][1]
    assert side["input_tokens"] == sum(each["prompt_tokens"] for each in usage)
    assert side["output_tokens"] == sum(each["completion_tokens"] for each in usage)
    # half of 0.10 and 0.50 US dollars a million
    expected = (side["input_tokens"] * 0.05 + side["output_tokens"] * 0.25) / 1e6
    assert float(side["batch_usd"]) == pytest.approx(expected)


@pytest.mark.sampled
def test_a_worse_model_is_not(record, capsys):
    record("gpt-6.1-terra")
    record("sim-noisy", module="tests/test_b.py")
    assert main(["compare", "gpt-6.1-terra", "sim-noisy"]) == 1
    out = capsys.readouterr().out
    assert "sim-noisy is not shown to be as good as gpt-6.1-terra: it does not pass the gate" in out
    assert "FAIL traits" in out


@pytest.mark.sampled
@pytest.mark.parametrize(("standard", "candidate"), [("gpt-6.1-terra", "sim-echo"), ("sim-flat", "sim-collapsed")])
def test_answers_that_show_nothing_are_not_compared(record, capsys, standard, candidate):
    """Nothing is never equivalent to something, nor two models to each other that both show nothing."""
    record(standard)
    record(candidate, module="tests/test_b.py")
    assert main(["compare", standard, candidate]) == 4
    assert "too few to compare by" in capsys.readouterr().err


@pytest.mark.sampled
def test_what_is_not_decided_is_not_as_good(record, capsys):
    record("gpt-6.1-terra")
    record("sim-noisy-0.1", module="tests/test_b.py")
    parts = [word for part in ("traits", "discriminant", "different") for word in ("--leave-out", part)]
    assert main(["compare", "gpt-6.1-terra", "sim-noisy-0.1", "--margin", "0.01", *parts]) == 1
    assert "it is worse" in capsys.readouterr().out


@pytest.mark.sampled
def test_answers_of_the_journal_count_for_the_cells_of_the_other_model(
    record, folder, batch_server, monkeypatch, capsys
):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    record("gpt-6.1-terra")
    asked = [line.asked() for line in Recordings(folder / "cassettes").lines()]
    twins = [Request({**request.body, "model": "gpt-6-luna"}) for request in asked]
    with connect("openai") as connection, Journal.open(folder / ".batcheval/journal.sqlite") as journal:
        send(twins, backend=connection.backend, journal=journal, clock=connection.clock)
    executed = len(batch_server.ledger.executions)
    status, found = compared(capsys, "gpt-6.1-terra", "gpt-6-luna")
    assert status == 0
    assert found["models"][1]["answers"] == 275
    assert len(batch_server.ledger.executions) == executed


@pytest.mark.sampled
def test_two_rounds_of_one_model_are_compared(record, folder, capsys):
    """The newer one is recorded; the answers of the older one are in the journal."""
    record("gpt-6.1-terra", round_name="2026-W48")
    requests = [line.asked() for line in Recordings(folder / "cassettes").lines()]
    with connect("simulator:blind") as connection, Journal.open(folder / ".batcheval" / "journal.sqlite") as journal:
        policy = SendPolicy(round="2026-W47")
        send(requests, backend=connection.backend, journal=journal, clock=connection.clock, policy=policy)
    twice = ("gpt-6.1-terra", "gpt-6.1-terra", "--round=2026-W48", "--round=2026-W47")
    assert main(["compare", *twice]) == 1
    assert (
        "gpt-6.1-terra of 2026-W47 is not shown to be as good as gpt-6.1-terra of 2026-W48" in capsys.readouterr().out
    )
    _, found = compared(capsys, *twice)
    assert [(side["round"], side["answers"]) for side in found["models"]] == [("2026-W48", 275), ("2026-W47", 275)]


@pytest.mark.sampled
def test_a_judge_scores_both(record, capsys):
    record("gpt-6.1-terra", judge="sim-judge")
    record("gpt-6-luna", module="tests/test_b.py", judge="sim-judge")
    status, found = compared(capsys, "gpt-6.1-terra", "gpt-6-luna", "--judge", "sim-judge")
    assert (status, found["scores"]) == (0, "judge sim-judge")
    assert found["models"][0]["answers"] == 275


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt-6.1-terra", "gpt-6.1-terra"], "name two different models, or two rounds"),
        (["gpt-6.1-terra", "gpt-6-luna", "--round=last week"], "a round is named by"),
        (
            ["gpt-6.1-terra", "unheard-of"],
            "no answers of unheard-of in the recordings or .batcheval/journal.sqlite; recorded models: gpt-6-luna, gpt-6.1-terra",
        ),
        (["gpt-6.1-terra", "gpt-6-luna", "--margin", "0"], "margin must be a positive number"),
        (["gpt-6.1-terra", "gpt-6-luna", "--leave-out", "colour"], "unknown part colour"),
    ],
)
def test_what_cannot_be_compared_is_refused(record, capsys, arguments, message):
    record("gpt-6.1-terra")
    record("gpt-6-luna", module="tests/test_b.py")
    assert main(["compare", *arguments]) == 4
    assert message in capsys.readouterr().err


def test_answers_without_scores_are_not_compared(record, capsys):
    record("sim-faithful")
    record("sim-flat", module="tests/test_b.py")
    assert main(["compare", "sim-faithful", "sim-flat"]) == 4
    assert "scores in 0 of 264 answers, less than 50%" in capsys.readouterr().err
