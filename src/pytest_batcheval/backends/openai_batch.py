"""The OpenAI SDK as a backend: one HTTP request per call, no retries, no redirects, no key in a field."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import openai

from pytest_batcheval.backends.api_key import SET_WHEN_SENT, check, supplier
from pytest_batcheval.backends.base_url import past_proxies
from pytest_batcheval.backends.errors import (
    Call,
    ProviderFailure,
    Stopped,
    TransientFailure,
    UnknownOutcome,
    classify,
)
from pytest_batcheval.backends.local_files import written
from pytest_batcheval.backends.protocol import METADATA_NAME, BatchList, RemoteBatch, RemoteFile
from pytest_batcheval.backends.reply_limits import Caps, Guard
from pytest_batcheval.backends.reply_readers import Page, read_batch, read_file, read_metadata
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.origin import (
    CLOCK_HEADER,
    DEFAULT_BASE_URL,
    RESPONDENT_HEADER,
    SIMULATOR_HEADER,
    SIMULATOR_NAME,
    SPEED_HEADER,
    provider_origin,
    simulator_origin,
)

T = TypeVar("T")

PAGE = 100
"""Items requested in one page of a list, the most the API gives of batches."""

MAX_PAGES = 1000
LISTINGS = 3
"""Times that a list is read from its start while it changes, before it counts as incomplete."""

CONNECT_TIMEOUT, PROBE_TIMEOUT, TIMEOUT = 10.0, 30.0, 600.0
"""Seconds of silence until a connection, the first call to a server, any other call is given up."""


@dataclass(frozen=True)
class Identity:
    """The server at a base URL; of a simulator, `host:port` of its virtual clock, and that clock's speed."""

    origin: str
    clock_address: str | None = None
    clock_speed: float = 0.0


