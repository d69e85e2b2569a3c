"""A folder as a backend: input files are put into it, and whoever works on them puts result files beside them.

`NAME.jsonl` is an input file, `NAME.results.jsonl` its results, as `vllm run-batch -i … -o …`, a Slurm job or Ray Data
write them. `NAME.json` has what we know of the batch. A batch has ended when its results have as many lines as it has
requests, or when there is a file `NAME.done`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_batcheval.backends.errors import Refused, TransientFailure
from pytest_batcheval.backends.local_files import storing
from pytest_batcheval.backends.protocol import BatchList, RemoteBatch, RemoteFile
from pytest_batcheval.backends.traffic import Traffic
from pytest_batcheval.catalogue.providers import Capabilities
from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.replace_file import replacing

FOLDER = Capabilities(
    "folder",
    "a folder",
    key_from=(),
    base_url_from="",
    requests=1_000_000,
    bytes=2_000_000_000,
    calls=False,
    windows=(),
    fence="id",
    discount=None,
)
"""A batch is named by whoever creates it, so that a create that is repeated makes no second one."""

RESULTS = ".results.jsonl"


class FolderBatch:
    """A `Backend` that is a folder; there is no key, and nothing of it costs anything here."""

    clock_address: str | None = None
    clock_speed = 0.0

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made where there is none.

        Raises:
            UsageError: it cannot be made.
        """
        self.folder = folder.absolute()
        self.capabilities = FOLDER
        self.traffic = Traffic()
        self.base_url = self.folder.as_uri()
        self.origin = folder_origin(folder)
        self.scope = "folder"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the folder of batches {folder} cannot be used: {error}") from None

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Copy an input file beside its place, where nobody takes it for one yet."""
        with storing(self.folder):
            shutil.copyfile(path, self.folder / f"{filename}.new")
        return RemoteFile(filename, path.stat().st_size, filename)

    def find_file(self, filename: str) -> RemoteFile | None:
        """The input file of that name, if it was copied or is in its place."""
        for path in (self.folder / f"{filename}.new", self.folder / filename):
            if path.exists():
                return RemoteFile(filename, path.stat().st_size, filename)
        return None

    def get_file(self, file_id: str) -> RemoteFile:
        """The input file of that name."""
        file = self.find_file(file_id)
        if file is None:
            raise Refused("not_found", f"there is no {file_id} in {self.folder}", 404)
        return file

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Put the input file into its place; what is known of the batch is there before it."""
        name = file_id.removesuffix(".jsonl")
        about = {"endpoint": endpoint, "metadata": dict(metadata), "created_at": real_time.now()}
        new, place = self.folder / f"{file_id}.new", self.folder / file_id
        if not new.exists() and not place.exists():
            raise Refused("not_found", f"there is no {file_id} in {self.folder}", 404)
        with storing(self.folder):
            with replacing(self._about(name), lambda _: None) as stream:
                stream.write(json.dumps(about).encode())
            if new.exists():
                os.replace(new, place)
        return self.retrieve(name)

    def list_batches(self, enough: Collection[str] = ()) -> BatchList:
        """All batches of the folder."""
        names = sorted(path.stem for path in self.folder.glob("batcheval-*.json"))
        return BatchList([batch for name in names if (batch := self._batch(name)) is not None])

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """A batch as its files show it."""
        batch = self._batch(batch_id)
        if batch is None:
            raise Refused("not_found", f"there is no batch {batch_id} in {self.folder}", 404)
        return batch

    def download(self, file_id: str, target: Path) -> None:
        """Copy a file to `target`.

        Raises:
            JournalError: it cannot be stored.
        """
        source = self.folder / file_id
        if not source.exists():
            raise Refused("not_found", f"{source} is gone", 404)
        with storing(target):
            part = target.with_name(f"{target.name}.part")
            shutil.copyfile(source, part)
            part.replace(target)

    def delete_file(self, file_id: str) -> None:
        """Delete an input file that nobody has begun to work on, as far as its results tell."""
        if (self.folder / f"{file_id.removesuffix('.jsonl')}{RESULTS}").exists():
            raise Refused("in_use", f"{file_id} has results", 409)
        found = [path for path in (self.folder / f"{file_id}.new", self.folder / file_id) if path.exists()]
        if not found:
            raise Refused("not_found", f"there is no {file_id} in {self.folder}", 404)
        with storing(self.folder):
            for path in found:
                path.unlink()

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Take the input file away; whoever works on it already is not told."""
        with storing(self.folder), suppress(FileNotFoundError):
            (self.folder / f"{batch_id}.jsonl").unlink()
        return self.retrieve(batch_id)

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> FolderBatch:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _about(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _batch(self, name: str) -> RemoteBatch | None:
        try:
            about: Any = json.loads(self._about(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise TransientFailure("unreadable", f"{self._about(name)} cannot be read") from None
        source, results = self.folder / f"{name}.jsonl", self.folder / f"{name}{RESULTS}"
        total, done = _lines(source), _lines(results)
        status, times = "in_progress", {"created_at": float(about["created_at"])}
        finished = self.folder / f"{name}.done"
        if (done is not None and total is not None and done >= total) or finished.exists():
            status, times["completed_at"] = "completed", real_time.now()
        elif total is None:
            status, times["cancelled_at"] = "cancelled", real_time.now()
        return RemoteBatch(
            id=name,
            status=status,
            said=status,
            input_file_id=f"{name}.jsonl",
            output_file_id=results.name if done is not None and status == "completed" else None,
            completed=done,
            failed=0,
            total=total,
            metadata={str(key): str(value) for key, value in about["metadata"].items()},
            created_at=times["created_at"],
            endpoint=str(about["endpoint"]),
            times=times,
        )


def folder_origin(folder: Path) -> str:
    """The origin of answers from a folder: its name, which is the same on other machines."""
    return f"folder:{folder.absolute().name}"


def _lines(path: Path) -> int | None:
    """The number of whole lines of a file; `None` where there is none."""
    try:
        with path.open("rb") as stream:
            return sum(1 for line in stream if line.endswith(b"\n"))
    except FileNotFoundError:
        return None
