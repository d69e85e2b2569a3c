"""The API key: asked for when it is needed, held by no field and no frame that an error could show."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pytest_batcheval.errors import UsageError

SET_WHEN_SENT = "set-when-sent"
"""A placeholder that the SDK's clients hold; the key itself is put into each request as it leaves."""


USUAL = ("OPENAI_API_KEY",)


def key_from_environment(names: Sequence[str] = USUAL) -> str:
    """The API key from the SDK's own variable; the first that is set counts.

    Raises:
        UsageError: none is set.
    """
    key = next((found for name in names if (found := os.environ.get(name, ""))), "")
    if not key:
        raise UsageError(
            f"{' or '.join(names)} is not set; set it, or use the simulator: pytest --batch-backend=simulator, "
            "batcheval --backend simulator"
        )
    return key


def supplier(api_key: str | Callable[[], str] | None, names: Sequence[str] = USUAL) -> Callable[[], str]:
    """A function that gives the key, so that no field of ours holds it; by default from these variables."""

    def key() -> str:
        if isinstance(api_key, str):
            return api_key.strip()
        return (key_from_environment(names) if api_key is None else api_key()).strip()

    return key


def check(key: Callable[[], str]) -> None:
    """Check the key before a header is made of it, whose error would show it.

    Raises:
        UsageError: there is none, or it cannot stand in a header.
    """
    if not all("!" <= character <= "~" for character in key()):
        raise UsageError("the API key contains a character that no API key has; copy it again")
