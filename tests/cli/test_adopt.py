"""`batcheval adopt`: a batch that a notebook made with the SDK, taken over without paying for it again."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import openai
import pytest

from pytest_batcheval import Request
from pytest_batcheval.cli import main
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.endpoints import CHAT

LINES = 30
JOURNAL = Path(".batcheval/journal.sqlite")


def body(text):
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


REQUESTS = [Request(body(f"질문 {n}")) for n in range(LINES)]


@pytest.fixture
def folder(tmp_path, monkeypatch, batch_server):
    """An empty working folder, with a key and a base URL in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    return tmp_path


@pytest.fixture
def sdk(folder, batch_server):
    with openai.OpenAI() as client:
        yield client


def line(custom_id, content, url=CHAT):
    """As a notebook writes it: members in another order, spaces, its own ids."""
    return json.dumps({"body": content, "url": url, "method": "POST", "custom_id": custom_id}, indent=None)


def rows(start=0, end=LINES):
    return [
        line(f"row-{n}", {"messages": [{"content": f"질문 {n}", "role": "user"}], "model": "m"})
        for n in range(start, end)
    ]


def make(sdk, lines, endpoint=CHAT):
    stored = sdk.files.create(file=("notebook.jsonl", "\n".join(lines).encode()), purpose="batch")
    return sdk.batches.create(input_file_id=stored.id, endpoint=endpoint, completion_window="24h")


def answered():
    with closing(Journal.read(JOURNAL)) as reader:
        return reader.answers(REQUESTS, "simulator:faithful@0")


def tables(*names):
    with closing(sqlite3.connect(JOURNAL)) as connection:
        return [connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names]


def test_an_ended_batch_gives_its_answers_under_our_keys(folder, sdk, batch_server, capsys):
    batch = make(sdk, rows())
    batch_server.forward(24 * 3600)
    assert main(["adopt", batch.id]) == 0
    out = capsys.readouterr().out
    assert f"{batch.id}: 30 requests adopted, {CHAT}, origin simulator:faithful@0" in out
    assert "30 requests answered, 0 failed; nothing was sent" in out
    found = answered()
    assert found.keys() == {request.custom_id for request in REQUESTS}
    by_name = {
        json.loads(text)["custom_id"]: json.loads(text)["response"]["body"]
        for text in sdk.files.content(sdk.batches.retrieve(batch.id).output_file_id).text.splitlines()
    }
    for number, request in enumerate(REQUESTS):
        assert found[request.custom_id].body == by_name[f"row-{number}"]
    assert main(["verify"]) == 0


def test_a_second_adopt_changes_nothing(folder, sdk, batch_server, capsys):
    batch = make(sdk, rows())
    assert main(["adopt", batch.id]) == 0
    before = tables("answer", "claim", "alias", "batch")
    capsys.readouterr()
    assert main(["adopt", batch.id, batch.id]) == 0
    assert f"{batch.id} is in the journal already (settled, 30 requests, 30 answered)" in capsys.readouterr().out
    assert tables("answer", "claim", "alias", "batch") == before


def test_a_running_one_is_taken_and_left_and_resume_collects_it(folder, sdk, batch_server, capsys):
    batch_server.faults.hold_batches()
    batch = make(sdk, rows())
    assert main(["adopt", batch.id, "--wait=0"]) == 10
    with closing(Journal.read(JOURNAL)) as reader:
        assert reader.claimed("simulator:faithful@0") == {request.custom_id for request in REQUESTS}
    assert main(["adopt", batch.id, "--wait=0"]) == 10
    assert "is in the journal already (created" in capsys.readouterr().out
    batch_server.faults.release()
    assert main(["resume"]) == 0
    assert len(answered()) == LINES


def test_equal_bodies_are_samples(folder, sdk, batch_server):
    batch = make(sdk, [line(f"again-{n}", body("같은 질문")) for n in range(3)])
    assert main(["adopt", batch.id]) == 0
    keys = {Request(body("같은 질문"), sample=n).custom_id for n in range(3)}
    with closing(Journal.read(JOURNAL)) as reader:
        assert reader.answered(list(keys), "simulator:faithful@0") == keys
        assert [(alias.custom_id, alias.line) for alias in reader.aliases(1)] == [
            ("again-0", 1),
            ("again-1", 2),
            ("again-2", 3),
        ]


def test_of_an_expired_batch_only_what_it_has_not_done_is_left(folder, sdk, batch_server, capsys):
    batch_server.faults.expire_next_batch(after=18)
    batch = make(sdk, rows())
    assert main(["adopt", batch.id]) == 0
    assert "18 requests answered, 12 failed" in capsys.readouterr().out
    with closing(Journal.read(JOURNAL)) as reader:
        failures = reader.failures(REQUESTS, "simulator:faithful@0")
    assert len(failures) == 12
    assert {failure.retryable for failure in failures.values()} == {True}


def test_a_second_batch_of_the_same_requests_keeps_both_answers(folder, sdk, batch_server, capsys):
    """The younger one of the notebook's is not cancelled, and its answers count."""
    first, second = make(sdk, rows()), make(sdk, rows(20))
    assert main(["adopt", first.id, second.id]) == 0
    assert "10 of them were in a batch of this journal before" in capsys.readouterr().out
    (found,) = tables("answer")
    assert len(found) == 40
    assert sdk.batches.retrieve(second.id).status == "completed"
    assert main(["verify"]) == 0


