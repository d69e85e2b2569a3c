"""A batch that other tools made stands before a send that would pay for the same requests."""

import json
from dataclasses import replace

import pytest

from pytest_batcheval.backends.protocol import RemoteFile
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.objects import Request

REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(3)]


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


def lines(*requests):
    named = [{"custom_id": f"row-{n}", "url": CHAT, "method": "POST", "body": r.body} for n, r in enumerate(requests)]
    return "\n".join(map(json.dumps, named)).encode()


class Listed:
    """A provider whose list has one more batch than it made."""

    def __init__(self, provider, text, **fields):
        self.provider, self.text, self.downloads = provider, text, []
        found = provider._apply(provider._store(lines(*REQUESTS), "notebook.jsonl").id, CHAT, {}, provider.clock.time)
        self.stranger = replace(found, **{"endpoint": CHAT, "total": 3, "input_file_id": "file-x"} | fields)
        del provider.batches[found.id]

    def __getattr__(self, name):
        return getattr(self.provider, name)

    def list_batches(self, enough=()):
        return [*self.provider.list_batches(), self.stranger]

    def get_file(self, file_id):
        return RemoteFile(file_id, len(self.text))

    def download(self, file_id, target):
        if file_id != "file-x":
            return self.provider.download(file_id, target)
        self.downloads.append(file_id)
        return target.write_bytes(self.text)


def sending(listed, journal, clock, **policy):
    return send(REQUESTS, backend=listed, journal=journal, clock=clock, policy=SendPolicy(**policy))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (lines(*REQUESTS), {}),
        (lines(REQUESTS[1], Request({"model": "m", "messages": []})), {"total": 2}),
        (lines(*REQUESTS), {"total": 0, "status": "validating"}),
        (lines(*REQUESTS), {"status": "cancelled", "output_file_id": "file-y"}),
    ],
    ids=["equal", "one-of-two", "not-counted-yet", "ended-with-answers"],
)
def test_equal_bodies_stop_the_run_before_it_sends(provider, journal, clock, text, fields):
    listed = Listed(provider, text, **fields)
    with pytest.raises(UsageError, match=r"batcheval adopt batch_0 .*--batch-ignore-unmarked"):
        sending(listed, journal, clock)
    assert not provider.calls["upload"]
    assert not provider.calls["create"]
    assert sending(listed, journal, clock, ignore_unmarked=True).answered == 3


@pytest.mark.parametrize(
    ("text", "fields", "reads"),
    [
        (lines(*(Request({"model": "m", "messages": [{"n": n}]}) for n in range(3))), {}, 1),
        (b"", {}, 1),
        (lines(*REQUESTS), {"endpoint": ""}, 0),
        (lines(*REQUESTS), {"endpoint": "/v1/embeddings"}, 0),
        (lines(*REQUESTS), {"total": None}, 0),
        (lines(*REQUESTS), {"input_file_id": None}, 0),
        (lines(*REQUESTS), {"metadata": {"batcheval": "9;of a later release"}}, 0),
        (lines(*REQUESTS), {"status": "completed", "output_file_id": "file-y", "total": 4}, 0),
        (lines(*REQUESTS), {"status": "expired"}, 0),
        (lines(*REQUESTS) + b" " * 20_000_000, {"total": 9}, 0),
    ],
    ids=["other bodies", "empty", "no endpoint", "other endpoint", "no total", "no file", "ours", "ended", "no answer",
         "large"],
)  # fmt: skip
def test_a_stranger_never_blocks_and_is_read_only_where_the_list_says_so(provider, journal, clock, text, fields, reads):
    listed = Listed(provider, text, **fields)
    assert sending(listed, journal, clock).answered == 3
    assert len(listed.downloads) == reads


def test_one_that_looks_the_same_is_remarked(provider, journal, clock):
    text = lines(*(Request({"model": "m", "messages": [{"n": n}]}) for n in range(3)))
    (remark,) = sending(Listed(provider, text), journal, clock).remarks
    assert "as many lines as were to be sent, of the same model; none has an equal body" in remark


def test_a_round_and_a_refresh_ask_anew(provider, journal, clock):
    listed = Listed(provider, lines(*REQUESTS))
    assert sending(listed, journal, clock, round="2026-W48").answered == 3
    assert sending(listed, journal, clock, refresh=True).answered == 3
    assert not listed.downloads
