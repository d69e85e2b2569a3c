"""The OpenAI SDK as a backend: one HTTP request per call, no retries, no redirects, no key in a field."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import openai

from pytest_batcheval.backends.api_key import SET_WHEN_SENT, supplier
from pytest_batcheval.backends.errors import (
    ProviderFailure,
    Stopped,
    TransientFailure,
    UnknownOutcome,
)
from pytest_batcheval.backends.local_files import written
from pytest_batcheval.backends.protocol import METADATA_NAME, BatchList, RemoteBatch, RemoteFile
from pytest_batcheval.backends.provider_connection import CONNECT_TIMEOUT, TIMEOUT, ProviderConnection, checked
from pytest_batcheval.backends.reply_limits import Guard
from pytest_batcheval.backends.reply_readers import Page, read_batch, read_file, read_metadata
from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities

PAGE = 100
"""Items requested in one page of a list, the most the API gives of batches."""

MAX_PAGES = 1000
LISTINGS = 3
"""Times that a list is read from its start while it changes, before it counts as incomplete."""


class OpenAIBatch(ProviderConnection):
    """A `Backend` on the OpenAI SDK, for OpenAI and for servers that speak its Batch API."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        scope: str | None = None,
        guard: Guard | None = None,
        capabilities: Capabilities = PROVIDERS["openai"],
    ) -> None:
        """Connect to `base_url` with `api_key`, else by the provider's environment variables.

        `scope` names the account in the journal; `None` makes a fingerprint of base URL, organisation,
        project and key. `guard` limits replies.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the provider's own does not answer.
        """
        key = supplier(api_key, capabilities.key_from)
        del api_key  # a traceback may show the locals of this frame
        given = base_url or os.environ.get(capabilities.base_url_from) or capabilities.base_url
        self._sdk: openai.OpenAI | None = None
        self._came: dict[str, int] = {}
        super().__init__(capabilities, given.rstrip("/") + "/", key, scope, guard)

    @property
    def _client(self) -> openai.OpenAI:
        if self._sdk is None:
            self._sdk = openai.OpenAI(
                api_key=SET_WHEN_SENT,
                base_url=str(self.http.base_url),
                max_retries=0,
                http_client=self.http,
                timeout=openai.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
                default_headers={"Accept-Encoding": "identity"},
            )
        return self._sdk

    def account(self) -> tuple[str, ...]:
        """Organisation and project."""
        return self._client.organization or "", self._client.project or ""

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file; a copy that an earlier try may have left costs nothing."""
        purpose: Any = self.capabilities.purpose
        with path.open("rb") as stream:
            if self.capabilities.upload_path:
                form = {"purpose": purpose, "file_name": filename}
                given = {"file": (filename, stream)}
                url = self.capabilities.upload_path
                reply = self.json("upload", lambda: checked(self.http.post(url, data=form, files=given)))
            else:
                files = self._client.files.with_raw_response
                reply = self.json("upload", lambda: files.create(file=(filename, stream), purpose=purpose))
        file = read_file(reply)
        if file is None:
            raise TransientFailure("unreadable", "the reply to an upload has no file id")
        return file

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name, searched for on all pages."""
        found: list[RemoteFile] = []

        def take(item: Any) -> bool:
            file = read_file(item)
            if file is not None and file.filename == filename:
                found.append(file)
            return bool(found)

        self._all_files(take)
        return found[0] if found else None

    def get_file(self, file_id: str) -> RemoteFile:
        """Get an uploaded file."""
        files = self._client.files.with_raw_response
        file = read_file(self.json("retrieve", lambda: files.retrieve(file_id)))
        if file is None:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not file {file_id}")
        return file

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch; any reply but a clear yes or no raises `UnknownOutcome`."""
        window: Any = self.capabilities.windows[0]
        reply = self.json(
            "create",
            lambda: self._client.batches.with_raw_response.create(
                input_file_id=file_id,
                endpoint=endpoint,  # type: ignore[arg-type] # the server says which it knows
                completion_window=window,
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
        wanted, found, unreadable = set(enough), dict[str, RemoteBatch](), list[Any]()

        def take(item: Any) -> bool:
            batch = self._read(item)
            if batch is not None:
                found[batch.id] = batch
            elif not _is_stranger(item):
                unreadable.append(item)
            return bool(wanted) and found.keys() >= wanted

        gap = self._all_batches(take)
        return BatchList(found.values(), gap or ("entries of the list cannot be read" if unreadable else ""))

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Get one batch; it has the id that was asked for, whatever id the reply shows."""
        batch = self._read(self._asked("retrieve", batch_id), batch_id)
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

        came, delimited = self.ask("content", stream)
        if not delimited and self._came.get(file_id) != came and came < (self._size(file_id) or 0):
            self._came[file_id] = came
            raise TransientFailure("truncated", f"file {file_id} came with {came} bytes, fewer than the provider has")
        part.replace(target)

    def delete_file(self, file_id: str) -> None:
        """Delete a file; a 404 raises `Refused`, because a new file may give it too.

        Only the provider's own reply counts, not the page of a proxy: requests may be sent again because of it.
        """
        reply = self.json("delete", lambda: self._client.files.with_raw_response.delete(file_id))
        if not isinstance(reply, dict) or reply.get("deleted") is not True:
            raise TransientFailure("unreadable", f"the reply to a deletion does not say that {file_id} was deleted")

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask to stop a batch; one that has already ended is returned as it is.

        Where the reply is unclear, the batch is retrieved.
        """
        try:
            batch = self._read(self._asked("cancel", batch_id))
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

    def _read(self, seen: object, asked: str = "") -> RemoteBatch | None:
        """A batch from parsed JSON; the arguments are those of `read_batch`."""
        return read_batch(seen, asked)

    def _asked(self, call: Literal["retrieve", "cancel"], batch_id: str) -> Any:
        """The reply about one batch, parsed."""
        batches = self._client.batches.with_raw_response
        return self.json(call, lambda: (batches.retrieve if call == "retrieve" else batches.cancel)(batch_id))

    def _all_batches(self, take: Callable[[Any], bool]) -> str:
        """Read the list of batches; takes and returns what `_all` does."""
        batches = self._client.batches.with_raw_response
        return self._all(lambda after: batches.list(limit=PAGE, **after), take)

    def _all_files(self, take: Callable[[Any], bool]) -> str:
        """Read the list of input files; takes and returns what `_all` does."""
        files = self._client.files.with_raw_response
        return self._all(lambda after: files.list(purpose=self.capabilities.purpose, limit=PAGE, **after), take)

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
            page = Page(self.json("list", partial(get, after)))
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
