"""Random operations, valid and not, by two projects: what must hold of the server after each of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
KEYS = ("key-one", "key-two")
NEXT = {
    "validating": {"in_progress", "failed", "cancelling"},
    "in_progress": {"finalizing", "expired", "cancelling"},
    "finalizing": {"completed"},
    "cancelling": {"cancelled"},
    "completed": set(),
    "failed": set(),
    "expired": set(),
    "cancelled": set(),
}
"""The status graph."""

TERMINAL = {status for status, following in NEXT.items() if not following}
GOOD, BAD_PARAMETER, NO_JSON, NO_MODEL = "good", "bad parameter", "no json", "no model"


def reachable(start: str) -> set[str]:
    """Every status that can follow, at once or later."""
    found, todo = {start}, [start]
    while todo:
        todo += [status for status in NEXT[todo.pop()] if status not in found]
        found.update(todo)
    return found


@dataclass
class KnownBatch:
    """What the test knows of a batch: its lines' kinds by custom_id, and the last it saw."""

    lines: dict[str, str]
    last: dict[str, Any]


@dataclass
class Known:
    """What the test knows of a project."""

    api: Any
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    batches: dict[str, KnownBatch] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


class Operations(RuleBasedStateMachine):
    """The operations of two clients."""

    def __init__(self, server: SimulatorServer, apis: Mapping[str, Any]) -> None:
        super().__init__()
        self.server = server
        self.apis = apis

    @initialize()
    def begin(self) -> None:
        self.server.reset()
        self.known = {key: Known(self.apis[key]) for key in KEYS}
        self.number = 0

    @rule(
        key=st.sampled_from(KEYS),
        kinds=st.lists(st.sampled_from([GOOD] * 6 + [BAD_PARAMETER, NO_JSON, NO_MODEL]), max_size=6),
    )
    def upload(self, key: str, kinds: list[str]) -> None:
        lines = {}
        for kind in kinds:
            self.number += 1
            lines[f"line-{self.number}"] = kind
        data = "\n".join(self._line(name, kind) for name, kind in lines.items()).encode()
        answer = self.known[key].api.send_file(data)
        if kinds and kinds[0] != NO_JSON:
            assert answer.status_code == 200
            self.known[key].files[answer.json()["id"]] = lines
        else:
            assert answer.status_code == 400

    @rule(key=st.sampled_from(KEYS), data=st.data())
    def create(self, key: str, data: st.DataObject) -> None:
        known = self.known[key]
        name = data.draw(st.sampled_from([*known.files, *known.gone, "file-of-nobody", *self._others(key, "files")]))
        batch = known.api.create(name, metadata={"number": str(self.number)})
        lines = known.files.get(name, {})
        known.batches[batch["id"]] = KnownBatch(dict(lines), batch)
        assert batch["status"] == "validating"

    @rule(
        key=st.sampled_from(KEYS),
        change=st.sampled_from([{"endpoint": "/v1/nothing"}, {"completion_window": "1h"}, {"metadata": {"a": 1}}]),
    )
    def create_wrongly(self, key: str, change: dict[str, Any]) -> None:
        asked = {"input_file_id": "file-abc", "endpoint": CHAT, "completion_window": "24h", **change}
        assert self.known[key].api.refused("POST", "/v1/batches", json=asked)[0] == 400

    @precondition(lambda self: any(known.batches for known in self.known.values()))
    @rule(data=st.data(), polls=st.integers(1, 5))
    def poll(self, data: st.DataObject, polls: int) -> None:
        known, name = self._some_batch(data)
        for _ in range(polls):
            self._see(known, known.api.retrieve({"id": name}))

    @precondition(lambda self: any(known.batches for known in self.known.values()))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        known, name = self._some_batch(data)
        answer = known.api.request("POST", f"/v1/batches/{name}/cancel")
        if answer.status_code == 200:
            assert answer.json()["status"] in ("cancelling", "cancelled")
            self._see(known, answer.json())
        else:
            assert answer.status_code == 409
            self._see(known, known.api.retrieve({"id": name}))
            assert known.batches[name].last["status"] in {"finalizing", *TERMINAL}

    @precondition(lambda self: any(known.files for known in self.known.values()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key in KEYS if self.known[key].files]))
        known = self.known[key]
        name = data.draw(st.sampled_from(list(known.files)))
        assert known.api.delete(f"/v1/files/{name}")["deleted"]
        del known.files[name]
        known.gone.append(name)

    @rule(key=st.sampled_from(KEYS), limit=st.integers(1, 3))
    def page_through(self, key: str, limit: int) -> None:
        known, seen, after = self.known[key], [], {}
        while True:
            page = known.api.get("/v1/batches", limit=limit, **after)
            for batch in page["data"]:
                seen.append(batch["id"])
                self._see(known, batch)
            if not page["has_more"]:
                break
            after = {"after": page["last_id"]}
        assert seen == list(reversed(known.batches))

    @rule(seconds=st.sampled_from([1, 60, 700, 86_400]))
    def wait(self, seconds: int) -> None:
        self.server.forward(seconds)

    @rule(key=st.sampled_from(KEYS), kind=st.sampled_from(["expire", "fail"]))
    def plan(self, key: str, kind: str) -> None:
        if kind == "expire":
            self.server.faults.expire_next_batch(after=1)
        else:
            self.server.faults.fail_lines("Question", times=1)

    @rule(key=st.sampled_from(KEYS))
    def look_at_what_belongs_to_others(self, key: str) -> None:
        api = self.known[key].api
        for kind in ("files", "batches"):
            for name in self._others(key, kind):
                assert api.request("GET", f"/v1/{kind}/{name}").status_code == 404
        assert {file["id"] for file in api.get("/v1/files", purpose="batch")["data"]} == set(self.known[key].files)

    @invariant()
    def nothing_broke(self) -> None:
        assert self.server.crashes == []

    @invariant()
    def the_ledger_is_what_the_batches_say(self) -> None:
        executed = Counter(execution.batch_id for execution in self.server.ledger.executions)
        pairs = Counter((execution.batch_id, execution.custom_id) for execution in self.server.ledger.executions)
        assert set(pairs.values()) <= {1}
        for known in getattr(self, "known", {}).values():
            for name, batch in known.batches.items():
                counts = batch.last["request_counts"]
                if batch.last["status"] in TERMINAL:
                    assert executed[name] == counts["completed"] + counts["failed"]
                assert executed[name] >= counts["completed"] + counts["failed"]

    def _line(self, name: str, kind: str) -> str:
        body: dict[str, Any] = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": f"Question {name}"}]}
        if kind == NO_JSON:
            return "{" + name
        if kind == BAD_PARAMETER:
            body["temperature"] = 5
        if kind == NO_MODEL:
            del body["model"]
        return json.dumps({"custom_id": name, "method": "POST", "url": CHAT, "body": body})

    def _others(self, key: str, kind: str) -> list[str]:
        return [name for other in KEYS if other != key for name in getattr(self.known[other], kind)]

    def _some_batch(self, data: st.DataObject) -> tuple[Known, str]:
        key = data.draw(st.sampled_from([key for key in KEYS if self.known[key].batches]))
        known = self.known[key]
        return known, data.draw(st.sampled_from(list(known.batches)))

    def _see(self, known: Known, batch: dict[str, Any]) -> None:
        """What must hold of a batch compared with the last time it was seen."""
        before = known.batches[batch["id"]]
        assert batch["status"] in reachable(before.last["status"])
        counts, last = batch["request_counts"], before.last["request_counts"]
        assert counts["completed"] + counts["failed"] <= counts["total"]
        if batch["status"] != "failed":
            assert counts["completed"] >= last["completed"]
        if before.last["status"] in TERMINAL:
            assert batch == before.last
        elif batch["status"] in TERMINAL:
            self._account(known, before.lines, batch)
        else:
            assert (batch["output_file_id"], batch["error_file_id"], batch["usage"]) == (None, None, None)
        before.last = batch

    def _account(self, known: Known, lines: dict[str, str], batch: dict[str, Any]) -> None:
        """An ended batch: its files hold each of its lines once, or nothing."""
        output, errors = known.api.results(batch)
        counts = batch["request_counts"]
        ran = [line for line in errors.values() if line["response"] is not None]
        assert (len(output), len(ran)) == (counts["completed"], counts["failed"])
        if batch["status"] == "failed":
            assert batch["errors"]["data"]
            assert output == errors == {}
        else:
            assert batch["errors"] is None
        if counts["total"]:
            assert {NO_JSON, NO_MODEL}.isdisjoint(lines.values())
            assert counts["total"] == len(lines)
            assert not set(output) & set(errors)
            assert set(output) | set(errors) == set(lines)
            assert {lines[name] for name in output} <= {GOOD}
        if batch["status"] == "completed":
            assert counts["completed"] + counts["failed"] == counts["total"] > 0


@pytest.mark.sampled
def test_what_must_hold_does(simulator: SimulatorServer, api_of: Any, proof: str) -> None:
    examples = {"quick": 40, "ci": 150, "full": 1_000}[proof]
    apis = {key: api_of(key) for key in KEYS}
    run_state_machine_as_test(
        lambda: Operations(simulator, apis),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
