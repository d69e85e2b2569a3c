"""Replies bent at random: whatever a provider says, nothing is billed twice unless it hid a batch and the user is told."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_batcheval.simulator.http_exchange import HttpReply

CALLS = (
    *("files.create", "files.retrieve", "files.list", "files.delete"),
    *("batches.create", "batches.retrieve", "batches.list", "batches.cancel"),
)
CONVERSATIONS = {"quick": 8, "ci": 150, "full": 10_000}
"""Bent conversations of each part, of which there are two."""

LONGEST = 52.0
"""Hours that a run may take: those for which a batch is waited for, and those of a search."""

TELLS = re.compile(
    r"paid twice|may have been paid|being paid|may be overlooked|not noticed|no other machine recognises"
)
"""What the run says where the provider hides what it has."""

NEXT = re.compile(r"run (?:the same command )?again|batcheval|--batch|batch_\w+|unpaid|a later run|check")
"""What every end names: a batch, a command, or that nothing was paid."""

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2**40)
    | st.floats()
    | st.sampled_from(
        [
            "",
            "x",
            "null",
            "completed",
            "failed",
            "expired",
            "cancelled",
            "in_progress",
            "SUCCEEDED",
            "error",
            "batch_1",
            "file-1",
        ]
    )
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.sampled_from("ab"), v, max_size=2), max_leaves=4
)
FIELDS = st.sampled_from(
    [
        *("id", "status", "input_file_id", "output_file_id", "error_file_id", "errors", "metadata", "request_counts"),
        *(
            "created_at",
            "completed_at",
            "endpoint",
            "object",
            "bytes",
            "filename",
            "data",
            "has_more",
            "last_id",
            "deleted",
        ),
    ]
)
CHANGES = st.one_of(
    st.tuples(st.just("set"), FIELDS, VALUES),
    st.tuples(st.just("drop"), FIELDS, st.none()),
    st.tuples(st.just("rename"), FIELDS, st.sampled_from(["x", "Id", "STATE", "outputFileId", "hasMore"])),
    st.tuples(st.just("body"), st.just(""), VALUES),
    st.tuples(
        st.just("status"),
        st.just(""),
        st.sampled_from([202, 204, 301, 400, 401, 403, 404, 405, 409, 422, 429, 500, 501, 503]),
    ),
    st.tuples(st.just("text"), st.just(""), st.sampled_from([b"", b"<html>", b"{", b"null", b"\xff", b"[]", b'"ok"'])),
)
BENDS = st.tuples(st.sampled_from(CALLS), st.integers(0, 3), st.integers(1, 40), CHANGES)
"""A call, the number of its replies that are right before, the number that are bent, and how."""


class Bent:
    """One bend of some replies to one call."""

    def __init__(self, call: str, first: int, times: int, change: tuple[str, str, Any]) -> None:
        self.call, self.right, self.left, self.change = call, first, times, change

    def __call__(self, made: str, reply: HttpReply, exchange: object) -> HttpReply | None:
        if made != self.call:
            return None
        if self.right or not self.left:
            self.right = max(self.right - 1, 0)
            return None
        self.left -= 1
        kind, name, value = self.change
        if kind == "status":
            return HttpReply(value, {"error": {"message": "bent", "code": "bent"}})
        if kind in ("text", "body"):
            return HttpReply(200, value)
        if isinstance(reply.body, dict):
            listed = reply.body.get("data") if made.endswith(".list") and name not in reply.body else None
            for item in listed if isinstance(listed, list) else [reply.body]:
                self._bend(item, kind, name, value)
        return None

    def _bend(self, item: Any, kind: str, name: str, value: Any) -> None:
        if not isinstance(item, dict):
            return
        if kind == "set":
            item[name] = value
        elif kind == "drop":
            item.pop(name, None)
        elif name in item:
            item[value] = item.pop(name)


@pytest.mark.parametrize("part", range(2))  # two workers share them
def test_whatever_a_provider_says_nothing_is_lost_and_nothing_paid_twice_in_silence(part, provider, ask, proof):
    requests = ask(3)

    @settings(
        max_examples=CONVERSATIONS[proof], derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(BENDS, min_size=1 + part, max_size=1 + 3 * part))
    def converse(bends):
        provider.server.reset()
        shutil.rmtree(provider.folder / "j", ignore_errors=True)
        first = provider.bend(*(Bent(*bend) for bend in bends)).send(requests)
        second = provider.bend().send(requests)
        said = f"{first.said}\n{second.said}"
        assert max(first.hours, second.hours) < LONGEST
        assert "unpaid" not in first.said or not first.billed, first.said
        assert second.twice == set() or TELLS.search(said), said
        assert first.error is None or NEXT.search(str(first.error)), first.error
        assert second.error is None or NEXT.search(str(second.error)), second.error
        answered = {key for key, answer in second.answers.items() if answer.error is None}
        thrown_away = second.billed.keys() - answered
        assert not thrown_away or TELLS.search(said + "".join(str(a.error) for a in second.answers.values())), said

    converse()
