"""The server's state: projects with their files and batches, one clock, one ledger."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from array import array
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.simulator.api_keys import ApiKey, KeyRing
from pytest_batcheval.simulator.batch.form import BATCH, OPENAI_FORM, BatchForm
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.clock import VirtualClock
from pytest_batcheval.simulator.conduct.visits import Visits
from pytest_batcheval.simulator.ledger import Execution, Ledger
from pytest_batcheval.simulator.rate_limits import RateWindow
from pytest_batcheval.simulator.respondents.protocol import Respondent
from pytest_batcheval.simulator.store import Disk, Nowhere, Store

if TYPE_CHECKING:
    from pytest_batcheval.simulator.faults.plan import FaultPlan

FILE_LIFE = 2_592_000
"""Seconds until a batch file expires: 30 days, as observed on live objects."""

Check = Callable[[str, Any], None]


@dataclass
class StoredFile:
    """A file of a project, whose bytes are on disk."""

    id: str
    number: int
    bytes: int
    created_at: int
    filename: str
    purpose: str
    expires_at: int | None
    made_at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The API's File object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "expires_at": self.expires_at,
            "status_details": None,
        }


@dataclass
class LinePositions:
    """The positions of an input file's requests, in the order of their execution: 12 bytes per line."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass
class BatchProgress:
    """The progress of a batch, which `--state-dir` keeps in addition to its fields.

    Attributes:
        step: its next step; `due` is the time of that, in Unix seconds of virtual time.
        running_from, running_until: start of its first line and end of its last.
        last: the number of lines run before it expires; `None` for all.
        executed: lines that were run, in the order of `LinePositions`.
        output_bytes, error_bytes: lengths of the two result files so far.
        prompt_tokens: the tokens it has in its model's queue.
    """

    step: str = ""
    due: float | None = None
    running_from: float = 0.0
    running_until: float = 0.0
    last: int | None = None
    total: int = 0
    executed: int = 0
    completed: int = 0
    failed: int = 0
    output_bytes: int = 0
    error_bytes: int = 0
    prompt_tokens: int = 0
    model: str = ""
    snapshot: str | None = None
    output_life: int | None = None
    usage: dict[str, int] = field(default_factory=dict)


@dataclass
class StoredBatch:
    """A batch of a project: the API's Batch object as `fields`, and its progress."""

    fields: dict[str, Any]
    number: int
    progress: BatchProgress = field(default_factory=BatchProgress)
    made_at: float = 0.0
    lines: LinePositions | None = None
    working: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def id(self) -> str:
        """The batch's id."""
        return str(self.fields["id"])

    @property
    def status(self) -> str:
        """The batch's status."""
        return str(self.fields["status"])


@dataclass
class Project:
    """A project, visible to its own keys only; files and batches in the order of creation.

    Attributes:
        uploads: files whose bytes are still to come, in dialects that announce them, with the fields of their forms.
    """

    name: str
    files: dict[str, StoredFile] = field(default_factory=dict)
    batches: dict[str, StoredBatch] = field(default_factory=dict)
    by_idempotency_key: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, tuple[StoredFile, dict[str, str]]] = field(default_factory=dict)


