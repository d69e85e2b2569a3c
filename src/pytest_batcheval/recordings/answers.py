"""The recorded answers under cassettes/answers: found by key across all files, written by merging.

A file belongs to a test module, but a key is looked up in all files, so one recording serves
every test with the same request. Writing merges and never drops answers, and replaces a file only
by a complete one that was read back. Writing processes take turns, and first read the changes of
the others.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.errors import RecordingError
from pytest_batcheval.recordings.answer_line import AnswerLineError, RecordedLine, decode, encode
from pytest_batcheval.text.file_head import HEAD, form_by_head
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.file_lock import lock
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.replace_file import replacing

FOLDER = "answers"
Slot = tuple[str, str]
"""Key and origin, for which there is one recorded answer."""


@dataclass(frozen=True)
class RecordingPlace:
    """A recorded line with its place in a file."""

    path: Path
    number: int
    line: RecordedLine
    text: bytes


@dataclass(frozen=True)
class NewRecording:
    """An answer to be recorded, its cell as ids, and the test module that uses it."""

    answer: Answer
    cell: Mapping[str, str]
    module: str


class Recordings:
    """All recorded answers under `<cassettes>/answers`, read on first use.

    Raises:
        RecordingError: from any method that reads, if a line is broken, a file has a key twice
            or two files have different answers for a key; the message names the first ten such lines.
    """

    def __init__(self, cassettes: Path) -> None:
        self.root = cassettes / FOLDER
        self._places: dict[Slot, RecordingPlace] | None = None
        self._copies: list[RecordingPlace] = []
        self._by_key: dict[str, list[RecordingPlace]] = {}

    def find(self, requests: Iterable[Request], origin: str | None = None, round_name: str = "") -> dict[str, Answer]:
        """Recorded answers by key; `origin=None` accepts any, with a model's preferred to a simulator's.

        `round_name` restricts them to a round; empty accepts any.
        """
        self._load()
        found: dict[str, Answer] = {}
        for request in requests:
            if request.custom_id not in found and (place := self._place(request, origin, round_name)) is not None:
                found[request.custom_id] = place.line.answer(request)
        return found

    def origins(self, requests: Iterable[Request]) -> dict[str, str]:
        """The origins of the recorded answers that `find` returns, by key; no answer is decoded for them."""
        self._load()
        places = ((request.custom_id, self._place(request)) for request in requests)
        return {key: place.line.origin for key, place in places if place is not None}

    def _place(self, request: Request, origin: str | None = None, round_name: str = "") -> RecordingPlace | None:
        for place in self._by_key.get(request.custom_id, ()):
            if origin in (None, place.line.origin) and round_name in ("", place.line.round):
                return place
        return None

    def lines(self) -> Iterator[RecordedLine]:
        """Every recorded line, in the order of files and keys."""
        return (place.line for place in self._load().values())

    def places(self) -> list[RecordingPlace]:
        """Every recorded line with its file, in the order of files and keys."""
        return list(self._load().values())

    def unused(self, used: Collection[str]) -> list[RecordingPlace]:
        """The recorded answers whose keys are not in `used`."""
        return [place for place in self._load().values() if place.line.custom_id not in used]

    def drop(self, unused: Iterable[RecordingPlace], backup: Path | None = None) -> list[Path]:
        """Remove recorded answers and files that become empty, and return the changed files.

        What is removed is written below `backup` first, in the form of a folder of recordings.

        Raises:
            RecordingError: a recording is now broken, or cannot be written.
        """
        gone = set(map(_slot, unused))
        if not gone:
            return []
        with self._writing() as places:
            changed = {place.path for place in (*places.values(), *self._copies) if _slot(place) in gone}
            if backup is not None:
                self._copy({places[slot].path for slot in gone & places.keys()}, gone, backup / FOLDER)
            for path in changed:
                _write(path, {slot: text for slot, text in self._standing(path).items() if slot not in gone})
        return sorted(changed)

    def restore(self, backup: Path) -> tuple[int, int]:
        """Merge what `drop` wrote below `backup`; return the numbers of answers put back and of those there already.

        Raises:
            RecordingError: a recording or the backup is broken, or cannot be written.
        """
        removed = Recordings(backup).places()
        changes: dict[Path, dict[Slot, bytes]] = {}
        with self._writing() as places:
            back = [place for place in removed if _slot(place) not in places]
            for place in back:
                changes.setdefault(self.root / place.path.relative_to(backup / FOLDER), {})[_slot(place)] = place.text
            for path, lines in changes.items():
                _write(path, {**self._standing(path), **lines})
        return len(back), len(removed) - len(back)

    def export(self, recorded: Sequence[NewRecording]) -> list[Path]:
        """Write answers into the recordings and return the changed files.

        A key that is already recorded from the same origin is replaced in place (or left
        unchanged if equal); a new one goes to the file of the first test module that uses it.
        Failed answers are not recorded.

        Raises:
            RecordingError: a recording is now broken, or cannot be written.
        """
        changes: dict[Path, dict[Slot, bytes]] = {}
        once = {(r.answer.custom_id, r.answer.origin): r for r in reversed(recorded) if r.answer.error is None}
        if not once:
            return []
        with self._writing() as places:
            for slot, item in once.items():
                text = encode(item.answer, item.cell)
                standing = places.get(slot)
                path = standing.path if standing else self.path_of(item.module)
                if standing is None or standing.line.response != decode(text).response:
                    changes.setdefault(path, {})[slot] = text
            replaced = {slot for lines in changes.values() for slot in lines}
            for copy in self._copies:
                if _slot(copy) in replaced:  # it would contradict the new answer
                    changes.setdefault(copy.path, {})
            for path, lines in changes.items():
                _write(path, {**self._standing(path), **lines})
        return sorted(changes)

    def path_of(self, module: str) -> Path:
        """The recording of a test module: `tests/test_x.py` -> `answers/tests/test_x.jsonl`."""
        parts = [part for part in Path(module).with_suffix(".jsonl").parts if part not in ("..", "/", ".")]
        return self.root.joinpath(*parts)

    def module_of(self, path: Path) -> Path:
        """The test module of a recording, relative to rootdir: `answers/tests/test_x.jsonl` -> `tests/test_x.py`."""
        return path.relative_to(self.root).with_suffix(".py")

    def _standing(self, path: Path) -> dict[Slot, bytes]:
        """The lines of a file, without copies of lines in another file."""
        return {slot: place.text for slot, place in self._load().items() if place.path == path}

    def _copy(self, paths: Iterable[Path], slots: Collection[Slot], folder: Path) -> None:
        for path in paths:
            lines = {slot: text for slot, text in self._standing(path).items() if slot in slots}
            _replace(folder / path.relative_to(self.root), lines)

    @contextmanager
    def _writing(self) -> Iterator[dict[Slot, RecordingPlace]]:
        """Every recorded line as it is now, while no other process writes."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with _alone(self.root):
                # A run that waited for its batches may have read these files hours ago.
                self._places = None
                yield self._load()
        except OSError as error:
            raise RecordingError(f"{error.filename or self.root} cannot be written: {error.strerror}") from None
        finally:
            self._places = None

    def _load(self) -> dict[Slot, RecordingPlace]:
        if self._places is None:
            self._places, self._copies = _read_all(self.root)
            self._by_key = {}
            for place in sorted(self._places.values(), key=lambda p: p.line.origin.startswith("simulator:")):
                self._by_key.setdefault(place.line.custom_id, []).append(place)
        return self._places


