"""What is to be sent would cost, in words: the same in pytest's plan and in the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_batcheval.report.quantities import dollars

if TYPE_CHECKING:
    from pytest_batcheval.engine.plan import PlannedFile


def price_text(file: PlannedFile, batched: bool = True) -> str:
    """`at most $0.0123`, and that no batch rate is known where one is asked for; `cost unknown` without a price."""
    if file.price is None:
        return "cost unknown"
    rate = "" if file.price.batch_rate or not batched else " (no batch rate known: the standard one)"
    limit = "at least" if file.output_tokens is None else "at most"
    return f"{limit} {dollars(file.price.usd)}{rate}"


def estimate_text() -> str:
    """How good the figures are: tokens by estimate, prices of which table."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        table = f"genai-prices {version('genai-prices')}"
    except PackageNotFoundError:
        table = "unknown without the extra [cost]"
    return f"tokens are estimated by script, within some 20 %; prices: {table}"
