"""What the server knows: projects with their files and batches, one clock, one ledger."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_batcheval.simulator.clock import VirtualClock
from pytest_batcheval.simulator.faults import Faults
from pytest_batcheval.simulator.ids import file_id
from pytest_batcheval.simulator.ledger import Ledger
from pytest_batcheval.simulator.respondents.protocol import Respondent

FILE_LIFE = 2_592_000
"""Seconds until a batch file expires: 30 days, as seen on live objects."""


@dataclass
class StoredFile:
    """A file of a project; its bytes are on disk."""

    id: str
    path: Path
    bytes: int
    created_at: int
    filename: str
    purpose: str
    expires_at: int | None
    sha256: str = ""

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
class StoredBatch:
    """A batch of a project: the API's Batch object as `fields`, and how far it ran."""

    fields: dict[str, Any]
    lines: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    executed: int = 0
    running_from: float = 0.0
    running_until: float = 0.0
    expire_after: int | None = None
    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)

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
    """What one API key sees; files and batches in the order they were made."""

    name: str
    files: dict[str, StoredFile] = field(default_factory=dict)
    batches: dict[str, StoredBatch] = field(default_factory=dict)


class State:
    """Everything behind the HTTP surface. Used from the server's event loop only."""

    def __init__(self, folder: Path, respondent: Respondent, seed: int, clock: VirtualClock) -> None:
        self.folder = folder
        self.respondent = respondent
        self.seed = seed
        self.clock = clock
        self.clock_address = ""
        self.ledger = Ledger()
        self.faults = Faults()
        self._projects: dict[str, Project] = {}
        self._made = 0

    def project(self, api_key: str) -> Project:
        """The project of a key; the key itself is not kept."""
        name = hashlib.sha256(api_key.encode()).hexdigest()[:16]
        return self._projects.setdefault(name, Project(name))

    def next_number(self) -> int:
        """A number no other file or batch has had since the last reset."""
        self._made += 1
        return self._made

    def new_file(self, project: Project, filename: str, purpose: str, life: int | None) -> StoredFile:
        """A file entry with a path to write to; it is seen once it stands in `project.files`."""
        name = file_id(self.seed, project.name, self.next_number())
        now = int(self.clock.now())
        expires = None if life is None else now + life
        return StoredFile(name, self.folder / name, 0, now, filename, purpose, expires)

    def reset(self) -> None:
        """Back to an empty server at the start of time."""
        self._projects.clear()
        self._made = 0
        self.ledger.reset()
        self.faults.reset()
        self.clock.reset()
        for path in self.folder.iterdir():
            path.unlink()

    def close(self) -> None:
        """Remove what is on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