def test_two_batches_of_one_input_file_are_both_kept(folder, sdk, batch_server):
    batch_server.faults.hold_batches()
    first = make(sdk, rows())
    batch_server.forward(5)
    second = sdk.batches.create(input_file_id=first.input_file_id, endpoint=CHAT, completion_window="24h")
    assert main(["adopt", first.id, "--wait=300"]) == 10
    assert sdk.batches.retrieve(second.id).status == "in_progress"


def test_one_of_ours_is_adopted_as_always(folder, sdk, batch_server, capsys):
    from pytest_batcheval import BatchClient

    with BatchClient(journal=folder / "other.sqlite") as client:
        client.run(REQUESTS[:5])
    ours = sdk.batches.list().data[0]
    assert main(["adopt", ours.id]) == 0
    assert "5 requests answered, 0 failed; nothing was sent" in capsys.readouterr().out
    assert len(answered()) == 5
    assert tables("alias") == [[]]


def test_lines_that_cannot_be_read_are_named_and_the_others_adopted():
    from pytest_batcheval.wire.sent_lines import read_sent

    deep = "[" * 101 + "]" * 101
    text = "\n".join(
        [
            *rows(0, 3),
            '{"custom_id": "x", "body": ',
            '{"custom_id": "deep", "body": {"messages": ' + deep + "}}",
            line("twice", body("하나")),
            line("twice", body("둘")),
            line("row-0", {"messages": [{"content": "질문 0", "role": "user"}], "model": "m"}),
            line("far", body("셋"), "/v1/responses"),
            '{"custom_id": 7, "body": {"model": "m", "messages": []}}',
        ]
    )
    found = read_sent([text.encode()], CHAT)
    assert list(found.requests) == ["row-0", "row-1", "row-2", "7"]
    assert [bad.number for bad in found.bad] == [4, 5, 7, 9]
    assert found.requests["row-1"].key == REQUESTS[1].custom_id


@pytest.mark.parametrize("case", ["unknown", "gone", "refused"])
def test_what_cannot_be_adopted_is_said(folder, sdk, batch_server, capsys, case):
    if case == "unknown":
        batch_id, status, said = "batch_nobody", 11, "there is no batch batch_nobody to adopt"
    elif case == "gone":
        batch = make(sdk, rows(0, 3))
        batch_server.forward(24 * 3600)
        sdk.files.delete(batch.input_file_id)
        batch_id, status, said = batch.id, 11, "batcheval import results.jsonl --input INPUT"
    else:
        batch_server.faults.fail_next_batch("invalid_json_line", "line 1 is no JSON", line=1)
        batch = make(sdk, rows(0, 3))
        batch_server.forward(60)
        batch_id, status, said = batch.id, 4, "there is nothing to adopt (line 1 is no JSON"
    assert main(["adopt", batch_id]) == status
    assert said in capsys.readouterr().err
    assert not answered()


def test_the_others_are_adopted_beside_one_that_cannot_be(folder, sdk, batch_server, capsys):
    batch = make(sdk, rows(0, 3))
    assert main(["adopt", "batch_nobody", batch.id]) == 11
    assert len(answered()) == 3


KILLED = """
import os, signal, sys
from pytest_batcheval.cli import main
from pytest_batcheval.journal.store import Journal
name, when = sys.argv[2], int(sys.argv[3])
method = getattr(Journal, name)
def dying(self, *args, **kwargs):
    if when == 0: os.kill(os.getpid(), signal.SIGKILL)
    found = method(self, *args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Journal, name, dying)
main(["adopt", sys.argv[1]])
"""


@pytest.mark.sampled
@pytest.mark.parametrize("after", [1, 0])
@pytest.mark.parametrize("name", ["adopt", "commit", "settle"])
def test_killed_at_any_commit_it_loses_nothing(folder, sdk, batch_server, name, after):
    batch = make(sdk, rows())
    batch_server.forward(24 * 3600)
    ended = subprocess.run([sys.executable, "-c", KILLED, batch.id, name, str(after)], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert main(["adopt", batch.id]) == 0
    assert len(answered()) == LINES
    assert set(batch_server.ledger.billed().values()) == {1}
    assert main(["verify"]) == 0


def test_show_knows_the_users_id_and_its_own_sample(folder, sdk, capsys):
    batch = make(sdk, [line(f"row-{n}", body("같은 질문") | {"seed": 1}) for n in range(2)])
    assert main(["adopt", batch.id]) == 0
    capsys.readouterr()
    key = Request(body("같은 질문") | {"seed": 1}, sample=1).custom_id
    assert main(["show", "row-1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["custom_id"], found["aliases"], found["request"]["custom_id"]) == (key, ["row-1"], key)


@pytest.mark.sampled
@pytest.mark.parametrize(
    "damage", [["claim", "answer"], ["answer"], ["answer", "alias"], ["claim", "answer", "alias"], ["claim", "alias"]]
)
def test_recover_mends_a_journal_with_an_adopted_batch(folder, sdk, batch_server, damage):
    """Its claims are known a second time by its aliases; without these it is adopted again."""
    batch = make(sdk, rows())
    assert main(["adopt", batch.id]) == 0
    before = {key: answer.response for key, answer in answered().items()}
    with closing(sqlite3.connect(JOURNAL, isolation_level=None)) as connection:
        for table in damage:
            connection.execute(f"DELETE FROM {table} WHERE key IN (SELECT key FROM alias WHERE line < 9)")
    JOURNAL.write_bytes(b"x" * 100 + JOURNAL.read_bytes()[100:])
    assert main(["recover"]) == 0
    assert {key: answer.response for key, answer in answered().items()} == before
    assert main(["verify"]) == 0
    assert set(batch_server.ledger.billed().values()) == {1}
