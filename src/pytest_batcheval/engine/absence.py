"""When a batch that the provider says it does not know is gone: a 404 alone proves nothing."""

from __future__ import annotations

from dataclasses import dataclass

MISSES, MISSING_FOR, MISS_EVERY = 10, 900.0, 100.0
"""A 404 is no absence: a provider gave it for a living batch. So many, over so many seconds, are."""


@dataclass
class Absence:
    """The misses of one batch in a row."""

    misses: int = 0
    since: float | None = None

    def missed(self, now: float) -> None:
        """One more look did not find it."""
        self.since = now if self.since is None else self.since
        self.misses += 1

    def long(self, now: float) -> bool:
        """Whether it is gone."""
        return self.since is not None and self.misses >= MISSES and now - self.since >= MISSING_FOR
