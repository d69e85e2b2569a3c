"""The OpenAI SDK as a backend: one HTTP request per call, no retries, no redirects, no key in a field."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import openai

from pytest_batcheval.backends.api_key import SET_WHEN_SENT, check, supplier
from pytest_batcheval.backends.errors import (
    Call,
    ProviderFailure,
    Refused,
    Stopped,
    TransientFailure,
    UnknownOutcome,
    classify,
)
from pytest_batcheval.backends.local_files import written
from pytest_batcheval.backends.protocol import RemoteBatch, RemoteFile, read_batch, read_file
from pytest_batcheval.backends.reply_limits import Caps, Guard
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.origin import (
    CLOCK_HEADER,
    RESPONDENT_HEADER,
    SIMULATOR_HEADER,
    SIMULATOR_NAME,
    provider_origin,
    simulator_origin,
)

T = TypeVar("T")

PAGE = 100
"""Items requested in one page of a list, the most the API gives of batches."""

MAX_PAGES = 1000
LISTINGS = 3
"""Times that a list is read from its start while it changes, before it counts as endless."""

CONNECT_TIMEOUT, PROBE_TIMEOUT, TIMEOUT = 10.0, 30.0, 600.0
"""Seconds of silence until a connection, the first call to a server, any other call is given up."""


@dataclass(frozen=True)
class Identity:
    """The server at a base URL; `clock_address` is `host:port` of a simulator's virtual clock."""

    origin: str
    clock_address: str | None = None


class OpenAIBatch:
    """A `Backend` on the OpenAI SDK, for OpenAI and for servers that speak its Batch API.

    Attributes:
        base_url: without a password.
        origin: stored with its answers.
        scope: the account in the journal.
        clock_address: address of a simulator's virtual clock; `None` for a provider.
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
        usual = provider_origin(self.base_url) == "https://api.openai.com/v1"
        identity = Identity(provider_origin(self.base_url)) if usual else self.probe()
        self.origin, self.clock_address = identity.origin, identity.clock_address
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
        return Identity(simulator_origin(respondent, int(seed)), headers.get(CLOCK_HEADER))

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

        def wanted(item: Any) -> bool:
            return isinstance(item, dict) and item.get("filename") == filename

        files = self._client.files.with_raw_response
        items = self._all(lambda after: files.list(purpose="batch", limit=PAGE, **after), wanted)
        return read_file(items[-1]) if items and wanted(items[-1]) else None

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch; any reply but a clear yes or no raises `UnknownOutcome`."""
        reply = self._json(
            "create",
            lambda: self._client.batches.with_raw_response.create(
                input_file_id=file_id,
                endpoint=endpoint,  # type: ignore[arg-type] # the server says which it knows
                completion_window="24h",
                metadata=dict(metadata),
                extra_headers={"Idempotency-Key": idempotency_key},
            ),
        )
        batch = read_batch(reply)
        if batch is None:
            raise UnknownOutcome("unreadable", "the reply to a create is not a batch")
        return batch

    def list_batches(self, enough: Collection[str] = ()) -> list[RemoteBatch]:
        """All batches, every page, each once; fewer pages when they have all ids of `enough`."""
        batches = self._client.batches.with_raw_response
        found: dict[str, RemoteBatch] = {}
        for item in self._all(lambda after: batches.list(limit=PAGE, **after)):
            batch = read_batch(item)
            if batch is None:
                raise TransientFailure("unreadable", "the list has an entry that is not a batch")  # it might be ours
            found[batch.id] = batch
            if enough and found.keys() >= set(enough):
                break
        return list(found.values())

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Get one batch."""
        batches = self._client.batches.with_raw_response
        batch = read_batch(self._json("retrieve", lambda: batches.retrieve(batch_id)))
        if batch is None or batch.id != batch_id:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not batch {batch_id}")
        return batch

    def download(self, file_id: str, target: Path) -> None:
        """Stream a file to `target` and compare its length with the one that the provider reports.

        Raises:
            JournalError: it cannot be stored.
        """
        size = self._size(file_id)
        # A download that an interrupted send left behind may still be writing to its own.
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")

        def stream() -> int:
            with self._client.files.with_streaming_response.content(file_id) as reply:
                return written(part, reply.iter_bytes(2**16), size)

        came = self._ask("content", stream)
        if size is not None and came != size:
            raise TransientFailure("truncated", f"file {file_id} has {size} bytes, and {came} were received")
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
        return batch or self.retrieve(batch_id)

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
        """The file's length; `None` when the provider does not say."""
        try:
            files = self._client.files.with_raw_response
            file = read_file(self._json("content", lambda: files.retrieve(file_id)))
        except Stopped:
            raise
        except Refused:
            return None
        return file.bytes if file else None

    def _all(self, get: Callable[[dict[str, Any]], Any], stop: Callable[[Any], bool] | None = None) -> list[Any]:
        """The items of all pages, up to the first for which `stop` is true.

        Raises:
            Refused: the list does not end. A repetition does not count as its end: batches would seem absent.
        """
        for _ in range(LISTINGS):
            items = self._once_through(get, stop)
            if items is not None:
                return items
        raise Refused("endless", f"the list repeats itself or has more than {MAX_PAGES} pages")

    def _once_through(
        self, get: Callable[[dict[str, Any]], Any], stop: Callable[[Any], bool] | None
    ) -> list[Any] | None:
        """All items; `None` when a page comes again, or one more than there can be."""
        items: list[Any] = []
        seen: set[str] = set()
        after: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            page = self._page(get, after)
            ids = [str(item.get("id")) if isinstance(item, dict) else "" for item in page["data"]]
            if ids and seen.issuperset(ids):
                return None
            for item in page["data"]:
                items.append(item)
                if stop is not None and stop(item):
                    return items
            if not ids or page.get("has_more") is False:
                return items
            seen.update(ids)
            after = {"after": ids[-1]}
        return None

    def _page(self, get: Callable[[dict[str, Any]], Any], after: dict[str, Any]) -> dict[str, Any]:
        page = self._json("list", lambda: get(after))
        if not isinstance(page, dict) or not isinstance(page.get("data"), list):
            raise TransientFailure("unreadable", "the reply to a list is not a list")
        return page


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
        http_client=openai.DefaultHttpxClient(follow_redirects=False, event_hooks=hooks),
    )


def _scope(origin: str, client: openai.OpenAI, api_key: Callable[[], str]) -> str:
    """The first 64 bits of a SHA-256: enough to distinguish accounts, useless to find the key."""
    parts = (origin, client.organization or "", client.project or "", api_key())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