class State:
    """Everything behind the HTTP surface. Used from the server's event loop only.

    Attributes:
        requests: number of requests since the last reset.
        crashes: unexpected errors: a 500 reply, a failed event.
        check: called with the name of a schema and each object that is sent; `None` for no check.
        interceptor: takes over every exchange with the API (see `exchange.Exchange`); `None` for none.
        rewrite: may change a result file, `output` or `error`, before it becomes visible; `None` for the faults.
        faults: the faults to inject.
        visits: the calls of the API.
        form: of the dialect's batches.
    """

    def __init__(
        self,
        respondent: Respondent,
        seed: int,
        clock: VirtualClock,
        *,
        behaviour: Behaviour,
        keys: KeyRing,
        faults: FaultPlan,
        state_dir: Path | None = None,
        check: Check | None = None,
        form: BatchForm = OPENAI_FORM,
    ) -> None:
        self.respondent = respondent
        self.seed = seed
        self.clock = clock
        self.behaviour = behaviour
        self.usual = behaviour
        self.keys = self._usual_keys = keys
        self.check = check
        self.form = form
        self.clock_address = ""
        self.interceptor: Callable[[Any], Awaitable[None]] | None = None
        self.rewrite: Callable[[str, Path], None] | None = None
        self.ledger = Ledger()
        self.visits = Visits()
        self.faults = faults
        self.crashes: list[BaseException] = []
        self.clock.failed = self.crashes.append
        self.clock.holds = lambda: self.faults.held
        self.store: Store = Disk(state_dir) if state_dir else Nowhere()
        self._root = state_dir
        self._generations = itertools.count(1)
        self._projects: dict[str, Project] = {}
        self._windows: dict[tuple[str, str], RateWindow] = {}
        self._made = 0
        self.requests = 0

    @cached_property
    def folder(self) -> Path:
        """The folder with the bytes of files, created on first use."""
        self._root = self._root or Path(tempfile.mkdtemp(prefix="batcheval-"))
        folder = self._root / "files"
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)  # also one that was there
        return folder

    @property
    def projects(self) -> Iterable[Project]:
        """All projects in which something was created."""
        return self._projects.values()

    def project(self, key: ApiKey) -> Project:
        """The project of a key, for creating something in it."""
        return self.project_named(key.project)

    def seen_by(self, key: ApiKey) -> Project:
        """The project of a key, for reading; reading alone creates no project."""
        return self._projects.get(key.project) or Project(key.project)

    def project_named(self, name: str) -> Project:
        """The project of that name, created on first use."""
        return self._projects.setdefault(name, Project(name))

    def window(self, kind: str, name: str, limit: int, seconds: float) -> RateWindow:
        """The window of that kind for a key or project; `limit` takes effect on first use."""
        return self._windows.setdefault((kind, name), RateWindow(limit, seconds))

    def next_number(self) -> int:
        """A number that no other file or batch has had since the last reset."""
        self._made += 1
        return self._made

    def new_file(self, project: Project, filename: str, purpose: str, life: int | None) -> StoredFile:
        """A file entry with a path to write to; it becomes visible with `add_file`."""
        number = self.next_number()
        now = int(self.clock.now())
        expires = None if life is None else now + life
        name = self.form.file_id(self.seed, project.name, number)
        return StoredFile(name, number, 0, now, filename, purpose, expires, self.clock.now())

    def path(self, name: str) -> Path:
        """The path of the bytes of a file or of a batch's lines."""
        return self.folder / name

    def is_pending(self, file: StoredFile) -> bool:
        """Whether no batch can be created of the file yet."""
        pending = self.form.pending_seconds if file.purpose == BATCH else 0
        return self.clock.now() < file.made_at + pending

    def add_file(self, project: Project, file: StoredFile) -> None:
        """Make the file visible."""
        project.files[file.id] = file
        self.store.save("file", file.id, project.name, file.number, vars(file))
        self._remember()

    def drop_file(self, project: Project, file: StoredFile) -> None:
        """Delete a file and its bytes."""
        del project.files[file.id]
        self.path(file.id).unlink(missing_ok=True)
        self.store.drop("file", file.id)

    def drop_batch(self, project: Project, batch: StoredBatch) -> None:
        """Delete an ended batch and its result files."""
        del project.batches[batch.id]
        for name in (batch.fields["output_file_id"], batch.fields["error_file_id"]):
            if name in project.files:
                self.drop_file(project, project.files[name])
        self.store.drop("batch", batch.id)

    def save_batch(self, project: Project, batch: StoredBatch) -> None:
        """Store a batch, new or changed."""
        project.batches[batch.id] = batch
        self.store.save("batch", batch.id, project.name, batch.number, _data_of(batch))
        self._remember()

    def book(self, batch: StoredBatch, executions: list[Execution]) -> None:
        """Record a batch's executions together with its progress."""
        self.ledger.add(*executions)
        self.store.progress(batch.id, _data_of(batch), executions)

    def book_call(self, execution: Execution) -> None:
        """Record an individual call."""
        self.ledger.add(execution)
        self.store.book(execution)

    def forgive(self, batch: StoredBatch) -> None:
        """Bill nothing of a batch."""
        self.ledger.forgive(batch.id)
        self.store.forgive(batch.id)

    def load(self) -> list[tuple[Project, StoredBatch]]:
        """Take over the state that an earlier server stored, and return its batches."""
        if not isinstance(self.store, Disk):
            return []
        numbers = self.store.numbers()
        self._made = int(numbers.get("made", 0))
        self.clock.reset(numbers.get("now"))
        self.ledger.restore(self.store.executions())
        for name, data in self.store.objects("file"):
            self.project_named(name).files[data["id"]] = StoredFile(**data)
        for old in self.folder.parent.glob("removed-*"):
            shutil.rmtree(old, ignore_errors=True)
        batches = [(self.project_named(name), _batch_of(data)) for name, data in self.store.objects("batch")]
        for project, batch in batches:
            project.batches[batch.id] = batch
            self.visits.earlier.add(batch.id)
        self._sweep({name for project in self.projects for name in (*project.files, *project.batches)})
        return batches

    def _sweep(self, known: set[str]) -> None:
        """Remove the remains of uploads that a kill interrupted."""
        for path in self.folder.iterdir():
            if path.name.partition(".")[0] not in known:
                path.unlink()

    def reset(self) -> None:
        """Empty the server and set the clock to its start; files are removed in the background."""
        self._projects.clear()
        self._windows.clear()
        self._made = 0
        self.requests = 0
        self.behaviour = self.usual
        self.keys = self._usual_keys
        self.interceptor, self.rewrite = None, None
        self.crashes.clear()
        self.ledger.reset()
        self.visits.reset()
        self.faults.reset()
        self.clock.reset()
        self.store.clear()
        old = self.folder.rename(self.folder.parent / f"removed-{next(self._generations)}")
        self.folder.mkdir(mode=0o700)
        asyncio.get_running_loop().run_in_executor(None, lambda: shutil.rmtree(old, ignore_errors=True))

    def close(self) -> None:
        """Close the store; remove the files unless there is a state directory."""
        if isinstance(self.store, Nowhere) and self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
        else:
            self._remember()
        self.store.close()

    def _remember(self) -> None:
        self.store.remember(now=self.clock.now(), made=self._made)


def _data_of(batch: StoredBatch) -> dict[str, Any]:
    return {
        "fields": batch.fields,
        "number": batch.number,
        "made_at": batch.made_at,
        "progress": vars(batch.progress),
    }


def _batch_of(data: dict[str, Any]) -> StoredBatch:
    return StoredBatch(data["fields"], data["number"], BatchProgress(**data["progress"]), data["made_at"])
