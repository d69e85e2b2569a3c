"""The live page over HTTP: what it shows of a journal, of a run that is going on, and whom it answers."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from dashboard_process import HOSTILE, ask, serving

from pytest_batcheval.client import BatchClient
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import KeptResult, Outcome


def get(address, headers=(), method="GET"):
    """(status, headers, text) of a page."""
    request = urllib.request.Request(address, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.fixture
def journal(tmp_path):
    (tmp_path / ".batcheval").mkdir()
    return tmp_path / ".batcheval" / "journal.sqlite"


@pytest.fixture
def runs(journal):
    """Twenty runs of a test that fails in the newest ten, and whose measure falls then."""
    for number in range(20):
        late = number >= 10
        figures = {"effect": 0.3 if late else 0.8, "interval": [0.2, 0.9], "n": 4, "p_value": None, "null": HOSTILE}
        result = KeptResult("Diversity", "<Diversity 1>", HOSTILE, figures)
        cells = {f"key{number}": {"persona": "kim"}}
        one = Outcome("t.py::test[kim]", "t.py", "failed" if late else "passed", HOSTILE, 0.1, cells, [result])
        tests = [
            one,
            *(replace(one, test=f"t.py::test[{n}]", outcome="passed", cells={}, results=()) for n in range(3)),
        ]
        add_outcomes(
            journal.parent / "outcomes.sqlite", f"run{number:02}", 1_795_000_000.0 + number, "replay", [], tests
        )
    return journal


@pytest.mark.sampled
def test_pages_of_a_folder_without_anything(tmp_path):
    with serving(tmp_path) as address:
        status, _, now = get(address)
        assert status == 200
        assert "Nothing is being sent." in now
        assert "The journal has no run that sent something." in now
        assert "No run of tests is stored" in get(f"{address}runs")[2]
        assert "No run has this figure." in get(f"{address}trend")[2]
        assert not (tmp_path / ".batcheval").exists(), "it only reads"


def test_it_answers_this_machine_alone_and_reads_alone(tmp_path):
    with serving(tmp_path) as address:
        assert get(address, {"Host": "evil.example"})[0] == 421
        assert get(address, {"Host": "127.0.0.1.evil.example:80"})[0] == 421
        assert get(address.replace("127.0.0.1", "localhost"))[0] == 200
        for method in ("POST", "PUT", "DELETE"):
            assert get(address, method=method)[0] == 405
        _, headers, _ = get(address, {"Origin": "http://evil.example"})
        assert headers["access-control-allow-origin"] is None
        assert "default-src 'none'" in headers["content-security-policy"]
        assert get(f"{address}..%2f..%2fetc%2fpasswd")[0] == 404
        assert get(f"{address}report?run=nobody")[0] == 404


@pytest.mark.sampled
def test_runs_are_paged_and_lead_to_reports_and_two_beside_each_other(runs):
    with serving(runs.parent.parent) as address:
        listed = get(f"{address}runs")[2]
        assert re.findall(r"/report\?run=(run\d\d)", listed) == [f"run{number:02}" for number in range(19, -1, -1)]
        assert "page 1 of 1, 20 runs" in listed
        report = get(f"{address}report?run=run19")[2]
        assert "1 of 4 tests fails." in report
        both = get(f"{address}report?run=run10&against=run09")[2]
        assert "1 of 4 tests that both runs have fail now and did not then" in both
        assert "0.800" in both
        assert "<script>alert" not in both
        assert "\x1b" not in both


@pytest.mark.sampled
def test_in_another_language_no_english_is_left_but_names(runs):
    names = {"batcheval", "journal", "Pettitt", "Diversity", "replay", "test", "kim", "ensp"} | words_of(HOSTILE)
    with serving(runs.parent.parent, "--lang", "ko") as address:
        for page in ("", "runs", "trend", "report?run=run19&against=run01", "nothing"):
            text = get(f"{address}{page}")[2]
            assert '<html lang="ko">' in text
            seen = re.sub(r"<(script|style|code).*?</\1>|<[^>]+>|run\d\d", " ", text, flags=re.DOTALL)
            words = set(re.findall(r"(?<![\w/.:])[A-Za-z]{3,}(?![\w/.:])", seen))
            assert words <= names, page


def words_of(text):
    return set(re.findall("[A-Za-z]+", text))


@pytest.mark.sampled
def test_a_trend_has_intervals_and_marks_the_change(runs):
    with serving(runs.parent.parent) as address:
        failing = get(f"{address}trend")[2]
        assert "Runs at which the level changed are marked ▶: 1 " in failing
        assert failing.count("▶") == 3, "in the words, and in the picture as label and title"
        figures = re.findall(r'<option value="([^"]+)"', failing)
        assert figures == ["failing", "0:Diversity:t.py::test[kim]"]
        effect = get(f"{address}trend?figure=0:Diversity:t.py::test%5Bkim%5D")[2]
        assert "Diversity of t.py::test[kim]" in effect
        assert "0.2 to 0.9" in effect
        for unknown in ("nobody", "x:y:z", "9:Diversity:t"):
            assert "No run has this figure." in get(f"{address}trend?figure={unknown}")[2]


@pytest.mark.sampled
def test_events_bring_what_has_changed(journal, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with serving(journal.parent.parent) as address, urllib.request.urlopen(f"{address}events", timeout=20) as events:
        assert "no run that sent something" in next_event(events)["run"]
        with BatchClient(batch_server.base_url, journal=journal, progress=None) as client:
            client.run([ask(number) for number in range(3)])
        while "custom_id" not in (seen := next_event(events)).get("answers", ""):
            pass
        assert "&lt;script&gt;" in seen["answers"]
        assert "<script" not in seen["answers"]
        assert "\x1b" not in seen["answers"]


def next_event(events):
    """The data of the next event."""
    for line in events:
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise AssertionError("the stream has ended")


@pytest.mark.sampled
def test_a_journal_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / ".batcheval").mkdir()
    (tmp_path / ".batcheval" / "journal.sqlite").write_text("no database" * 1000)
    (tmp_path / ".batcheval" / "outcomes.sqlite").write_text("no database" * 1000)
    with serving(tmp_path) as address:
        assert 'role="alert"' in get(address)[2]
        status, _, text = get(f"{address}runs")
        assert status == 500
        assert "outcomes.sqlite cannot be read" in text


@pytest.mark.sampled
def test_a_port_that_is_taken_is_said(tmp_path):
    with serving(tmp_path) as address:
        port = address.rstrip("/").rpartition(":")[2]
        command = [sys.executable, "-m", "pytest_batcheval.cli", "dashboard", "--port", port]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=60)
        assert done.returncode == 4
        assert f"cannot listen on port {port}: Address already in use" in done.stderr
        assert "choose another with --port" in done.stderr
