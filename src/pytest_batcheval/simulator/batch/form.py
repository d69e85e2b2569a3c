"""The rules of a dialect's files and batches, and the form of their result lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_batcheval.simulator import ids
from pytest_batcheval.wire.endpoints import ENDPOINTS

DAY = 86_400
BATCH = "batch"
"""OpenAI's word for the purpose of an input file; files are kept under it."""

ResultLine = Callable[[str, str, Mapping[str, Any] | None, Mapping[str, Any] | None], dict[str, Any]]
"""A line from id, custom_id, response and error; its error has the code and message that OpenAI's has."""


def openai_line(
    name: str, custom_id: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A line of an output or error file."""
    return {"id": name, "custom_id": custom_id, "response": response, "error": error}


@dataclass(frozen=True)
class BatchForm:
    """One provider's files and batches, as far as they differ in more than how they are shown.

    Attributes:
        line: its result lines.
        inline: whether a create brings the requests, or reads them; they are not validated before they run, and their
            results are in one file.
        fails: whether a batch can fail as a whole.
        partial: whether a batch that is cancelled or expires has the results of the requests that were run.
        expires: whether a batch that takes longer than its completion window ends then.
        windows: seconds of the completion windows by name, the usual one first.
        endpoints: paths whose requests a batch can hold.
        purpose: the provider's word for the purpose of an input file.
        short_lines: whether a line may leave out `method` and `url`.
        copies: whether a create copies the lines, so that the input file may be deleted after it.
        paged: whether the list of batches has pages.
        pending_seconds: time from an upload until a batch can be created of the file.
        file_id: an id of a file from parts of its own.
    """

    line: ResultLine = openai_line
    inline: bool = False
    fails: bool = True
    partial: bool = True
    expires: bool = True
    windows: Mapping[str, int] = field(default_factory=lambda: {"24h": DAY})
    endpoints: tuple[str, ...] = ENDPOINTS
    purpose: str = BATCH
    short_lines: bool = False
    copies: bool = False
    paged: bool = True
    pending_seconds: float = 0
    file_id: Callable[..., str] = ids.file_id


OPENAI_FORM = BatchForm()
