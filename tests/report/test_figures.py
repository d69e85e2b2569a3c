"""The figures of a journal: what each run asked, got, lost and paid."""

from dataclasses import replace
from decimal import Decimal

import pytest

from pytest_batcheval.client import BatchClient
from pytest_batcheval.engine.pricing import price
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.figures import Figures
from pytest_batcheval.wire.objects import Request

ORIGIN = "https://api.test/v1"
REQUESTS = [Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(6)]
KEYS = [request.custom_id for request in REQUESTS]


class Ledger:
    """Runs written as a send writes them."""

    def __init__(self, journal):
        self.journal = journal
        self.figures = Figures(journal.reader)

    def batch(self, run, requests, *results, attempt=1, state="settled", model="gpt-6-luna", **more):
        self.journal.add_run(run, more.get("origin", ORIGIN))
        row = BatchRow(more.pop("origin", ORIGIN), "s", requests[0].url, "i", attempt, 1, len(requests), "f", run=run,
                       model=model, **more)  # fmt: skip
        row = self.journal.plan(row, requests)
        ended = replace(row, state=state, batch_id=f"batch_{row.id}", status="completed")
        if state == "created":
            self.journal.commit(ended)
        else:
            self.journal.settle(ended, results)

    def run(self, name):
        (found,) = [run for run in self.figures.runs() if run.id == name]
        return found


def answered(*keys):
    return [AnswerRow(key, "line", b"{}", 1000, 500) for key in keys]


def failed(*keys, code="server_error", status=500, retryable=True):
    return [FailureRow(key, code, f"no answer to {key}", status, retryable) for key in keys]


@pytest.fixture
def ledger(tmp_path):
    with Journal.open(tmp_path / ".batcheval" / "journal.sqlite") as journal:
        yield Ledger(journal)


def test_a_run_counts_requests_once_however_often_they_are_sent(ledger):
    ledger.batch("run", REQUESTS, *answered(*KEYS[:4]), *failed(*KEYS[4:]))
    ledger.batch("run", REQUESTS[4:], *answered(KEYS[4]), *failed(KEYS[5]), attempt=2)
    run = ledger.run("run")
    assert (run.requests, run.answers, run.failed, run.waiting) == (6, 5, 1, 0)
    assert run.batches == {"settled": 2}
    assert run.state == "failed"
    assert [(batch.requests, batch.repeated, batch.answers, batch.failed) for batch in ledger.figures.batches()] == [
        (6, 0, 4, 0),
        (2, 2, 1, 1),
    ]


def test_what_a_later_run_answers_no_longer_fails(ledger):
    ledger.batch("first", REQUESTS, *answered(*KEYS[:5]), *failed(KEYS[5]))
    assert ledger.run("first").failed == 1
    ledger.batch("second", REQUESTS[5:], *answered(KEYS[5]), attempt=2)
    assert (ledger.run("first").requests, ledger.run("first").failed, ledger.run("second").requests) == (6, 0, 1)
    assert ledger.figures.errors() == []


def test_errors_are_grouped_by_cause_over_batches(ledger):
    refused = {"code": "invalid_value", "status": 400, "retryable": False}
    ledger.batch("one", REQUESTS[:3], *failed(KEYS[0]), *failed(KEYS[1], KEYS[2], **refused))
    ledger.batch("two", REQUESTS[3:], *answered(KEYS[3]), *failed(KEYS[4], KEYS[5], **refused))
    first, second = ledger.figures.errors()
    assert (first.code, first.status_code, first.count, first.retryable) == ("invalid_value", 400, 4, False)
    assert first.key in KEYS
    assert first.message == f"no answer to {first.key}"
    assert "change the prompt" in first.next_step
    assert (second.code, second.count, second.key) == ("server_error", 1, KEYS[0])
    assert "run the same command again" in second.next_step
    assert [error.count for error in ledger.figures.errors("two")] == [2]
    assert ledger.run("two").failures == tuple(ledger.figures.errors("two"))


