"""The form of a dialect's batches while they run, and of their result lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ResultLine = Callable[[str, str, Mapping[str, Any] | None, Mapping[str, Any] | None], dict[str, Any]]
"""A line from id, custom_id, response and error; its error has the code and message that OpenAI's has."""


def openai_line(
    name: str, custom_id: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A line of an output or error file."""
    return {"id": name, "custom_id": custom_id, "response": response, "error": error}


@dataclass(frozen=True)
class BatchForm:
    """One provider's batches, as far as they differ while they run.

    Attributes:
        line: its result lines.
        inline: whether a create brings the requests, which are not validated before they run; their results are in
            one file, and a batch never fails as a whole.
        expires: whether a batch that takes longer than its completion window ends then.
    """

    line: ResultLine = openai_line
    inline: bool = False
    expires: bool = True


OPENAI_FORM = BatchForm()
