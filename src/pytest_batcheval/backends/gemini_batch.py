"""Gemini's batch mode as a backend: an input file by a resumable upload, batches by name, responses as a file.

A batch has one model, which is in the URL of its create. Requests that a create could bring itself are not used: their
responses come with every look at the batch, and only their order or their metadata says whose they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from pytest_batcheval.backends.api_key import supplier
from pytest_batcheval.backends.base_url import api_url
from pytest_batcheval.backends.errors import (
    Call,
    ProviderFailure,
    Refused,
    Stopped,
    TransientFailure,
    UnknownOutcome,
)
from pytest_batcheval.backends.gemini_replies import (
    display_name,
    input_line,
    model_path,
    output_line,
    read_batch,
    read_file,
)
from pytest_batcheval.backends.protocol import BatchList, RemoteBatch, RemoteFile
from pytest_batcheval.backends.provider_connection import ProviderConnection, checked
from pytest_batcheval.backends.reply_limits import Guard
from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.wire.lines import chunks, split_lines

T = TypeVar("T")

PAGE = 100
MAX_PAGES = 1000
VERSION = "v1beta/"

_MAY_NOT_EXIST = "may not exist"
_WRONG_KEY = "API key not valid"
"""Words by which a refusal says something else than its status: 403 of a file that is gone, 400 of a wrong key."""


class GeminiBatch(ProviderConnection):
    """A `Backend` for the batch mode of Google's Gemini API, and for servers that speak it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        scope: str | None = None,
        guard: Guard | None = None,
        capabilities: Capabilities = PROVIDERS["gemini"],
    ) -> None:
        """Connect to `base_url`, with or without its `/v1beta`; the arguments are those of `OpenAIBatch`.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the provider's own does not answer.
        """
        key = supplier(api_key, capabilities.key_from)
        del api_key  # a traceback may show the locals of this frame
        given = base_url or os.environ.get(capabilities.base_url_from) or capabilities.base_url
        self._models: dict[str, str] = {}
        super().__init__(capabilities, api_url(capabilities, given) + "/", key, scope, guard)

    def sign(self, request: Any) -> None:
        """Put the key into a request as it leaves."""
        request.headers["x-goog-api-key"] = self._key()

    def ask(self, call: Call, request: Callable[[], T]) -> T:
        """Make one HTTP request; a file that is gone is a 404, and a wrong key stops the run.

        Raises:
            ProviderFailure: it failed.
        """
        failure: ProviderFailure
        try:
            return super().ask(call, request)
        except (Refused, Stopped) as refusal:
            failure = refusal
        details = (failure.cause, failure.message, failure.status_code, failure.request_id)
        if failure.status_code == 403 and _MAY_NOT_EXIST in failure.message:
            failure = Refused(*details[:2], 404, failure.request_id)
        elif failure.status_code == 400 and _WRONG_KEY in failure.message:
            failure = Stopped(*details)
        raise failure

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file in two calls: one that announces it, and one with all its bytes, which ends it.

        An upload that was announced and not ended leaves nothing behind; a copy costs nothing.
        """
        with path.open("rb") as stream:
            self._models[filename] = model_path(next(split_lines(chunks(stream)))[1])
        size = sum(map(len, _input_lines(path)))
        url = self._announced(filename, size)
        headers = {"Content-Length": str(size), "X-Goog-Upload-Offset": "0", **_command("upload, finalize")}
        reply = self.json("upload", lambda: checked(self.http.post(url, content=_input_lines(path), headers=headers)))
        file = read_file(reply)
        if file is None:
            raise TransientFailure("unreadable", "the reply to an upload has no file name")
        self._models[file.id] = self._models[filename]
        return file

    def _announced(self, filename: str, size: int) -> str:
        """Announce a file, and return the URL for its bytes, at the host that has our key: the header names any."""
        root = str(self.http.base_url).removesuffix(VERSION)
        headers = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Header-Content-Length": str(size),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
            **_command("start"),
        }
        about = {"file": {"displayName": filename, "mimeType": "application/jsonl"}}
        post = partial(self.http.post, f"{root}upload/{VERSION}files", json=about, headers=headers)
        given = self.ask("upload", lambda: urlsplit(checked(post()).headers.get("x-goog-upload-url", "")))
        if not given.path:
            raise TransientFailure("unreadable", "the reply to the announcement of an upload names no URL for it")
        here = urlsplit(str(self.http.base_url))
        return str(given._replace(scheme=here.scheme, netloc=here.netloc).geturl())

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name, searched for on all pages."""
        for entries, _ in self._pages("files"):
            for file in filter(None, map(read_file, entries)):
                if file.filename == filename:
                    self._models[file.id] = self._models.get(filename, "")
                    return file
        return None

    def get_file(self, file_id: str) -> RemoteFile:
        """Get an uploaded file."""
        file = read_file(self.json("retrieve", lambda: checked(self.http.get(file_id))))
        if file is None:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not {file_id}")
        return file

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch of a file that was uploaded here; any reply but a clear yes or no raises `UnknownOutcome`."""
        model = self._models.get(file_id)
        if not model:
            raise Refused(
                "unknown_model", f"{file_id} was not uploaded by this process, so its model is not known", 404
            )
        batch = {"displayName": display_name(metadata, idempotency_key), "inputConfig": {"fileName": file_id}}
        post = partial(self.http.post, f"{quote(model)}:batchGenerateContent", json={"batch": batch})
        found = read_batch(self.json("create", lambda: checked(post())))
        if found is None:
            raise UnknownOutcome("unreadable", "the reply to a create is not a batch")
        return found

    def list_batches(self, enough: Collection[str] = ()) -> BatchList:
        """All batches, every page, each once."""
        wanted, found, why = set(enough), dict[str, RemoteBatch](), ""
        for entries, why in self._pages("batches", "operations"):  # noqa: B007 - that of the last page
            read = [read_batch(entry) for entry in entries]
            found |= {batch.id: batch for batch in read if batch is not None}
            if None in read:
                return BatchList(found.values(), "entries of the list cannot be read")
            if wanted and found.keys() >= wanted:
                return BatchList(found.values())
        return BatchList(found.values(), why)

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Get one batch."""
        reply = self.json("retrieve", lambda: checked(self.http.get(batch_id)))
        batch = read_batch(reply, batch_id)
        if batch is None:
            raise TransientFailure("unreadable", f"the reply to a retrieve is not batch {batch_id}")
        return batch

    def download(self, file_id: str, target: Path) -> None:
        """Write a file of responses as lines of an output file; a line that cannot be read is written as it came.

        Raises:
            JournalError: it cannot be stored.
        """
        self.save_lines(f"{file_id}:download", target, output_line, alt="media")

    def delete_file(self, file_id: str) -> None:
        """Delete a file; only the API's own reply counts, which is an empty object."""
        reply = self.json("delete", lambda: checked(self.http.delete(file_id)))
        if reply != {}:
            raise TransientFailure("unreadable", f"the reply to a deletion does not say that {file_id} was deleted")

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask to stop a batch, and get it as it is then; one that has ended stays as it is."""
        try:
            self.json("cancel", lambda: checked(self.http.post(f"{batch_id}:cancel")))
        except Stopped:
            raise
        except (Refused, TransientFailure) as failure:
            if failure.status_code == 429:
                raise
            found = self.retrieve(batch_id)
            if not found.terminal:
                raise
            return found
        return self.retrieve(batch_id)

    def _pages(self, path: str, member: str = "") -> Iterator[tuple[list[Any], str]]:
        """The entries of each page of a list, and why others may be missing after it; empty when none are."""
        params = {"pageSize": str(PAGE)}
        for number in range(1, MAX_PAGES + 1):
            page = self.json("list", partial(self._page, path, params))
            entries = _entries(page, member or path)
            token = page.get("nextPageToken") if entries is not None else None
            if entries is None or (token and token == params.get("pageToken")):
                why = "has no entries that can be read" if entries is None else "is followed by itself"
                yield entries or [], f"a page of the list {why}"
                return
            yield entries, f"the list has more than {MAX_PAGES} pages" if token and number == MAX_PAGES else ""
            if not token:
                return
            params = {**params, "pageToken": str(token)}

    def _page(self, path: str, params: Mapping[str, str]) -> Any:
        return checked(self.http.get(path, params=params))


def _entries(page: object, member: str) -> list[Any] | None:
    """The entries of a page, of which an empty one has no such member; `None` where it cannot be read."""
    if not isinstance(page, dict):
        return None
    found = page.get(member, [] if page.keys() <= {"nextPageToken"} else None)
    return found if isinstance(found, list) else None


def _command(command: str) -> dict[str, str]:
    return {"X-Goog-Upload-Command": command}


def _input_lines(path: Path) -> Iterator[bytes]:
    """The lines of Gemini's input file from one of OpenAI's form."""
    with path.open("rb") as stream:
        for _, line, _ in split_lines(chunks(stream)):
            yield input_line(line)
