"""What batch input files hold and would cost, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pytest_batcheval.report.prices import estimate_text, price_text
from pytest_batcheval.report.quantities import dollars

if TYPE_CHECKING:
    from pytest_batcheval.engine.plan import PlannedFile


def file_line(file: PlannedFile) -> str:
    """One file in a line: endpoint, model, requests, size, estimated tokens and price."""
    count = "1 request" if file.requests == 1 else f"{file.requests:,} requests"
    most = "unlimited" if file.output_tokens is None else f"at most {file.output_tokens:,}"
    return (
        f"{file.endpoint}  {file.model}: {count}, {file.bytes / 1000:,.0f} kB, "
        f"about {file.input_tokens:,} tokens in, {most} out, {price_text(file)}"
    )


def estimate_notes(files: Iterable[PlannedFile]) -> Iterator[str]:
    """The sum, and what it is worth."""
    from pytest_batcheval.engine.plan import total, worst_case

    known = list(files)
    usd = total(known)
    if len(known) > 1 and usd is not None:
        yield f"together {'at least' if worst_case(known) is None else 'at most'} {dollars(usd)}"
    yield estimate_text()


def file_data(file: PlannedFile) -> dict[str, Any]:
    """The same as plain data; `usd` is `null` when the price is unknown, and of the input alone without a limit."""
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
