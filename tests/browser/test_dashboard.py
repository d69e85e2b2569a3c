"""The live page in a browser: it moves while a run goes on, is usable by everybody, and asks no other host."""

import threading
from dataclasses import replace

import pytest
from chromium import PHONE
from dashboard_process import ask, serving

from pytest_batcheval.client import BatchClient
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer

SLOW = Behaviour(models="any", validating_seconds=(1, 2), start_seconds=1, line_seconds=(3, 4))
PAGES = ("", "runs", "trend")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".batcheval").mkdir()
    for number in range(12):
        figures = {"effect": 0.5, "interval": [0.4, 0.6], "n": 4, "p_value": None, "null": "none"}
        one = Outcome("t.py::test[김]", "t.py", "failed" if number > 6 else "passed", "아니요", 0.1,
                      results=[KeptResult("Diversity", "<Diversity 1>", "words", figures)])  # fmt: skip
        tests = [one, replace(one, test="t.py::test[이]", outcome="passed", results=())]
        path = tmp_path / ".batcheval" / "outcomes.sqlite"
        add_outcomes(path, f"run{number:02}", 1_795_000_000.0 + number, "replay", [], tests)
    return tmp_path


def until(chromium, condition):
    """Wait until a condition of the page holds, and return what it gave."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(chromium.driver, 60, 0.1).until(lambda _: condition())


def done(chromium):
    """The value of the bar; `None` while there is none."""
    return chromium.run("const bar = document.getElementById('progress'); return bar && bar.value")


@pytest.mark.sampled
def test_progress_moves_while_a_run_goes_on_and_ends(chromium, folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    journal = folder / ".batcheval" / "journal.sqlite"
    with SimulatorServer(clock="x10", behaviour=SLOW) as server, serving(folder) as address:
        chromium.open(address)
        assert "Nothing is being sent." in chromium.find("main").text

        def send():
            with BatchClient(server.base_url, journal=journal, progress=None) as client:
                client.run([ask(number) for number in range(20)])

        sender = threading.Thread(target=send)
        sender.start()
        first = until(chromium, lambda: done(chromium) or 0)
        assert until(chromium, lambda: (done(chromium) or 0) > first)
        assert "in_progress" in chromium.find("#now").text
        until(chromium, lambda: "Nothing is being sent." in chromium.find("#now").text)
        until(chromium, lambda: len(chromium.all("#answers tbody tr")) == 10)
        sender.join(60)
        assert "20 in 1 batch: 20 answered, 0 failed" in chromium.find("#run").text
        names = [picture.get_attribute("aria-label") for picture in chromium.all("#looks svg[role=img]")]
        assert names[0] == "error rate of the requests that have ended: 0.0% now, 0.0% at most"
        assert len(names) == 5
        assert chromium.console() == []
        assert {url.startswith(address) for url in chromium.hosts()} == {True}


@pytest.mark.sampled
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious_and_a_phone_scrolls_down_only(chromium, folder, axe, page, dark):
    with serving(folder) as address:
        chromium.open(f"{address}{page}", size=PHONE, dark=dark)
        assert chromium.run("return document.documentElement.scrollWidth <= innerWidth")
        chromium.run(axe)
        found = chromium.driver.execute_async_script("axe.run(document).then(arguments[0])")
        assert [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")] == []
        assert chromium.console() == []


@pytest.mark.sampled
def test_two_runs_are_chosen_by_keyboard_and_shown(chromium, folder):
    with serving(folder) as address:
        chromium.open(f"{address}runs")
        chromium.press_enter(chromium.find("form button"))
        until(chromium, lambda: "What changed since the run of" in chromium.find("main").text)
        assert "against=run10" in chromium.driver.current_url
        assert chromium.console() == []
