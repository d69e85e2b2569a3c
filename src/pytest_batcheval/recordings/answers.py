"""The recorded answers under cassettes/answers: found by key over all files, written by merging.

A file belongs to a test module, but a key is looked up in all of them, so one recording serves
every test that asks the same. Writing merges, never drops, and replaces a file only by a whole
one that was read back.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.recordings.line import LineFault, RecordedLine, decode, encode
from pytest_batcheval.wire.errors import RecordingError
from pytest_batcheval.wire.objects import Answer, Request

FOLDER = "answers"


@dataclass(frozen=True)
class Place:
    """Where a recorded answer stands."""

    path: Path
    number: int
    line: RecordedLine
    text: bytes


@dataclass(frozen=True)
class Recorded:
    """An answer to be recorded: its cell as ids, and the test module that asks for it."""

    answer: Answer
    cell: Mapping[str, str]
    module: str


class Recordings:
    """All recorded answers below `<cassettes>/answers`, read when first asked for.

    Raises:
        RecordingError: from any method that reads, when a line is broken, a file holds a key twice
            or two files have different answers for one; every such line is named (the first ten).
    """

    def __init__(self, cassettes: Path) -> None:
        self.root = cassettes / FOLDER
        self._places: dict[tuple[str, str], Place] | None = None
        self._by_key: dict[str, list[Place]] = {}

    def find(self, requests: Iterable[Request], origin: str | None = None) -> dict[str, Answer]:
        """Recorded answers by key; `origin=None` takes any, a model's before a simulator's."""
        self._load()
        found: dict[str, Answer] = {}
        for request in requests:
            places = [p for p in self._by_key.get(request.custom_id, ()) if origin in (None, p.line.origin)]
            if places and request.custom_id not in found:
                found[request.custom_id] = places[0].line.answer(request)
        return found

    def lines(self) -> Iterator[RecordedLine]:
        """Every recorded line, in the order of files and keys."""
        return (place.line for place in self._load().values())

    def places(self) -> list[Place]:
        """Every recorded line with the file it stands in, in the order of files and keys."""
        return list(self._load().values())

    def unused(self, asked: Collection[str]) -> list[Place]:
        """The recorded answers whose keys are not among these."""
        return [place for place in self._load().values() if place.line.custom_id not in asked]

    def drop(self, unused: Iterable[Place]) -> list[Path]:
        """Remove recorded answers, files left without any too, and return the files that changed."""
        gone = {(place.line.custom_id, place.line.origin) for place in unused}
        places = self._load()
        changed = sorted({places[slot].path for slot in gone})
        for path in changed:
            left = {slot: place.text for slot, place in places.items() if place.path == path and slot not in gone}
            if left:
                _replace(path, left)
            else:
                path.unlink()
        self._places = None
        return changed

    def export(self, recorded: Sequence[Recorded]) -> list[Path]:
        """Write answers into the recordings and return the files that changed.

        A key that is recorded from the same origin already is replaced where it stands (and
        left alone when equal); a new one goes to the file of the first test module that asks for it.
        Failed answers are not recorded.
        """
        places = self._load()
        changes: dict[Path, dict[tuple[str, str], bytes]] = {}
        once = {(r.answer.custom_id, r.answer.origin): r for r in reversed(recorded) if r.answer.error is None}
        for slot, item in once.items():
            text = encode(item.answer, item.cell)
            standing = places.get(slot)
            path = standing.path if standing else self.path_of(item.module)
            if standing is None or standing.line.response != decode(text).response:
                changes.setdefault(path, {})[slot] = text
        for path, lines in changes.items():
            standing_lines = {slot: place.text for slot, place in places.items() if place.path == path}
            _replace(path, {**standing_lines, **lines})
        self._places = None
        return sorted(changes)

    def path_of(self, module: str) -> Path:
        """The recording of a test module: `tests/test_x.py` -> `answers/tests/test_x.jsonl`."""
        parts = [part for part in Path(module).with_suffix(".jsonl").parts if part not in ("..", "/", ".")]
        return self.root.joinpath(*parts)

    def _load(self) -> dict[tuple[str, str], Place]:
        if self._places is None:
            self._places = _read_all(self.root)
            self._by_key = {}
            for place in sorted(self._places.values(), key=lambda p: p.line.origin.startswith("simulator:")):
                self._by_key.setdefault(place.line.custom_id, []).append(place)
        return self._places


def _read_all(root: Path) -> dict[tuple[str, str], Place]:
    places: dict[tuple[str, str], Place] = {}
    faults: list[str] = []
    for path in sorted(root.rglob("*.jsonl")):
        for number, text in enumerate(path.read_bytes().split(b"\n"), start=1):
            if not text:
                continue
            try:
                place = Place(path, number, decode(text), text)
            except LineFault as fault:
                faults.append(f"{path}:{number}: {fault}")
                continue
            other = places.setdefault((place.line.custom_id, place.line.origin), place)
            if other is not place and (other.path == path or other.line.response != place.line.response):
                faults.append(
                    f"{path}:{number}: key {place.line.custom_id} from {place.line.origin} is recorded twice; "
                    f"the other is {other.path}:{other.number}"
                )
    if faults:
        raise RecordingError(_listed(faults))
    return places


def _listed(faults: list[str]) -> str:
    more = f"\n… and {len(faults) - 10} more" if len(faults) > 10 else ""
    return (
        f"{len(faults)} recorded answer{'s' if len(faults) > 1 else ''} cannot be used:\n"
        + "\n".join(faults[:10])
        + more
        + "\nRestore the file (git checkout), or delete the line and record it again: pytest --batch=record"
    )


def _replace(path: Path, lines: Mapping[tuple[str, str], bytes]) -> None:
    """Write a recording beside its place, read it back, and only then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = b"".join(lines[slot] + b"\n" for slot in sorted(lines))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _read_back(Path(name), len(lines))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_back(path: Path, count: int) -> None:
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        keys = {(decode(line).custom_id, decode(line).origin) for line in lines}
    except LineFault as fault:
        raise RecordingError(f"{path} does not read back as written: {fault}; the disk may be full") from None
    if len(keys) != count:
        raise RecordingError(f"{path} does not read back as written: {len(keys)} of {count} answers")
