"""A provider in memory and a clock that jumps, for driving the engine through hours at once."""

from __future__ import annotations

import functools
import json
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_batcheval.backends.errors import ProviderFailure, Refused, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import RemoteBatch, RemoteFile
from pytest_batcheval.backends.reply_readers import read_batch
from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request


class Jumping:
    """A clock that has always slept already."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += seconds


def alone(method):
    """One call at a time: the driver calls from several threads."""

    @functools.wraps(method)
    def guarded(self, *args):
        with self.guard:
            return method(self, *args)

    return guarded


class MemoryProvider:
    """The Batch API in memory: batches end after `takes` seconds, lines end as `line_of` says.

    The first `slow_files` looks find a file still worked on. `ledger` counts how often each request was run, `paid` how often it was answered.
    """

    origin = "https://memory.test/v1"
    capabilities = PROVIDERS["openai"]
    base_url = "https://memory.test/v1"
    scope = "scope"

    def __init__(self, clock: Jumping) -> None:
        self.clock = clock
        self.guard = threading.RLock()
        self.ledger: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.batches: dict[str, dict[str, object]] = {}
        self.takes = 3600.0
        self.status_of: Callable[[int], str] = lambda number: "completed"
        self.line_of: Callable[[str, int], tuple[int | None, dict[str, object]] | None] = lambda key, run: (
            200,
            answer(key),
        )
        self.fault: Callable[[str], ProviderFailure | None] = lambda call: None
        self.late: list[tuple[float, str, str, Mapping[str, str]]] = []
        self.list_lag = 0.0
        self.processing: dict[str, int] = {}
        self.slow_files = 0
        self.rivalled: Callable[[int], bool] = lambda number: False

    @alone
    def upload(self, path: Path, filename: str) -> RemoteFile:
        self._call("upload")
        file = self._store(path.read_bytes(), filename)
        self.processing[file.id] = self.slow_files
        return replace(file, status="pending" if self.slow_files else "processed")

    @alone
    def get_file(self, file_id: str) -> RemoteFile:
        """A file that is still worked on at the first `slow_files` looks."""
        self._call("get_file")
        self.processing[file_id] -= 1
        status = "pending" if self.processing[file_id] >= 0 else "processed"
        return RemoteFile(file_id, filename=self.names[file_id], status=status)

    @alone
    def find_file(self, filename: str) -> RemoteFile | None:
        self._call("find_file")
        names = ((i, n) for i, n in self.names.items() if i in self.files)
        return next((RemoteFile(i, len(self.files[i]), n) for i, n in names if n == filename), None)

    @alone
    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        self.calls["create"] += 1
        fault = self.fault("create")
        if isinstance(fault, (Refused, TransientFailure)):
            raise fault
        if isinstance(fault, UnknownOutcome) and fault.cause == "never":
            raise fault
        if isinstance(fault, UnknownOutcome) and fault.cause == "late":
            self.late.append((self.clock.time + float(fault.message), file_id, endpoint, metadata))
            raise fault
        if self.rivalled(self.calls["create"]):
            self.rival(file_id, endpoint, metadata)
        batch = self._apply(file_id, endpoint, metadata, self.clock.time)
        if fault is not None:
            raise fault
        return batch

    @alone
    def list_batches(self, enough=()) -> list[RemoteBatch]:
        self._call("list")
        visible = [i for i, data in self.batches.items() if data["created_at"] + self.list_lag <= self.clock.time]
        return [self._look(batch_id) for batch_id in visible]

    @alone
    def retrieve(self, batch_id: str) -> RemoteBatch:
        self._call("retrieve")
        if batch_id not in self.batches:
            raise Refused("not_found", "no such batch", 404)
        return self._look(batch_id)

    @alone
    def download(self, file_id: str, target: Path) -> None:
        self._call("content")
        if file_id not in self.files:
            raise Refused("not_found", "no such file", 404)
        target.write_bytes(self.files[file_id])

    @alone
    def delete_file(self, file_id: str) -> None:
        self._call("delete")
        if self.files.pop(file_id, None) is None:
            raise Refused("not_found", "no such file", 404)

    @alone
    def cancel(self, batch_id: str) -> RemoteBatch:
        """Nothing of a batch that is cancelled in time has run."""
        self._call("cancel")
        if self._look(batch_id).terminal:
            raise Refused("conflict", "it has ended", 409)
        self.batches[batch_id] |= {"status": "cancelled", "request_counts": {"completed": 0, "failed": 0}}
        return self._look(batch_id)

    def close(self) -> None:
        pass

    def rival(self, file_id: str, endpoint: str, metadata: Mapping[str, str]) -> None:
        """Another machine was a little faster with the same requests."""
        copy = self._store(self.files[file_id], "batcheval-of-another-machine.jsonl")
        self._apply(copy.id, endpoint, metadata, self.clock.time - 1)

    def settle_down(self) -> None:
        """Let everything that is still under way arrive and end."""
        self.fault = lambda call: None
        for _ in range(2):
            self.clock.sleep(100_000)
            self.list_batches()

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        for moment in [late for late in self.late if late[0] <= self.clock.time]:
            self.late.remove(moment)
            self._apply(moment[1], moment[2], moment[3], moment[0])
        fault = self.fault(name)
        if fault is not None:
            raise fault

    def _store(self, data: bytes, name: str) -> RemoteFile:
        file_id = f"file-{len(self.names)}"
        self.files[file_id], self.names[file_id] = data, name
        return RemoteFile(file_id, len(data), name)

    def _apply(self, file_id: str, endpoint: str, metadata: Mapping[str, str], at: float) -> RemoteBatch:
        batch_id = f"batch_{len(self.batches)}"
        self.batches[batch_id] = {
            "id": batch_id,
            "status": "validating",
            "input_file_id": file_id,
            "metadata": dict(metadata),
            "created_at": at,
        }
        self._validate(self.batches[batch_id])
        return self._look(batch_id)

    def _look(self, batch_id: str) -> RemoteBatch:
        data = self.batches[batch_id]
        if data["status"] == "in_progress" and self.clock.time >= data["created_at"] + self.takes:
            self._end(data)
        found = read_batch(data)
        assert found is not None
        return found

    def _validate(self, data: dict[str, object]) -> None:
        if data["input_file_id"] in self.files:
            data |= {"status": "in_progress", "lines": self.files[data["input_file_id"]].splitlines()}
            return
        error = {"code": "invalid_request", "message": "Cannot find file", "param": "file_id"}
        data |= {"status": "failed", "errors": {"data": [error]}}

    def _end(self, data: dict[str, object]) -> None:
        """Run the lines: two out of three of a batch that does not complete."""
        status = self.status_of(len(self.batches))
        lines = [json.loads(line)["custom_id"] for line in data["lines"]]
        good, bad = [], []
        for key in lines if status == "completed" else lines[: len(lines) * 2 // 3]:
            self.ledger[key] += 1
            result = self.line_of(key, self.ledger[key])
            if result is not None:
                code, body = result
                self.paid[key] += code == 200
                line = {
                    "id": f"r-{key}",
                    "custom_id": key,
                    "response": None if code is None else {"status_code": code, "body": body},
                    "error": body if code is None else None,
                }
                (good if code == 200 else bad).append(json.dumps(line))
        data["status"] = status
        data["request_counts"] = {"completed": len(good), "failed": len(bad), "total": len(lines)}
        for name, found in (("output_file_id", good), ("error_file_id", bad)):
            data[name] = self._store("\n".join(found).encode(), name).id if found else ""


def answer(key: str) -> dict[str, object]:
    return {"object": "chat.completion", "choices": [{"message": {"content": f"to {key}"}, "finish_reason": "stop"}]}


@pytest.fixture
def clock() -> Jumping:
    return Jumping()


@pytest.fixture
def provider(clock: Jumping) -> MemoryProvider:
    return MemoryProvider(clock)


@pytest.fixture
def world() -> Callable[[], MemoryProvider]:
    """`world()`: another provider with a clock of its own."""
    return lambda: MemoryProvider(Jumping())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where the machine has one: a thousand journals are committed to in seconds."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with Journal.open(folder / "batcheval" / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def ask() -> Callable[..., list[Request]]:
    """`ask(3)`: three requests; `ask(3, model="x")` of another model."""

    def build(count: int, model: str = "gpt-6-luna") -> list[Request]:
        bodies = ({"model": model, "messages": [{"role": "user", "content": f"질문 {n}"}]} for n in range(count))
        return [Request(body) for body in bodies]

    return build


@pytest.fixture
def rng() -> Callable[[int], random.Random]:
    return random.Random
