"""Requests cut into batches within the provider's limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pytest_batcheval.wire.errors import UsageError
from pytest_batcheval.wire.objects import Request


@dataclass(frozen=True)
class Limits:
    """What one input file may hold; the defaults are OpenAI's (its Batch guide): 50,000 lines, 200 MB."""

    requests: int = 50_000
    bytes: int = 200_000_000

    def halved(self) -> Limits:
        """Half of it, for a provider that takes less than it says."""
        return Limits(max(self.requests // 2, 1), max(self.bytes // 2, 1))


def split(requests: Iterable[Request], limits: Limits) -> Iterator[list[Request]]:
    """Batches of one endpoint and one model each, in the order of their keys, each request once.

    Raises:
        UsageError: one request alone is over the limit.
    """
    unique = {request.custom_id: request for request in requests}
    ordered = sorted(unique.values(), key=lambda r: (r.url, r.model, r.custom_id))
    for _, group in groupby(ordered, key=lambda r: (r.url, r.model)):
        yield from _cut(group, limits)


def _cut(group: Iterator[Request], limits: Limits) -> Iterator[list[Request]]:
    batch: list[Request] = []
    size = 0
    for request in group:
        line = len(request.line()) + 1
        if line > limits.bytes:
            raise UsageError(f"request {request.custom_id} has {line} bytes; a batch file takes {limits.bytes}")
        if batch and (len(batch) == limits.requests or size + line > limits.bytes):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += line
    if batch:
        yield batch