class OpenAIBatch:
    """A `Backend` on the OpenAI SDK, for OpenAI and for servers that speak its Batch API.

    Attributes:
        base_url: without a password.
        origin: stored with its answers.
        scope: the account in the journal.
        clock_address: address of a simulator's virtual clock; `None` for a provider.
        clock_speed: its virtual seconds of a real one; 0 where time jumps.
        traffic: bytes that were sent and received.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        scope: str | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Connect to `base_url` with `api_key`, else by the SDK's environment variables.

        `scope` names the account in the journal; `None` makes a fingerprint of base URL, organisation,
        project and key. `guard` limits replies.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the default does not answer.
        """
        self._key = supplier(api_key)
        del api_key  # a traceback may show the locals of this frame
        check(self._key)
        guard = guard or Guard(Caps())
        self.traffic = guard.traffic
        self._client = _client(base_url, self._key, guard)
        self.base_url = redacted(str(self._client.base_url))
        usual = provider_origin(self.base_url) == DEFAULT_BASE_URL
        identity = Identity(provider_origin(self.base_url)) if usual else self.probe()
        self.origin, self.clock_address = identity.origin, identity.clock_address
        self.clock_speed = identity.clock_speed
        self._came: dict[str, int] = {}
        self.scope = scope or _scope(self.origin, self._client, self._key)

    def probe(self) -> Identity:
        """Identify the server: one GET of its models, whose headers mark a simulator.

        Raises:
            ProviderError: it cannot be reached.
        """
        try:
            headers = self._ask("list", self._headers)
        except ProviderFailure as failure:
            raise ProviderError(f"{self.base_url} cannot be reached: {failure}") from None
        if headers.get(SIMULATOR_HEADER) != SIMULATOR_NAME:
            return Identity(provider_origin(self.base_url))
        respondent, _, seed = headers.get(RESPONDENT_HEADER, "").rpartition("@")
        if not seed.isdecimal():
            raise ProviderError(f"{self.base_url} is a simulator that does not say which respondent answers; update it")
        speed = 0.0
        with suppress(ValueError):
            speed = max(float(headers.get(SPEED_HEADER, "0")), 0.0)
        return Identity(simulator_origin(respondent, int(seed)), headers.get(CLOCK_HEADER), speed)

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file; a copy that an earlier try may have left costs nothing."""
        with path.open("rb") as stream:
            files = self._client.files.with_raw_response
            reply = self._json("upload", lambda: files.create(file=(filename, stream), purpose="batch"))
        file = read_file(reply)
        if file is None:
            raise TransientFailure("unreadable", "the reply to an upload has no file id")
        return file

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name, searched for on all pages."""
        files = self._client.files.with_raw_response
        found: list[RemoteFile] = []

        def take(item: Any) -> bool:
            file = read_file(item)
            if file is not None and file.filename == filename:
                found.append(file)
            return bool(found)

        self._all(lambda after: files.list(purpose="batch", limit=PAGE, **after), take)
        return found[0] if found else None

    def get_file(self, file_id: str) -> RemoteFile:
        """Get an uploaded file."""
        files = self._client.files.with_raw_response
        file = read_file(self._json("retrieve", lambda: files.retrieve(file_id)))
        if file is None:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not file {file_id}")
        return file

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch; any reply but a clear yes or no raises `UnknownOutcome`."""
        reply = self._json(
            "create",
            lambda: self._client.batches.with_raw_response.create(
                input_file_id=file_id,
                endpoint=endpoint,  # type: ignore[arg-type] # the server says which it knows
                completion_window="24h",
                metadata=dict(metadata) or openai.omit,
                extra_headers={"Idempotency-Key": idempotency_key},
            ),
        )
        batch = read_batch(reply)
        if batch is None:
            raise UnknownOutcome("unreadable", "the reply to a create is not a batch")
        return batch

    def list_batches(self, enough: Collection[str] = ()) -> BatchList:
        """All batches, every page, each once; fewer pages when they have all ids of `enough`."""
        batches = self._client.batches.with_raw_response
        wanted, found, unreadable = set(enough), dict[str, RemoteBatch](), list[Any]()

        def take(item: Any) -> bool:
            batch = read_batch(item)
            if batch is not None:
                found[batch.id] = batch
            elif not _is_stranger(item):
                unreadable.append(item)
            return bool(wanted) and found.keys() >= wanted

        gap = self._all(lambda after: batches.list(limit=PAGE, **after), take)
        return BatchList(found.values(), gap or ("entries of the list cannot be read" if unreadable else ""))

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Get one batch; it has the id that was asked for, whatever id the reply shows."""
        batches = self._client.batches.with_raw_response
        batch = read_batch(self._json("retrieve", lambda: batches.retrieve(batch_id)), batch_id)
        if batch is None:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not batch {batch_id}")
        return batch

    def download(self, file_id: str, target: Path) -> None:
        """Stream a file to `target`; HTTP says how long it is.

        Where HTTP does not say, a file that is shorter than the provider's record of it has to come twice
        with the same length.

        Raises:
            JournalError: it cannot be stored.
        """
        # A download that an interrupted send left behind may still be writing to its own.
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")

        def stream() -> tuple[int, bool]:
            with self._client.files.with_streaming_response.content(file_id) as reply:
                return written(part, reply.iter_bytes(2**16)), _delimited(reply.headers)

        came, delimited = self._ask("content", stream)
        if not delimited and self._came.get(file_id) != came and came < (self._size(file_id) or 0):
            self._came[file_id] = came
            raise TransientFailure("truncated", f"file {file_id} came with {came} bytes, fewer than the provider has")
        part.replace(target)

    def delete_file(self, file_id: str) -> None:
        """Delete a file; a 404 raises `Refused`, because a new file may give it too.

        Only the provider's own reply counts, not the page of a proxy: requests may be sent again because of it.
        """
        reply = self._json("delete", lambda: self._client.files.with_raw_response.delete(file_id))
        if not isinstance(reply, dict) or reply.get("deleted") is not True:
            raise TransientFailure("unreadable", f"the reply to a deletion does not say that {file_id} was deleted")

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask to stop a batch; one that has already ended is returned as it is.

        Where the reply is unclear, the batch is retrieved.
        """
        try:
            batches = self._client.batches.with_raw_response
            batch = read_batch(self._json("cancel", lambda: batches.cancel(batch_id)))
        except Stopped:
            raise
        except ProviderFailure as failure:
            if failure.status_code not in (400, 409) and not isinstance(failure, TransientFailure):
                raise
            if failure.status_code == 429:
                raise
            found = self.retrieve(batch_id)
            if failure.status_code not in (400, 409) and found.status != "cancelling" and not found.terminal:
                raise
            return found
        return replace(batch, id=batch_id) if batch else self.retrieve(batch_id)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> OpenAIBatch:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ask(self, call: Call, request: Callable[[], T]) -> T:
        """Make one HTTP request.

        Raises:
            ProviderFailure: it failed. The SDK's exception is not chained to it: it holds the request with its key.
        """
        try:
            return request()
        except Exception as error:
            failure = classify(call, error)
        raise failure.without(self._key())

    def _json(self, call: Call, request: Callable[[], Any]) -> Any:
        """Make one HTTP request and parse its reply here: the SDK makes an object of anything, an empty list of a page.

        Raises:
            ProviderFailure: it failed, or the reply is not JSON.
        """
        return self._ask(call, lambda: _parsed(request().content))

    def _headers(self) -> Mapping[str, str]:
        try:
            return self._client.models.with_raw_response.list(timeout=PROBE_TIMEOUT).headers
        except openai.APIStatusError as error:
            return error.response.headers

    def _size(self, file_id: str) -> int | None:
        """The file's length by the provider's record; `None` when it does not say."""
        try:
            return self.get_file(file_id).bytes
        except ProviderFailure:
            return None

    def _all(self, get: Callable[[dict[str, Any]], Any], take: Callable[[Any], bool]) -> str:
        """Read all pages, up to the first item for which `take` is true; returns why items may be missing, else empty.

        A list that changes is read from its start again, so that `take` may get an item twice.
        """
        for _ in range(LISTINGS):
            gap, again = self._once_through(get, take)
            if not again:
                break
        return gap

    def _once_through(self, get: Callable[[dict[str, Any]], Any], take: Callable[[Any], bool]) -> tuple[str, bool]:
        """The reason why items may be missing, and whether that may be better when the list is read again."""
        seen: set[str] = set()
        after: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            page = Page(self._json("list", partial(get, after)))
            if not page.readable:
                return "a page of the list has no entries that can be read", False
            if page.ids and seen.issuperset(page.ids):
                # Whoever ignores `after` and says nothing of more pages has shown all there is.
                gap = "" if page.last is None else "the list repeats itself"
                return gap, bool(gap)
            if any(map(take, page.items)) or page.last or (page.last is None and not page.items):
                return "", False
            if not page.cursor or after.get("after") == page.cursor:
                return "the list promises more entries than it shows", False
            seen.update(page.ids)
            after = {"after": page.cursor}
        return f"the list has more than {MAX_PAGES} pages", False


def _is_stranger(item: object) -> bool:
    """Whether an entry of a list, of any form, says by its metadata that it is no batch of ours."""
    metadata = read_metadata(item)
    return bool(metadata) and METADATA_NAME not in metadata


def _delimited(headers: Mapping[str, str]) -> bool:
    """Whether HTTP itself notices a body that is cut off."""
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("the reply is nested too deeply") from None


def _client(base_url: str | None, api_key: Callable[[], str], guard: Guard) -> openai.OpenAI:
    def sign(request: Any) -> None:
        request.headers["Authorization"] = f"Bearer {api_key()}"

    hooks: dict[str, list[Callable[..., Any]]] = {"request": [guard.sending, sign], "response": [guard.answered]}
    return openai.OpenAI(
        api_key=SET_WHEN_SENT,
        base_url=base_url,
        max_retries=0,
        timeout=openai.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
        default_headers={"Accept-Encoding": "identity"},
        http_client=openai.DefaultHttpxClient(follow_redirects=False, event_hooks=hooks, mounts=past_proxies(base_url)),
    )


def _scope(origin: str, client: openai.OpenAI, api_key: Callable[[], str]) -> str:
    """The first 64 bits of a SHA-256: enough to distinguish accounts, useless to find the key."""
    parts = (origin, client.organization or "", client.project or "", api_key())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
