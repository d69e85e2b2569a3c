"""Answers for xdist's workers that do not see the controller's folder: another machine's, or one with a copy."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.plugin.options import RUN, root_of
from pytest_batcheval.plugin.pytest_command import ARGUMENTS, given_arguments
from pytest_batcheval.wire.objects import Answer, Request, RequestError

if TYPE_CHECKING:
    from pytest_batcheval.plugin.stored_answers import StoredAnswers

FOLDER = "batcheval_folder"
"""Name under which a worker gets the controller's folder, as `folder_identity` tells it."""

ASK = "batcheval_ask"
"""Name under which a worker gets the channel to ask on."""

CHUNK = 500
"""Keys that are looked up at once."""

PACK = 2**20
"""Bytes of answers after which a message is sent."""

_END, _ERROR = b"", b"!"
"""The last message of a reply; the beginning of one that is an error."""


class Channel(Protocol):
    """An execnet channel, as far as it is used; messages are bytes or lists of texts."""

    def send(self, item: object) -> None:
        """Send plain data; raises `OSError` when the other side has ended."""

    def receive(self, timeout: float | None = None) -> Any:
        """The next message; raises `EOFError` when the other side has ended."""

    def setcallback(self, callback: Callable[[Any], Any]) -> None:
        """Call this for each message, in a thread of execnet's, which must not be held up."""


Asked = tuple[str, str]
"""A key, and the backend that its request chose."""


def folder_identity(root: Path) -> list[str | int]:
    """A folder on a machine, by what another folder or machine does not have, as plain data."""
    status = root.stat()
    return [platform.node(), str(status.st_dev), str(status.st_ino)]  # execnet's integers have 32 bits


class AnswerService:
    """The controller's side: a thread that looks up what workers ask for, and sends it to them."""

    def __init__(self, stored: Callable[[], StoredAnswers]) -> None:
        """`stored` is called when a worker asks."""
        self._stored = stored
        self._asked: SimpleQueue[tuple[Channel, list[Asked]] | None] = SimpleQueue()
        self._channels: list[Channel] = []
        threading.Thread(target=self._serve, name="batcheval-answers", daemon=True).start()

    def listen(self, channel: Channel) -> None:
        """Answer what comes on a channel: lists of keys with their backends."""
        self._channels.append(channel)  # execnet closes a channel that nobody holds
        channel.setcallback(lambda asked: self._asked.put((channel, asked)))

    def close(self) -> None:
        """End the thread."""
        self._asked.put(None)

    def _serve(self) -> None:
        while (asked := self._asked.get()) is not None:
            channel, wanted = asked
            try:
                for pack in _packs(self._stored(), wanted):
                    channel.send(pack)
                channel.send(_END)
            except OSError:
                continue  # that worker has ended
            except Exception as error:  # the worker waits, and its test reports it
                channel.send(_ERROR + (str(error) or type(error).__name__).encode())


class ControllerAnswers:
    """The worker's side: what the controller has stored, asked for key by key."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._guard = threading.Lock()

    def find(self, requests: Mapping[str, Request]) -> dict[str, Answer]:
        """The stored answers of these requests by key; a failed request is an answer with an error.

        Raises:
            JournalError: the controller cannot read its answers, or has ended.
        """
        if not requests:
            return {}
        with self._guard:
            return {key: _answer(requests[key], fields) for key, fields in self._ask(requests)}

    def _ask(self, requests: Mapping[str, Request]) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            self._channel.send([(key, request.backend) for key, request in requests.items()])
            while (pack := self._channel.receive()) != _END:
                if pack.startswith(_ERROR):
                    raise JournalError(f"the controller of this worker cannot read its answers: {pack[1:].decode()}")
                yield from json.loads(pack)
        except (EOFError, OSError) as error:
            raise JournalError(f"the controller of this worker does not answer: {error!r}") from None


def _packs(stored: StoredAnswers, wanted: Sequence[Asked]) -> Iterator[bytes]:
    """Answers and failures as JSON, `[[key, fields], …]`, some in each message."""
    pack: list[str] = []
    size = 0
    for answer in _found(stored, wanted):
        pack.append(json.dumps([answer.custom_id, _fields(answer)]))
        size += len(pack[-1])
        if size >= PACK:
            yield f"[{','.join(pack)}]".encode()
            pack, size = [], 0
    yield f"[{','.join(pack)}]".encode()


def _found(stored: StoredAnswers, wanted: Sequence[Asked]) -> Iterator[Answer]:
    from pytest_batcheval.batch_status import ForeignRequest
    from pytest_batcheval.plugin.stored_answers import AnswerLookup

    for start in range(0, len(wanted), CHUNK):
        requests = [ForeignRequest({}, name=key, backend=backend) for key, backend in wanted[start : start + CHUNK]]
        yield from filter(None, map(AnswerLookup(stored, requests), requests))


def _fields(answer: Answer) -> dict[str, Any]:
    return {
        "origin": answer.origin,
        "response": answer.response,
        "error": None if answer.error is None else asdict(answer.error),
        "source": answer.source,
        "line_id": answer.line_id,
        "round": answer.round,
        "asked_at": answer.asked_at,
    }


def _answer(request: Request, fields: dict[str, Any]) -> Answer:
    error = fields.pop("error")
    return Answer(request, error=None if error is None else RequestError(**error), **fields)


_SERVICE = pytest.StashKey[AnswerService]()


def offer(node: Any, stored: Callable[[], StoredAnswers]) -> None:
    """Give an xdist worker what it needs to ask this controller for its stored answers."""
    config: pytest.Config = node.config
    if _SERVICE not in config.stash:
        config.stash[_SERVICE] = AnswerService(stored)
        config.add_cleanup(config.stash[_SERVICE].close)
    channel = node.gateway.newchannel()
    node.workerinput[ARGUMENTS] = given_arguments(config)
    node.workerinput[FOLDER], node.workerinput[ASK] = folder_identity(root_of(config)), channel
    config.stash[_SERVICE].listen(channel)


def follow_controller(stored: StoredAnswers, given: Mapping[str, Any], root: Path) -> None:
    """Let the stored answers of a worker be those of its controller; `given` is the worker's input."""
    stored.follow(given.get(RUN), ControllerAnswers(given[ASK]), given[FOLDER] == folder_identity(root))