@pytest.mark.parametrize(
    ("code", "status", "retryable", "words"),
    [
        ("lost", None, False, "--batch-pay-again"),
        ("model_not_found", 404, False, "--batch-refresh"),
        ("invalid_json_line", None, False, "change the prompt"),
        ("rate_limit_exceeded", 409, True, "run the same command again"),
    ],
)
def test_the_next_step_follows_from_the_cause(ledger, code, status, retryable, words):
    ledger.batch("run", REQUESTS[:1], *failed(KEYS[0], code=code, status=status, retryable=retryable))
    assert words in ledger.figures.errors()[0].next_step


def test_batches_are_priced_at_batch_rates_and_as_individual_calls(ledger):
    ledger.batch("run", REQUESTS[:2], *answered(*KEYS[:2]))
    run = ledger.run("run")
    assert (run.input_tokens, run.output_tokens) == (2000, 1000)
    assert run.batch_usd == price("gpt-6-luna", 2000, 1000).usd
    assert run.batch_usd_as_calls == price("gpt-6-luna", 2000, 1000, batch=False).usd == 2 * run.batch_usd
    assert run.paid_usd == run.batch_usd


def test_individual_calls_are_counted_apart(ledger):
    ledger.batch("run", REQUESTS[:2], *answered(*KEYS[:2]))
    ledger.batch("run", REQUESTS[2:3], *answered(KEYS[2]), calls="individual")
    run = ledger.run("run")
    assert (run.requests, run.calls, run.batches) == (3, 1, {"settled": 1})
    assert run.calls_usd == price("gpt-6-luna", 1000, 500, batch=False).usd
    assert run.paid_usd == run.batch_usd + run.calls_usd


@pytest.mark.parametrize("case", [{"model": "nobody-knows-it"}, {"state": "lost"}], ids=["model", "lost"])
def test_an_unknown_cost_is_no_number(ledger, case):
    ledger.batch("run", REQUESTS[:1], *answered(KEYS[0]))
    ledger.batch("run", REQUESTS[1:2], *answered(KEYS[1]), **case)
    assert ledger.run("run").batch_usd is None
    assert ledger.run("run").paid_usd is None


def test_a_simulator_is_paid_nothing(ledger):
    ledger.batch("run", REQUESTS[:1], *answered(KEYS[0]), origin="simulator:faithful@0")
    run = ledger.run("run")
    assert run.paid_usd == Decimal(0) < run.batch_usd


@pytest.mark.parametrize(
    ("state", "expected"), [("created", "open"), ("lost", "lost"), ("void", "refused"), ("settled", "done")]
)
def test_the_state_of_a_run_is_that_of_its_batches(ledger, state, expected):
    ledger.batch("run", REQUESTS, state=state)
    assert ledger.run("run").state == expected
    assert ledger.run("run").waiting == (len(REQUESTS) if expected == "open" else 0)


def test_a_run_that_had_nothing_to_send_is_empty(ledger):
    ledger.journal.add_run("run", ORIGIN)
    run = ledger.run("run")
    assert (run.state, run.requests, run.answers, run.paid_usd) == ("empty", 0, 0, Decimal(0))
    assert run.argv


def test_without_a_journal_there_are_no_figures_and_no_file(tmp_path):
    figures = Figures(Journal.read(tmp_path / "journal.sqlite"))
    assert (figures.runs(), figures.batches(), figures.errors()) == ([], [], [])
    assert list(tmp_path.iterdir()) == []


def test_figures_agree_with_the_ledger_of_the_server(tmp_path, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    batch_server.faults.fail_lines("질문 0", status_code=400, code="invalid_value", times=9)
    batch_server.faults.fail_lines("질문 1", status_code=500, code="server_error", times=1)
    path = tmp_path / "journal.sqlite"
    with BatchClient(batch_server.base_url, journal=path) as client:
        done = client.run(REQUESTS, batch_size=4)
        executed = client.run(REQUESTS)
    reader = Journal.read(path)
    runs = Figures(reader).runs()
    reader.close()
    assert [(run.requests, run.answers, run.failed) for run in runs] == [(6, 5, 1), (0, 0, 0)]
    usage = [answer.usage for answer in executed.answers if answer.error is None]
    assert runs[0].input_tokens == sum(tokens["prompt_tokens"] for tokens in usage)
    assert runs[0].answers == len(batch_server.ledger.billed()) == done.sent.answered