def _slot(place: RecordingPlace) -> Slot:
    return place.line.custom_id, place.line.origin


def _read_all(root: Path) -> tuple[dict[Slot, RecordingPlace], list[RecordingPlace]]:
    """Every recorded line by key and origin, and its copies in other files."""
    places: dict[Slot, RecordingPlace] = {}
    copies: list[RecordingPlace] = []
    problems: list[str] = []
    for path in sorted(root.rglob("*.jsonl")):
        for number, text in enumerate(_lines(path), start=1):
            if not text:
                continue
            try:
                place = RecordingPlace(path, number, decode(text), text)
            except AnswerLineError as error:
                problems.append(f"{path}:{number}: {error}")
                continue
            other = places.setdefault(_slot(place), place)
            if other is place:
                continue
            copies.append(place)
            if other.path == path or other.line.response != place.line.response:
                problems.append(
                    f"{path}:{number}: key {place.line.custom_id} from {place.line.origin} is recorded twice; "
                    f"the other is {other.path}:{other.number}"
                )
    if problems:
        raise RecordingError(_listed(problems))
    return places, copies


def _lines(path: Path) -> list[bytes]:
    r"""The lines of a file, without a byte order mark; `\r\n`, which git may write, ends a line too."""
    try:
        data = path.read_bytes()
        if form := form_by_head(data[:HEAD]):
            raise RecordingError(f"{path} is {form}")
        return [line.removesuffix(b"\r") for line in data.removeprefix(BOM_UTF8).split(b"\n")]
    except OSError as error:
        raise RecordingError(f"{path}: the recording cannot be read: {error.strerror}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the operating system's lock on a folder; it leaves no file behind and ends with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock(handle)
        yield
    finally:
        os.close(handle)


def _listed(problems: list[str]) -> str:
    more = f"\n… and {len(problems) - 10:,} more" if len(problems) > 10 else ""
    return (
        f"{counted(len(problems), 'recorded answer')} cannot be used:\n"
        + "\n".join(problems[:10])
        + more
        + "\nRestore the file (git checkout), or delete the line and record it again: pytest --batch=record"
    )


def _write(path: Path, lines: Mapping[Slot, bytes]) -> None:
    """Write a recording, or remove one that would be empty."""
    if lines:
        _replace(path, lines)
    else:
        path.unlink()


def _replace(path: Path, lines: Mapping[Slot, bytes]) -> None:
    """Write a recording beside its place, read it back, and only then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, lambda written: _read_back(written, len(lines))) as file:
        file.write(b"".join(lines[slot] + b"\n" for slot in sorted(lines)))


def _read_back(path: Path, count: int) -> None:
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        keys = {(decode(line).custom_id, decode(line).origin) for line in lines}
    except AnswerLineError as error:
        raise RecordingError(f"{path} does not read back as written: {error}; the disk may be full") from None
    if len(keys) != count:
        raise RecordingError(f"{path} does not read back as written: {len(keys):,} of {counted(count, 'answer')}")
