"""Contents and cost of batch input files, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_batcheval.engine.estimate import PlannedFile, estimate_text, price_text
from pytest_batcheval.engine.pricing import input_tokens, most_output_tokens, price
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.text.format import counted, dollars
from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from pytest_batcheval.engine.estimate import PlannedFile


def file_line(file: PlannedFile) -> str:
    """Return a file in one line: endpoint, model, requests, size, estimated tokens and price."""
    most = "unlimited" if file.output_tokens is None else f"at most {file.output_tokens:,}"
    return (
        f"{file.endpoint}  {file.model}: {counted(file.requests, 'request')}, {file.bytes / 1000:,.0f} kB, "
        f"about {file.input_tokens:,} tokens in, {most} out, {price_text(file)}"
    )


def estimate_notes(files: Iterable[PlannedFile]) -> Iterator[str]:
    """Yield the total, and a note on the accuracy of the estimate."""
    from pytest_batcheval.engine.estimate import total, worst_case

    known = list(files)
    usd = total(known)
    if len(known) > 1 and usd is not None:
        yield f"together {'at least' if worst_case(known) is None else 'at most'} {dollars(usd)}"
    yield estimate_text()


def file_data(file: PlannedFile) -> dict[str, Any]:
    """Return the same as plain data; `usd` is `null` if the price is unknown, and that of the input without a limit."""
    return {
        "endpoint": file.endpoint,
        "model": file.model,
        "requests": file.requests,
        "bytes": file.bytes,
        "input_tokens": file.input_tokens,
        "most_output_tokens": file.output_tokens,
        "usd": None if file.price is None else float(file.price.usd),
        "batch_rate": None if file.price is None else file.price.batch_rate,
    }


@dataclass
class _Sum:
    requests: int = 0
    bytes: int = 0
    input_tokens: int = 0
    output_tokens: int | None = 0


class FileTotals:
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
        """Return one file for each endpoint and model, of any size."""
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
        """Return the least number of batches for a file of that size."""
        limits = Limits()
        return max(-(-file.requests // limits.requests), -(-file.bytes // limits.bytes))
