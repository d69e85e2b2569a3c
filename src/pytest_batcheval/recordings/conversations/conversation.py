"""Conversations with a Batch API under cassettes/conversations, recorded by vcrpy and replayed offline.

A conversation is the HTTP traffic of one test of a client, from the upload to the answers. Unlike recorded
answers, which are found by key, it is replayed request by request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from pytest_batcheval.errors import RecordingError, UsageError
from pytest_batcheval.recordings.conversations import cassette
from pytest_batcheval.recordings.conversations.cassette import BASE_URL, RecordedExchange
from pytest_batcheval.recordings.conversations.player import Player, UnrecordedRequest
from pytest_batcheval.recordings.conversations.recorder import InterceptedRequest, Listener, Recorder
from pytest_batcheval.wire.origin import describe, is_simulator

__all__ = ["BASE_URL", "Conversation", "InterceptedRequest", "JumpClock", "UnrecordedRequest", "path_of"]

FOLDER = "conversations"
LONGEST_NAME = 80
"""Most characters of a file's name before its hash."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(/[A-Za-z0-9_-]{1,80})*")
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+(::[A-Za-z0-9_-]+)*(\[[A-Za-z0-9_-]+\])?")


class JumpClock:
    """A clock on which a sleep takes no real time."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock on by `seconds` and return at once."""
        self._now += max(seconds, 0.0)

    def close(self) -> None:
        """Do nothing."""


class Conversation:
    """The HTTP traffic during a `with` block; created by `replayed`, `recorded` or `live`.

    It sees every request of this process to `base_url` that httpx sends (httpx2 for openai 3), so there can
    be one conversation at a time.

    Attributes:
        base_url: the base URL for the client; in a replay, a name that does not resolve.
        origin: the origin it was recorded against, or that it is held with.
        command: the command that records a replayed conversation again.
    """

    def __init__(self, base_url: str, origin: str, tape: Listener, path: Path | None = None, command: str = "") -> None:
        self.base_url = base_url
        self.origin = origin
        self.command = command
        self._tape = tape
        self._path = path
        self._stack = ExitStack()

    @classmethod
    def replayed(cls, path: Path, *, command: str) -> Conversation:
        """A conversation answered from a file; no client of this process uses the network.

        Args:
            path: the file, under the folder of recordings.
            command: the command that records it, for errors; completed with the simulator if that was recorded.

        Raises:
            RecordingError: the file is missing or broken.
        """
        if not path.exists():
            raise RecordingError(f"{path} does not exist; record the conversation: {command}")
        origin, exchanges = cassette.read(path, command)
        if is_simulator(origin) and origin.endswith("@0"):
            command = f"{command} --batch-backend={origin.removesuffix('@0')}"
        return cls(BASE_URL, origin, Player(path, origin, exchanges, command), command=command)

    @classmethod
    def recorded(cls, path: Path, base_url: str, origin: str) -> Conversation:
        """A conversation with a server that is written to a file, or replaces it, at the end of the block.

        It is not written if the block ends by Ctrl-C, or if there were no requests.

        Raises:
            RecordingError: the file exists and was recorded against another origin, or cannot be read.
        """
        if path.exists():
            remedy = f"delete {path} if a conversation with {describe(origin)} is to replace it"
            standing, _ = cassette.read(path, f"delete it, then record against {describe(origin)}")
            if standing != origin:
                raise RecordingError(f"{path} was recorded against {describe(standing)}; {remedy}")
        return cls(base_url, origin, Recorder(), path)

    @classmethod
    def live(cls, base_url: str, origin: str) -> Conversation:
        """A conversation with a server that is not recorded."""
        return cls(base_url, origin, Listener())

    @property
    def requests(self) -> list[InterceptedRequest]:
        """The requests so far."""
        return self._tape.requests

    @property
    def unused(self) -> Sequence[RecordedExchange]:
        """The recorded exchanges that a replay has not used."""
        return self._tape.unused if isinstance(self._tape, Player) else ()

    @property
    def unmatched(self) -> UnrecordedRequest | None:
        """The first request for which a replay had no reply."""
        return self._tape.unmatched if isinstance(self._tape, Player) else None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let a client find out who answers without using up replies of a replay."""
        player = self._tape if isinstance(self._tape, Player) else None
        if player is not None:
            player.aside = True
        yield
        if player is not None:
            player.aside = False

    def discard(self) -> None:
        """Do not write the recording."""
        self._path = None

    def __enter__(self) -> Conversation:
        from pytest_batcheval.recordings.conversations.vcr import intercepted

        self._stack.enter_context(intercepted(self._tape, self.base_url))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        finished = kind is None or issubclass(kind, Exception)
        if finished and self._path is not None and isinstance(self._tape, Recorder) and self._tape.exchanges:
            cassette.write(self._path, self.origin, self._tape.exchanges)


def path_of(cassettes: Path, module: str, test: str, name: str | None = None, parameters: str = "") -> Path:
    """The path of a test's conversation: `cassettes/conversations/tests/test_x/test_y.yaml`.

    Args:
        cassettes: the folder of recordings.
        module: path of the test module relative to the root: `tests/test_x.py`.
        test: name of the test with its classes and parameters: `TestA::test_y[한글]`.
        name: name to use instead of module and test, such as `whole_job` or `jobs/whole`.
        parameters: the part of `test` in brackets; appended to `name`, so that each set has its own file.

    Raises:
        UsageError: the name has characters other than letters, digits, `_`, `-`, and `/` between them.
        RecordingError: the file or one of its folders is a symbolic link.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(f"a conversation's name may have letters, digits, _, -, and / between them, not {name!r}")
    folders = [] if name is not None else [_part(part) for part in Path(module).with_suffix("").parts]
    last = _part(test) if name is None else f"{name}-{_part(parameters)}" if parameters else name
    path = cassettes.joinpath(FOLDER, *folders, f"{last}.yaml")
    for place in (path, *path.parents):
        if place == cassettes.parent:
            break
        if place.is_symlink():
            raise RecordingError(f"{place} is a symbolic link; recordings are neither read nor written through one")
    return path


def _part(text: str) -> str:
    """The part of a path for a text, with a hash if the text itself cannot be used."""
    plain = _OTHER.sub("-", text.removesuffix("]"))
    if _PLAIN.fullmatch(text) and len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[:LONGEST_NAME].strip('-') or 'test'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
