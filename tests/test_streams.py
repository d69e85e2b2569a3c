"""A `BatchClient` holds no requests: they pass through it one by one, and answers are read as they are wanted."""

from __future__ import annotations

import itertools
import weakref

import pytest

from pytest_batcheval import Answers, BatchClient, Request
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.engine.spool import RequestSpool, Wanted
from pytest_batcheval.engine.worklist import Worklist
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings import answer_table
from pytest_batcheval.wire.available_memory import available_memory

COUNT = 1_200


class Stream:
    """A generator of requests that knows how many of them, and of those made of their lines, are alive."""

    def __init__(self, monkeypatch):
        self.alive = self.most = 0
        made = Request.__init__

        def init(request, *args, **given):
            made(request, *args, **given)
            self.alive += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(request, self._gone)

        monkeypatch.setattr(Request, "__init__", init)

    def _gone(self):
        self.alive -= 1

    def requests(self, count=COUNT):
        return (
            Request({"model": "m", "messages": [{"role": "user", "content": f"{n} of many"}]}) for n in range(count)
        )


@pytest.fixture
def client(monkeypatch, batch_server, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    with BatchClient(batch_server.base_url, journal=tmp_path / "journal.sqlite") as client:
        yield client


def test_a_generator_passes_through_and_no_request_is_held(client, monkeypatch):
    """A list of the requests, wherever it is kept, holds all of them."""
    stream = Stream(monkeypatch)
    run = client.run(stream.requests(), batch_size=500)
    assert (run.sent.sent, run.sent.batches, stream.most <= 10) == (COUNT, 3, True)


def test_answers_are_read_some_hundred_at_a_time(client, monkeypatch):
    stream = Stream(monkeypatch)
    run, stream.most = client.run(stream.requests(), batch_size=500), 0
    for number, answer in enumerate(run):
        assert answer.request.body["messages"][0]["content"] == f"{number} of many"
        del answer
    assert (number + 1, len(run), run.finished) == (COUNT, COUNT, True)
    assert stream.most <= 1_001  # two slices


def test_the_journal_is_not_asked_once_a_request(client, monkeypatch):
    """One more pass over the keys, or a query of each, shows here."""
    asked = []
    reader = client.open()._opened()[2].reader
    rows = reader._rows
    client.run(Stream(monkeypatch).requests(1))
    monkeypatch.setattr(reader, "_rows", lambda query, values: asked.append(query) or rows(query, values))
    client.run(Stream(monkeypatch).requests(), batch_size=1_000)
    by_key = [query for query in asked if "key IN (" in query]
    assert len(by_key) <= 4 * -(-COUNT // 500) + 1, len(by_key)


def test_a_run_is_read_by_id_and_again(client):
    requests = [Request({"model": "m", "input": str(n)}, "/v1/responses", given_id=f"row-{n}") for n in range(5)]
    run = client.run(iter([*requests, requests[0]]))
    assert run["row-3"].request == requests[3] == run[requests[3].custom_id].request
    assert [answer.request for answer in run] == [answer.request for answer in run] == [*requests, requests[0]]
    assert (len(run), len(run.answers), run.failed, run.pending) == (6, 6, (), ())
    with pytest.raises(KeyError):
        run["row-9"]


def test_a_spool_gives_back_what_it_took_across_its_file(tmp_path, monkeypatch):
    """Part of the lines is in the file, the rest still in memory."""
    monkeypatch.setattr("pytest_batcheval.engine.spool.KEPT", 1_000)
    given = [
        Request(
            {"model": "m", "n": n, "text": "한" * n, "x": 1.5}, "/v1/responses", sample=n % 3, given_id=f"{n}" * (n % 2)
        )
        for n in range(60)
    ]
    spool = RequestSpool(itertools.chain(given, given[:7]), tmp_path / "not" / "there" / "yet")
    assert [(r, r.body, r.sample, r.given_id) for r in spool] == [
        (r, r.body, r.sample, r.given_id) for r in [*given, *given[:7]]
    ]
    wanted = spool.wanted()
    assert (spool.count, len(wanted)) == (67, 60)
    assert [*wanted.keys()] == sorted(r.custom_id for r in given)
    some = wanted.choose(lambda items: items[::2])
    assert (len(some), some.held([*wanted.keys()])) == (30, {*some.keys()})
    assert {
        r.custom_id: wanted.line(i) for g in wanted.groups for i in wanted.items(g) for r in [wanted.request(i)]
    } == {r.custom_id: r.line() for r in given}
    assert [*tmp_path.iterdir()] == []


def test_a_request_over_the_limit_is_found_before_anything_is_planned(tmp_path):
    large = [Request({"model": "z", "input": "x" * size}) for size in (10, 2_000)]
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        worklist = Worklist(journal, "o", wanted := Wanted.of(large, tmp_path))
        with pytest.raises(UsageError, match="a batch file takes at most 1000"):
            next(worklist.portions(wanted, Limits(requests=1, bytes=1_000)))


def test_a_table_too_large_for_memory_is_refused_before_it_is_read(client, monkeypatch, tmp_path):
    client.run(Stream(monkeypatch).requests(3))
    assert len(Answers.from_journal(tmp_path / "journal.sqlite")) == 3
    monkeypatch.setattr(answer_table, "available_memory", lambda: 20_000)
    with pytest.raises(
        UsageError, match=r"a table of 3 answers takes about 21\.0 kB of memory, and 20\.0 kB is available"
    ):
        Answers.from_journal(tmp_path / "journal.sqlite")
    monkeypatch.setattr(answer_table, "available_memory", lambda: None)
    assert len(Answers.from_journal(tmp_path / "journal.sqlite")) == 3


def test_the_available_memory_is_that_of_the_system(tmp_path):
    assert available_memory(tmp_path / "none") is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  3 kB\n")
    assert available_memory(tmp_path / "meminfo") == 3072
