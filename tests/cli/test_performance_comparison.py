"""`batcheval performance-comparison`: what is computed, and what a real run against the simulator shows."""

import contextlib
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.cli import performance_comparison as verb
from pytest_batcheval.engine.pricing import price
from pytest_batcheval.report.comparison import Measured, comparison_table, saved, speed_up, to_data
from pytest_batcheval.simulator.behaviour import Behaviour


def measured(way="calls", seconds=30.0, usd="0.02"):
    return Measured(way, 10, seconds, 10, 1, 400, 100, None if usd is None else Decimal(usd))


@pytest.mark.parametrize(
    ("seconds", "base", "times"), [(30.0, 60.0, 2.0), (60.0, 30.0, 0.5), (0.0, 30.0, None), (30.0, 0.0, None)]
)
def test_speed_up_is_the_time_of_the_base_over_its_own(seconds, base, times):
    assert speed_up(measured(seconds=seconds), measured(seconds=base)) == times


@pytest.mark.parametrize(
    ("usd", "base", "percent"),
    [
        ("0.01", "0.02", 50),
        ("0.02", "0.02", 0),
        ("0.03", "0.02", -50),
        (None, "1", None),
        ("1", None, None),
        ("0", "0", None),
    ],
)
def test_saved_is_the_share_of_the_base_that_is_not_paid(usd, base, percent):
    assert saved(measured(usd=usd), measured(usd=base)) == percent


def test_the_table_has_a_row_for_each_way():
    lines = comparison_table([measured(), measured("one batch", 120.0, "0.01"), measured("free", 0.0, None)], 120)
    assert [line.split() for line in lines[1:]] == [
        ["calls", "10", "30s", "1.00x", "10", "1", "500", "$0.0200", "0", "%"],
        ["one", "batch", "10", "2m", "00s", "0.25x", "10", "1", "500", "$0.0100", "50", "%"],
        ["free", "10", "0s", "unknown", "10", "1", "500", "unknown", "unknown"],
    ]
    assert len(set(map(len, lines))) == 1


def test_machines_get_the_same_numbers():
    data = to_data([measured(), measured("one batch", 120.0, "0.01")])
    assert data[1] == {
        "way": "one batch",
        "answers": 10,
        "seconds": 120.0,
        "calls": 10,
        "polls": 1,
        "input_tokens": 400,
        "output_tokens": 100,
        "usd": 0.01,
        "tokens": 500,
        "speed_up": 0.25,
        "saved_percent": 50.0,
    }


@pytest.fixture(scope="module")
def comparison():
    """The JSON of a whole run."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["performance-comparison", "--requests", "10", "60", "--batch-size", "25", "--json"]) == 0
    return json.loads(out.getvalue())


def ways(comparison, count):
    (run,) = [run for run in comparison["runs"] if run["requests"] == count]
    return {way["way"]: way for way in run["ways"]}


@pytest.mark.sampled
def test_the_same_requests_are_answered_every_way(comparison):
    assert (comparison["simulated"], comparison["model"], comparison["configured"]["call_seconds"]) == (
        True,
        "gpt-6-luna",
        3.0,
    )
    for count in (10, 60):
        found = ways(comparison, count)
        assert list(found) == ["calls, one by one", "calls, 8 to 64 at once", "one batch", "batches of 25"]
        assert {way["answers"] for way in found.values()} == {count}
        assert len({way["tokens"] for way in found.values()}) == 1


@pytest.mark.sampled
def test_calls_take_the_configured_seconds(comparison):
    assert ways(comparison, 10)["calls, one by one"]["seconds"] == 30
    assert ways(comparison, 10)["calls, 8 to 64 at once"]["seconds"] == 6
    assert ways(comparison, 60)["calls, one by one"]["seconds"] == 180
    assert ways(comparison, 60)["calls, 8 to 64 at once"]["seconds"] == 12  # 8 + 16 + 32 + 4


@pytest.mark.sampled
def test_a_batch_takes_its_configured_time_and_half_the_money(comparison):
    batch, single = ways(comparison, 60)["one batch"], ways(comparison, 60)["calls, one by one"]
    least = 5 + 60 + 60 * 2 + 2 + 60 * 0.1
    assert least <= batch["seconds"]
    assert batch["saved_percent"] == pytest.approx(50)
    assert batch["speed_up"] == pytest.approx(single["seconds"] / batch["seconds"])
    rate = price("gpt-6-luna", single["input_tokens"], single["output_tokens"], batch=False)
    assert single["usd"] == pytest.approx(float(rate.usd))


@pytest.mark.sampled
def test_calls_are_counted_apart_from_polls(comparison):
    found = ways(comparison, 60)
    assert found["calls, one by one"]["calls"] == found["calls, 8 to 64 at once"]["calls"] == 60
    # each batch: upload, create, the file
    assert (found["one batch"]["calls"], found["batches of 25"]["calls"]) == (3, 9)
    assert found["one batch"]["polls"] > found["calls, one by one"]["polls"]


@pytest.mark.sampled
def test_people_get_a_table_that_says_what_it_is(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # a worker of xdist has it
    assert main(["performance-comparison", "--requests", "2", "--call-seconds", "1.5", "--model", "nobody-knows"]) == 0
    out = capsys.readouterr().out
    assert "simulated, on a virtual clock; configured latencies: 1.5 s per call; a batch 5 to 57 s of validating" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("calls, one by one")]
    assert lines == [
        ["calls,", "one", "by", "one", "2", "3s", "1.00x", "2", "1", *lines[0][9:10], "unknown", "unknown"]
    ]


@pytest.mark.sampled
def test_the_page_shows_the_real_output(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # a worker of xdist has it
    page = (Path(__file__).parents[2] / "docs" / "individual-calls.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^batcheval (performance-comparison .*)$", page, re.MULTILINE)
    assert main(command.split()) == 0
    assert capsys.readouterr().out.endswith(shown)


def test_latencies_are_those_of_the_simulator():
    slow = Behaviour(models="any", call_seconds=20)
    found = verb.measure(verb.Way("calls", at_once=(2, 2)), verb.requests(4, "m"), slow)
    assert found.seconds == 40


@pytest.mark.parametrize(
    "arguments", [["--requests", "0"], ["--requests", "x"], ["--batch-size", "-1"], ["--requests", "50001"]]
)
def test_numbers_out_of_range_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["performance-comparison", *arguments])
    assert "from 1 to 50000" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-1", "600", "nan"])
def test_so_are_seconds(seconds, capsys):
    assert main(["performance-comparison", "--call-seconds", seconds]) == 4
    assert "must be at least 0 and below 600" in capsys.readouterr().err
