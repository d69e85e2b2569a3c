"""The OpenAI SDK as a backend: one HTTP request a call, no retries, no redirects, no key in a field."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from pytest_batcheval.backends.faults import Call, Fault, Passing, Refused, Unknown, classify
from pytest_batcheval.backends.protocol import RemoteBatch, RemoteFile, read_batch, read_file
from pytest_batcheval.wire.errors import ProviderError, UsageError
from pytest_batcheval.wire.origin import (
    CLOCK_HEADER,
    RESPONDENT_HEADER,
    SIMULATOR_HEADER,
    SIMULATOR_NAME,
    provider_origin,
    simulator_origin,
)

PAGE = 100
MAX_PAGES = 1000
MAX_DOWNLOAD = 2 * 2**30
"""Bytes of the largest result file that is read."""

TIMEOUT = 600.0
"""Seconds until a silent call is given up; the SDK's own default."""


@dataclass(frozen=True)
class Identity:
    """Who answers at a base URL; `clock_address` is `host:port` of a simulator's virtual clock."""

    origin: str
    clock_address: str | None = None


class OpenAIBatch:
    """A `Backend` on the OpenAI SDK, for OpenAI and for servers that speak its Batch API.

    Attributes:
        clock_address: where a simulator's virtual clock listens; `None` for a provider.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        scope: str | None = None,
    ) -> None:
        """Connect to `base_url` with `api_key`, else as the SDK's environment variables say.

        `scope` names the account in the journal; `None` makes a fingerprint of base URL, organisation,
        project and key.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the default does not answer.
        """
        key = _supplier(api_key)
        self._client = _client(base_url, key)
        self.base_url = str(self._client.base_url)
        usual = provider_origin(self.base_url) == "https://api.openai.com/v1"
        identity = Identity(provider_origin(self.base_url)) if usual else self.probe()
        self.origin, self.clock_address = identity.origin, identity.clock_address
        self.scope = scope or _scope(self.origin, self._client, key)

    def probe(self) -> Identity:
        """Ask the base URL who it is: one GET of its models, whose headers tell a simulator.

        Raises:
            ProviderError: it cannot be reached.
        """
        try:
            headers = self._client.models.with_raw_response.list().headers
        except openai.APIStatusError as error:
            headers = error.response.headers
        except openai.OpenAIError as error:
            raise ProviderError(f"{self.base_url} cannot be reached: {classify('list', error)}") from None
        if headers.get(SIMULATOR_HEADER) != SIMULATOR_NAME:
            return Identity(provider_origin(self.base_url))
        respondent, _, seed = headers.get(RESPONDENT_HEADER, "").rpartition("@")
        return Identity(simulator_origin(respondent, int(seed)), headers.get(CLOCK_HEADER))

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file; a copy that an earlier try may have left costs nothing."""
        with _faults("upload"), path.open("rb") as stream:
            file = read_file(self._client.files.create(file=(filename, stream), purpose="batch"))
        if file is None:
            raise Passing("unreadable", "the reply to an upload names no file")
        return file

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name, looked for on all pages."""
        pages = self._pages(lambda after: self._client.files.list(purpose="batch", limit=PAGE, **after))
        files = (read_file(item) for item in pages)
        return next((file for file in files if file and file.filename == filename), None)

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch; anything but a clear yes or no is `Unknown`."""
        with _faults("create"):
            reply = self._client.batches.create(
                input_file_id=file_id,
                endpoint=endpoint,  # type: ignore[arg-type] # the server says which it knows
                completion_window="24h",
                metadata=dict(metadata),
                extra_headers={"Idempotency-Key": idempotency_key},
            )
        batch = read_batch(reply)
        if batch is None:
            raise Unknown("unreadable", "the reply to a create is no batch")
        return batch

    def list_batches(self) -> list[RemoteBatch]:
        """All batches, every page, each once."""
        items = self._pages(lambda after: self._client.batches.list(limit=PAGE, **after))
        found = {batch.id: batch for batch in map(read_batch, items) if batch is not None}
        return list(found.values())

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """One batch."""
        with _faults("retrieve"):
            batch = read_batch(self._client.batches.retrieve(batch_id))
        if batch is None or batch.id != batch_id:
            raise Passing("unreadable", f"the reply to a retrieve is not batch {batch_id}")
        return batch

    def download(self, file_id: str, target: Path) -> None:
        """Stream a file to `target` and compare its length with what the provider says it is."""
        size = self._size(file_id)
        part = target.with_name(target.name + ".part")
        with _faults("content"), self._client.files.with_streaming_response.content(file_id) as reply:
            written = _write(part, reply.iter_bytes(2**16), MAX_DOWNLOAD if size is None else size)
        if size is not None and written != size:
            raise Passing("truncated", f"file {file_id} has {size} bytes, {written} came")
        part.replace(target)

    def delete_file(self, file_id: str) -> None:
        """Delete a file; a 404 comes as `Refused`, because a fresh file may give it too."""
        with _faults("delete"):
            self._client.files.delete(file_id)

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask to stop a batch; what became of it must be retrieved."""
        with _faults("cancel"):
            batch = read_batch(self._client.batches.cancel(batch_id))
        return batch or self.retrieve(batch_id)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> OpenAIBatch:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _size(self, file_id: str) -> int | None:
        with suppress(Refused), _faults("content"):
            file = read_file(self._client.files.retrieve(file_id))
            return file.bytes if file else None
        return None

    def _pages(self, get: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
        """The items of all pages. A list that repeats itself is a fault: its end would be believed."""
        seen: set[str] = set()
        after: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            with _faults("list"):
                page = get(after)
            items = getattr(page, "data", None)
            if not isinstance(items, list):
                raise Passing("unreadable", "the reply to a list is no list")
            ids = [str(getattr(item, "id", None)) for item in items]
            if ids and seen.issuperset(ids):
                raise Passing("repeating", "the list repeats a page")
            yield from items
            if not items or getattr(page, "has_more", None) is False:
                return
            seen.update(ids)
            after = {"after": ids[-1]}
        raise Passing("endless", f"the list has more than {MAX_PAGES} pages")


def key_from_environment() -> str:
    """The SDK's own variable.

    Raises:
        UsageError: it is not set.
    """
    key = os.environ.get("OPENAI_API_KEY", "")
    if not key:
        raise UsageError("OPENAI_API_KEY is not set; set it, or try everything with --batch-backend=simulator")
    return key


def _supplier(api_key: str | Callable[[], str] | None) -> Callable[[], str]:
    """A function that gives the key, so that no field of ours holds it."""
    if isinstance(api_key, str):
        return lambda: api_key
    return api_key or key_from_environment


def _client(base_url: str | None, api_key: Callable[[], str]) -> openai.OpenAI:
    api_key()  # a missing key is told now, not at the first request
    transport = openai.DefaultHttpxClient(follow_redirects=False)
    return openai.OpenAI(api_key=api_key, base_url=base_url, max_retries=0, timeout=TIMEOUT, http_client=transport)


def _scope(origin: str, client: openai.OpenAI, api_key: Callable[[], str]) -> str:
    """64 bits of SHA-256: enough to tell accounts apart, useless to find the key."""
    parts = (origin, client.organization or "", client.project or "", api_key())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@contextmanager
def _faults(call: Call) -> Iterator[None]:
    """Turn the SDK's exceptions into faults; their tracebacks could show headers, so none is chained."""
    try:
        yield
    except Exception as error:
        fault: Fault = classify(call, error)
        raise fault from None


def _write(part: Path, chunks: Iterator[bytes], limit: int) -> int:
    """Write chunks, on disk when it returns; stops once more than `limit` bytes came."""
    written = 0
    with part.open("wb") as stream:
        for chunk in chunks:
            written += len(chunk)
            if written > limit:
                raise Passing("too long", f"the file is longer than the {limit} bytes it should have")
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    return written
