"""Requests that may be too long for their model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.backends.price_table import context_window
from pytest_batcheval.engine.pricing import estimate_tokens, input_tokens, output_limit
from pytest_batcheval.wire.endpoints import EMBEDDINGS
from pytest_batcheval.wire.objects import Request

CLEARLY = 1.2
"""Times the window from which a request is told not to fit: tokens are estimated within some 20 %."""

SMALL = 4096
"""Tokens that every model takes; for fewer no table is asked."""

MOST_A_BYTE = 1 / 3
"""Tokens of a byte of UTF-8 at most, as `pricing` estimates them: one for a Chinese character."""


@dataclass(frozen=True)
class Excess:
    """A request over its model's context window, in estimated tokens.

    Attributes:
        given, written: tokens of its texts, and those that its answer may have.
        window: of its model.
    """

    given: int
    written: int
    window: int

    @property
    def clear(self) -> bool:
        """Whether it does not fit whatever the error of the estimate."""
        return self.given + self.written > CLEARLY * self.window


def excess_of(request: Request) -> Excess | None:
    """The excess of a request over its model's window; `None` where it fits, or the window is not known.

    Images and files within a body, and texts that the provider cuts by itself, are not counted.
    """
    body, written = request.body, output_limit(request.body) or 0
    if len(request.line()) * MOST_A_BYTE + written <= SMALL or body.get("truncation") == "auto":
        return None
    window = context_window(request.model)
    if window is None:
        return None
    given = _longest(body) if request.url == EMBEDDINGS else input_tokens(_without_data(body))
    return Excess(given, written, window) if given + written > window else None


def _longest(body: Mapping[str, Any]) -> int:
    """Tokens of the longest of several texts, each of which has the window for itself."""
    texts = body.get("input")
    each = texts if isinstance(texts, (list, tuple)) else [texts]
    return max((estimate_tokens(text) for text in each if isinstance(text, str)), default=0)


def _without_data(value: Any) -> Any:
    """A body whose data (base64) is left out."""
    if isinstance(value, Mapping):
        data = value.get("type") in ("input_audio", "file", "input_file", "input_image", "image_url")
        return {} if data else {name: _without_data(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_data(inner) for inner in value]
    return value
