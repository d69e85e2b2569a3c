"""`.batcheval/errors.jsonl`: what every batch failed with, and nothing that must not be written."""

import json
import re
import stat
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.cli import main
from pytest_batcheval.client import BatchClient
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.errors import UnfinishedError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report import error_log
from pytest_batcheval.wire.objects import Request

DOCS = Path(__file__).parents[2] / "docs" / "running.md"
SCHEMA = json.loads(re.search(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1])
KEY = "canary.0f3d9b2e8a4c6150"
REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(4)]
KEYS = [request.custom_id for request in REQUESTS]
AT_MOST_TWO = 2


@pytest.fixture
def folder(tmp_path, monkeypatch, batch_server):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-canary-52a1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".batcheval"


def run(requests=REQUESTS, **options):
    with BatchClient(attempts=AT_MOST_TWO, **options) as client:
        return client.run(requests)


def events(folder, name="errors.jsonl"):
    found = [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    for event in found:
        jsonschema.validate(event, SCHEMA)
        assert datetime.fromisoformat(event["time"]).utcoffset().total_seconds() == 0
    return found


def outcomes(folder):
    return [(e["custom_id"], e["attempt"], e["status_code"], e["code"], e["done"]) for e in events(folder)]


def test_every_attempt_is_a_line_that_says_what_was_done(folder, batch_server):
    batch_server.faults.fail_lines("질문 0", status_code=400, code="invalid_value", times=9)
    batch_server.faults.fail_lines("질문 1", times=1)
    batch_server.faults.fail_lines("질문 2", times=9)
    run()
    assert sorted(outcomes(folder)) == sorted(
        [
            (KEYS[0], 1, 400, "invalid_value", "final"),
            (KEYS[1], 1, 500, "server_error", "sent again"),
            (KEYS[2], 1, 500, "server_error", "sent again"),
            (KEYS[2], 2, 500, "server_error", "left to the next run"),
        ]
    )
    reader = Journal.read(folder / "journal.sqlite")
    (sent,), batches = reader.runs(), {row.batch_id for row in reader.batches()}
    reader.close()
    assert {event["run"] for event in events(folder)} == {sent.id}
    assert {event["batch"] for event in events(folder)} == batches


def test_a_later_run_adds_only_what_it_has_met_itself(folder, batch_server):
    batch_server.faults.fail_lines("질문 2", times=3)
    run()
    before = (folder / "errors.jsonl").read_bytes()
    run()
    lines = (folder / "errors.jsonl").read_bytes()
    assert lines.startswith(before)
    assert [(attempt, done) for _, attempt, _, _, done in outcomes(folder)] == [
        (1, "sent again"),
        (2, "left to the next run"),
        (3, "sent again"),
    ]


def test_without_failures_there_is_no_log(folder):
    run()
    assert not (folder / "errors.jsonl").exists()


def test_no_key_and_no_answer_is_in_it(folder, batch_server):
    words = f"\x1b[2J no {KEY} of org-canary-52a1, sk-canary-7f3b9d2e8a4c6150 \u202e\u2028 {'long ' * 400}"
    batch_server.faults.fail_lines("질문 0", status_code=400, code=f"bad {KEY}", message=words, times=9)
    done = run()
    text = (folder / "errors.jsonl").read_text(encoding="utf-8")
    (event,) = events(folder)
    assert "canary" not in text
    assert not set("\x1b\u202e\u2028") & set(text)
    assert event["message"].startswith("\\x1b[2J no … of …, sk-… ")
    texts = [answer.text for answer in done.answers if answer.error is None]
    assert len(texts) == 3
    assert not any(answer in text for answer in texts)


def test_it_is_private(folder, batch_server):
    batch_server.faults.fail_lines("질문 0", status_code=400, times=9)
    run()
    assert stat.S_IMODE((folder / "errors.jsonl").stat().st_mode) == 0o600


def test_a_full_log_begins_anew(folder, batch_server, monkeypatch):
    batch_server.faults.fail_lines("질문", status_code=400, code="invalid_value", times=9)
    monkeypatch.setattr(error_log, "FULL", 740)
    monkeypatch.setattr(error_log, "CHUNK", 1)
    for request in REQUESTS[:3]:
        run([request])
    assert [event["custom_id"] for event in events(folder, "errors.1.jsonl")] == KEYS[:2]
    assert [event["custom_id"] for event in events(folder)] == KEYS[2:3]
    assert stat.S_IMODE((folder / "errors.1.jsonl").stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_stops_nothing(folder, batch_server):
    batch_server.faults.fail_lines("질문 0", status_code=400, times=9)
    (folder / "errors.jsonl").mkdir(parents=True)
    assert len(run().failed) == 1


def test_a_log_that_is_a_link_is_not_followed(folder, batch_server, tmp_path):
    batch_server.faults.fail_lines("질문 0", status_code=400, times=9)
    folder.mkdir()
    (folder / "errors.jsonl").symlink_to(tmp_path / "elsewhere")
    run()
    assert not (tmp_path / "elsewhere").exists()


def test_individual_calls_are_logged_without_a_batch(folder, batch_server):
    batch_server.faults.fail_lines("질문 0", status_code=400, code="invalid_value", times=9)
    run(individual=True)
    (event,) = events(folder)
    assert (event["batch"], event["custom_id"], event["status_code"]) == (None, KEYS[0], 400)


def test_a_batch_refused_as_a_whole_is_a_line(folder, batch_server):
    batch_server.faults.fail_next_batch("token_limit_exceeded", "Enqueued token limit reached.")
    run()
    (event,) = events(folder)
    assert (event["custom_id"], event["done"]) == (None, "not run")
    assert event["message"] == "Enqueued token limit reached."


def test_resume_logs_what_it_collects(folder, batch_server, capsys):
    batch_server.faults.fail_lines("질문 0", status_code=500, times=9)
    with (
        connect("openai") as connection,
        Journal.open(folder / "journal.sqlite") as journal,
        pytest.raises(UnfinishedError),
    ):
        send(
            REQUESTS, backend=connection.backend, journal=journal, clock=connection.clock, policy=SendPolicy(patience=0)
        )
    assert main(["resume"]) == 0
    assert outcomes(folder) == [(KEYS[0], 1, 500, "server_error", "left to the next run")]


@pytest.mark.sampled
def test_a_test_run_logs_into_its_own_folder(folder, batch_server, pytester, monkeypatch):
    batch_server.faults.fail_lines("nobody", status_code=400, code="invalid_value", times=9)
    pytester.makepyfile("""
        import pytest

        def ask(name):
            return {"model": "m", "messages": [{"role": "user", "content": name}]}

        @pytest.mark.parametrize("name", ["kim", "nobody"])
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): assert answer.text
    """)
    result = pytester.runpytest_subprocess("--batch=send", f"--batch-backend={batch_server.base_url}")
    result.assert_outcomes(passed=1, errors=1)
    (event,) = events(pytester.path / ".batcheval")
    assert (event["code"], event["done"]) == ("invalid_value", "final")
