"""What many requests come to, without holding any of them."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_batcheval.engine.cost import input_tokens, most_output_tokens, price
from pytest_batcheval.engine.plan import PlannedFile
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.wire.objects import Request


@dataclass
class _Sum:
    requests: int = 0
    bytes: int = 0
    input_tokens: int = 0
    output_tokens: int | None = 0


class Tally:
    """Sums by endpoint and model.

    Attributes:
        samples: requests that are a second or later sample of their body.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sums: dict[tuple[str, str], _Sum] = {}

    def add(self, request: Request, size: int) -> None:
        """Count a request whose line has `size` bytes."""
        self.samples += request.sample > 0
        found = self._sums.setdefault((request.url, request.model), _Sum())
        found.requests += 1
        found.bytes += size
        found.input_tokens += input_tokens(request.body)
        most = most_output_tokens(request.body)
        found.output_tokens = None if None in (most, found.output_tokens) else (found.output_tokens or 0) + (most or 0)

    def files(self) -> list[PlannedFile]:
        """A file for each endpoint and model, of any size."""
        return [
            PlannedFile(
                endpoint=endpoint,
                model=model,
                requests=found.requests,
                bytes=found.bytes,
                input_tokens=found.input_tokens,
                output_tokens=found.output_tokens,
                price=price(model, found.input_tokens, found.output_tokens or 0),
            )
            for (endpoint, model), found in sorted(self._sums.items())
        ]

    @staticmethod
    def batches(file: PlannedFile) -> int:
        """The batches that a file of that size needs at least."""
        limits = Limits()
        return max(-(-file.requests // limits.requests), -(-file.bytes // limits.bytes))
