"""Sample numbers of the lines of a file: equal bodies under several `custom_id`s are samples of one request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_batcheval.wire.key import KEY_LENGTH, sample_of

if TYPE_CHECKING:
    from pytest_batcheval.wire.objects import Request

MAX_STRANGE = 20
"""Most `custom_id`s that may look like keys but are not; after them, no `custom_id` of the file is tried as a key."""

_KEY = re.compile(f"[0-9a-f]{{{KEY_LENGTH}}}")


class SampleNumbers:
    """The samples of each body that a file has so far; requests are given as sample 0, whose key names the body."""

    def __init__(self) -> None:
        self._taken: dict[bytes, int] = {}
        self._strange = 0

    def number(self, custom_id: str, request: Request) -> int:
        """The sample number if the `custom_id` is a key; else the first that no line with this body has yet."""
        if _KEY.fullmatch(custom_id) and self._strange < MAX_STRANGE:
            sample = sample_of(custom_id, request.method, request.url, request.body)
            if sample is not None:
                return sample
            self._strange += 1
        taken = self._taken.get(_body(request), 0)
        return (~taken & taken + 1).bit_length() - 1  # the lowest bit that is not set

    def has(self, request: Request, sample: int) -> bool:
        """Whether a line had this sample of the body."""
        return bool(self._taken.get(_body(request), 0) >> sample & 1)

    def take(self, request: Request, sample: int) -> None:
        """Note that a line has this sample of the body."""
        self._taken[_body(request)] = self._taken.get(_body(request), 0) | 1 << sample


def _body(request: Request) -> bytes:
    return bytes.fromhex(request.custom_id)
