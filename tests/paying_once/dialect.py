"""Providers that show batches in another way than OpenAI, for schedules: what they show, never what they do."""

from __future__ import annotations

import random
from typing import Any

from pytest_batcheval.backends.protocol import BatchList, RemoteBatch

NAMES = ("plain", "plain", "own file ids", "one file id", "gaps", "undeletable files")
"""The dialects that a schedule draws from."""


class Dialect:
    """One way of showing batches."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._files: dict[str, str] = {}

    @classmethod
    def of(cls, seed: int) -> Dialect:
        """The dialect of a seed, by dice of its own: the seed's schedule is the same but for this."""
        return cls(random.Random(f"dialect {seed}").choice(NAMES))

    def batch(self, shown: Any) -> Any:
        """A batch as this provider shows it."""
        if not isinstance(shown, dict) or "input_file_id" not in shown:
            return shown
        if self.name == "own file ids":
            own = f"gateway-{shown['id']}"
            self._files[own] = shown["input_file_id"]
            return {**shown, "input_file_id": own}
        return {**shown, "input_file_id": "file-of-all"} if self.name == "one file id" else shown

    def file_id(self, file_id: str) -> str:
        """The file that an id of this provider's names."""
        return self._files.get(file_id, file_id)

    def listed(self, batches: list[RemoteBatch]) -> BatchList:
        """A list, which with gaps has entries that cannot be read, those of every other batch."""
        hidden = {batch.id for batch in batches if self.name == "gaps" and sum(batch.id.encode()) % 2}
        return BatchList([b for b in batches if b.id not in hidden], f"{len(hidden)} unreadable" if hidden else "")
