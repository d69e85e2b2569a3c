"""The most input tokens that the provider keeps waiting for a model, as its refusals name it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pytest_batcheval.backends.protocol import BatchError

QUEUE_FULL = "token_limit_exceeded"
"""The API's code for a batch that is refused because the queue of its model is full."""

AGAIN = 0.7
"""Share of a limit that is used after it was refused although nothing of ours was over it: tokens are estimated."""

_NUMBER = r"(\d[\d,._ ]*)([km]?)\b"
_NAMED = (
    re.compile(_NUMBER + r"\s*(?:enqueued|queued|prompt|input)?\s*tokens?\b", re.IGNORECASE),
    re.compile(r"(?:limit|maximum|max)(?: is| of|:|=)?\s*" + _NUMBER, re.IGNORECASE),
)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


def is_queue_full(code: str, message: str) -> bool:
    """Whether an error says that the queue of a model is full."""
    text = message.lower()
    return code == QUEUE_FULL or ("token" in text and ("enqueued" in text or "queue limit" in text))


def named_limit(message: str) -> int | None:
    """The number of tokens that an error names as the limit; `None` when it names none."""
    for pattern in _NAMED:
        for found in pattern.finditer(message):
            digits = re.sub(r"\D", "", found[1])
            if digits and 0 < int(digits) < 2**63:
                return int(digits) * _FACTORS[found[2].lower()]
    return None


def known_limits(refusals: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The limits by model that these refusals name (model and reason, oldest first), the newest of each."""
    known: dict[str, int] = {}
    for model, reason in refusals:
        if is_queue_full("", reason) and (limit := named_limit(reason)):
            known[model] = limit
    return known


class QueueLimits:
    """The limits of one send.

    Attributes:
        tokens: by model; a model that is missing has no known limit.
    """

    def __init__(self, tokens: Mapping[str, int]) -> None:
        self.tokens = dict(tokens)

    def refused(self, model: str, error: BatchError, estimate: int) -> bool:
        """Take a refusal; `estimate` is the size of what we had under way.

        Returns whether smaller batches may go at once: the refused one was larger than the limit that is now known.
        """
        before, named = self.tokens.get(model), named_limit(error.message)
        if named is None:
            self.tokens[model] = max(min(before or estimate, estimate) // 2, 1)
            return False
        if estimate > named:
            self.tokens[model] = named
            return True
        self.tokens[model] = max(int(min(before or named, named, max(estimate, 1)) * AGAIN), 1)
        return False
