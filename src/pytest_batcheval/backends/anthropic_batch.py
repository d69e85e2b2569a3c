"""Anthropic's Message Batches as a backend: requests inline, no input file, no metadata, results as a stream.

A batch carries our mark in its `custom_id`s only, which nobody sees before it has ended. So a batch that runs is
nobody's by its looks, and one that has ended says by its first result whose it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_batcheval.backends.anthropic_replies import custom_id_of, output_line, read_batch
from pytest_batcheval.backends.api_key import supplier
from pytest_batcheval.backends.base_url import api_url
from pytest_batcheval.backends.custom_id_mark import Marker, read_mark
from pytest_batcheval.backends.errors import Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import BatchList, RemoteBatch, RemoteFile
from pytest_batcheval.backends.provider_connection import ProviderConnection, checked
from pytest_batcheval.backends.reply_limits import Guard
from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.wire.lines import chunks, split_lines

PAGE = 100
MAX_PAGES = 1000

BATCHES = "messages/batches"
VERSION = "2023-06-01"
"""Of the API, in the header `anthropic-version`."""

GONE = {"made by": "unknown, since its results are gone"}
OTHERS = {"made by": "others"}
"""The metadata of a batch that has ended and is none of ours."""


class AnthropicBatch(ProviderConnection):
    """A `Backend` for Anthropic's Message Batches API, and for servers that speak it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        scope: str | None = None,
        guard: Guard | None = None,
        capabilities: Capabilities = PROVIDERS["anthropic"],
    ) -> None:
        """Connect to `base_url`, with or without its `/v1`; the arguments are those of `OpenAIBatch`.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the provider's own does not answer.
        """
        key = supplier(api_key, capabilities.key_from)
        del api_key  # a traceback may show the locals of this frame
        given = base_url or os.environ.get(capabilities.base_url_from) or capabilities.base_url
        self._inputs: dict[str, Path] = {}
        self._marks: dict[str, Mapping[str, str]] = {}
        super().__init__(capabilities, api_url(capabilities, given) + "/", key, scope, guard)

    def sign(self, request: Any) -> None:
        """Put key and version into a request as it leaves."""
        request.headers["x-api-key"] = self._key()
        request.headers["anthropic-version"] = VERSION

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Note the input file, which goes out with the create."""
        self._inputs[filename] = path
        return RemoteFile(filename, path.stat().st_size, filename)

    def find_file(self, filename: str) -> RemoteFile | None:
        """The input file that was noted."""
        path = self._inputs.get(filename)
        return None if path is None else RemoteFile(filename, path.stat().st_size, filename)

    def get_file(self, file_id: str) -> RemoteFile:
        """The input file that was noted."""
        file = self.find_file(file_id)
        if file is None:
            raise Refused("no_input_file", "this provider keeps no input files", 404)
        return file

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch of the noted file; any reply but a clear yes or no raises `UnknownOutcome`."""
        marker = Marker(metadata)
        with self._inputs[file_id].open("rb") as stream:
            # The API takes no chunked body without its length, and no more than 256 MB.
            body = b"".join(_create_body(chunks(stream), marker))
        reply = self.json("create", lambda: checked(self.http.post(BATCHES, content=body, headers=_JSON)))
        batch = read_batch(reply)
        if batch is None:
            raise UnknownOutcome("unreadable", "the reply to a create is not a batch")
        return batch

    def list_batches(self, enough: Collection[str] = ()) -> BatchList:
        """All batches, every page, each once; those that have ended with their mark as metadata."""
        wanted, found = set(enough), dict[str, RemoteBatch]()
        after: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = self.json("list", partial(self._page, after))
            entries = page.get("data") if isinstance(page, dict) else None
            if not isinstance(entries, list):
                return BatchList(found.values(), "a page of the list has no entries that can be read")
            read = [read_batch(entry) for entry in entries]
            found |= {batch.id: self._marked(batch) for batch in read if batch is not None}
            if None in read:
                return BatchList(found.values(), "entries of the list cannot be read")
            if not page.get("has_more") or (wanted and found.keys() >= wanted):
                return BatchList(found.values())
            if not page.get("last_id") or after.get("after_id") == page["last_id"]:
                return BatchList(found.values(), "the list promises more entries than it shows")
            after = {"after_id": str(page["last_id"])}
        return BatchList(found.values(), f"the list has more than {MAX_PAGES} pages")

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Get one batch."""
        reply = self.json("retrieve", lambda: checked(self.http.get(f"{BATCHES}/{batch_id}")))
        batch = read_batch(reply, batch_id)
        if batch is None:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not batch {batch_id}")
        return batch

    def download(self, file_id: str, target: Path) -> None:
        """Write the results of a batch, whose id is that of its output file, as lines of an output file.

        A line that cannot be read is written as it came.

        Raises:
            JournalError: it cannot be stored.
        """
        self.save_lines(f"{BATCHES}/{file_id}/results", target, output_line)

    def delete_file(self, file_id: str) -> None:
        """Refuse: a create that is under way cannot be stopped by a deletion.

        Raises:
            Refused: always.
        """
        raise Refused("no_input_file", "this provider keeps no input files, so that none can be deleted", 405)

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask to stop a batch; one that has already ended is returned as it is."""
        try:
            url = f"{BATCHES}/{batch_id}/cancel"
            reply = self.json("cancel", lambda: checked(self.http.post(url, content=b"{}", headers=_JSON)))
        except Stopped:
            raise
        except (Refused, TransientFailure) as failure:
            if failure.status_code == 429:
                raise
            found = self.retrieve(batch_id)
            if not (found.terminal or found.status == "cancelling"):
                raise
            return found
        return read_batch(reply, batch_id) or self.retrieve(batch_id)

    def _marked(self, batch: RemoteBatch) -> RemoteBatch:
        """A batch that has ended, with the mark of its first result as metadata."""
        if not batch.terminal or not batch.output_file_id:
            return batch
        if batch.id not in self._marks:
            try:
                self._marks[batch.id] = self.ask("content", lambda: self._first_mark(batch.id))
            except Stopped:
                raise
            except Refused:
                self._marks[batch.id] = GONE
        return replace(batch, metadata=self._marks[batch.id])

    def _page(self, after: Mapping[str, str]) -> Any:
        return checked(self.http.get(BATCHES, params={"limit": str(PAGE), **after}))

    def _first_mark(self, batch_id: str) -> Mapping[str, str]:
        """The mark of the first result that can be read."""
        with self.streamed(f"{BATCHES}/{batch_id}/results") as pieces:
            ids = (custom_id_of(line) for _, line, _ in split_lines(pieces))
            mark = read_mark(next(filter(None, ids), ""))
        return OTHERS if mark is None else mark.metadata


_JSON = {"content-type": "application/json"}


def _create_body(pieces: Iterator[bytes], marker: Marker) -> Iterator[bytes]:
    """The body of a create from the lines of an input file, whose bodies stay as they are."""
    yield b'{"requests":['
    comma = b""
    for _, line, _ in split_lines(pieces):
        entry = json.loads(line)
        request = {"custom_id": marker.custom_id(entry["custom_id"]), "params": entry["body"]}
        yield comma + json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
        comma = b","
    yield b"]}"
