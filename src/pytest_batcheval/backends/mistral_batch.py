"""Mistral's batch API as a backend: files as OpenAI has them, jobs of one model each, lists in numbered pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pytest_batcheval.backends.api_key import supplier
from pytest_batcheval.backends.errors import Refused, UnknownOutcome
from pytest_batcheval.backends.fields import Fields, count, read_mapping
from pytest_batcheval.backends.local_files import written
from pytest_batcheval.backends.mistral_replies import model_of, read_job, short_lines
from pytest_batcheval.backends.openai_batch import LISTINGS, MAX_PAGES, PAGE, OpenAIBatch
from pytest_batcheval.backends.protocol import RemoteBatch, RemoteFile
from pytest_batcheval.backends.provider_connection import checked
from pytest_batcheval.backends.reply_limits import Guard
from pytest_batcheval.backends.reply_readers import Page
from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.wire.lines import chunks

JOBS = "batch/jobs"


class MistralBatch(OpenAIBatch):
    """A `Backend` for Mistral's batch API, and for servers that speak it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        scope: str | None = None,
        guard: Guard | None = None,
        capabilities: Capabilities = PROVIDERS["mistral"],
    ) -> None:
        """Connect to `base_url`; the arguments are those of `OpenAIBatch`.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the provider's own does not answer.
        """
        key = supplier(api_key, capabilities.key_from)
        del api_key  # a traceback may show the locals of this frame
        self._models: dict[str, str] = {}
        super().__init__(base_url, key, scope, guard, capabilities)

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file, its lines in this API's form; a copy that an earlier try may have left costs nothing.

        Raises:
            JournalError: the lines cannot be written beside `path`.
        """
        short = path.with_name(f"{path.name}.short")
        try:
            with path.open("rb") as stream:
                self._models[filename] = model_of(stream.readline())
                stream.seek(0)
                written(short, short_lines(chunks(stream)))
            return self._known(super().upload(short, filename), filename)
        finally:
            short.unlink(missing_ok=True)

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name, if it was uploaded here: of another the model is not known."""
        file = super().find_file(filename) if filename in self._models else None
        return None if file is None else self._known(file, filename)

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a job; any reply but a clear yes or no raises `UnknownOutcome`."""
        if file_id not in self._models:
            raise Refused("unknown_model", f"file {file_id} was uploaded elsewhere, so its model is not known", 404)
        asked: dict[str, Any] = {
            "input_files": [file_id],
            "model": self._models[file_id],
            "endpoint": endpoint,
            "timeout_hours": int(self.capabilities.windows[0].removesuffix("h")),
            **({"metadata": dict(metadata)} if metadata else {}),
        }
        batch = read_job(self.json("create", lambda: checked(self.http.post(JOBS, json=asked))))
        if batch is None:
            raise UnknownOutcome("unreadable", "the reply to a create is not a job")
        return batch

    def _known(self, file: RemoteFile, filename: str) -> RemoteFile:
        self._models[file.id] = self._models[filename]
        return file

    def _read(self, seen: object, asked: str = "") -> RemoteBatch | None:
        return read_job(seen, asked)

    def _asked(self, call: Literal["retrieve", "cancel"], batch_id: str) -> Any:
        job = f"{JOBS}/{batch_id}"
        request = partial(self.http.get, job) if call == "retrieve" else partial(self.http.post, f"{job}/cancel")
        return self.json(call, lambda: checked(request()))

    def _all_batches(self, take: Callable[[Any], bool]) -> str:
        return self._numbered(JOBS, {}, take)

    def _all_files(self, take: Callable[[Any], bool]) -> str:
        return self._numbered("files", {"purpose": self.capabilities.purpose}, take)

    def _numbered(self, path: str, query: Mapping[str, str], take: Callable[[Any], bool]) -> str:
        """Read a list in numbered pages; takes and returns what `_all` does."""
        for _ in range(LISTINGS):
            gap = self._once_numbered(path, query, take)
            if not gap:
                break
        return gap

    def _once_numbered(self, path: str, query: Mapping[str, str], take: Callable[[Any], bool]) -> str:
        """The reason why items may be missing: an item that comes or goes meanwhile moves others between pages."""
        seen: set[str] = set()
        totals: set[int | None] = set()
        for number in range(MAX_PAGES):
            reply = self.json("list", partial(self._page, path, {**query, "page": str(number)}))
            page, new = Page(reply), len(seen)
            if not page.readable:
                return "a page of the list has no entries that can be read"
            if any(map(take, page.items)):
                return ""
            seen.update(page.ids)
            total = count(Fields(read_mapping(reply)).get("total"))
            totals.add(total)
            short = total is not None and len(seen) < total
            if len(seen) == new or not (short or len(page.items) >= PAGE):  # a total alone is not believed
                break
        else:
            return f"the list has more than {MAX_PAGES} pages"
        if len(totals) > 1:
            return "the list changed while it was read"
        return "the list promises more entries than it shows" if short else ""

    def _page(self, path: str, query: Mapping[str, str]) -> Any:
        return checked(self.http.get(path, params={**query, "page_size": str(PAGE)}))
