"""Cost of a send before it happens, file by file and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pytest_batcheval.engine.pricing import Price, input_tokens, most_output_tokens, price, service_tier
from pytest_batcheval.engine.split import Limits, split
from pytest_batcheval.text.format import dollars
from pytest_batcheval.wire.objects import Request


@dataclass(frozen=True)
class PlannedFile:
    """One input file that would be sent.

    Attributes:
        requests, bytes: its lines and its size.
        input_tokens: estimated (see `pricing.estimate_tokens`).
        output_tokens: the most the bodies allow; `None` when one of them sets no limit.
        price: of input and of all the output allowed; of the input alone when that is unknown;
            `None` when the model's price is.
    """

    endpoint: str
    model: str
    requests: int
    bytes: int
    input_tokens: int
    output_tokens: int | None
    price: Price | None


def plan(
    requests: Iterable[Request], limits: Limits | None = None, batch: bool = True, tier: str = ""
) -> list[PlannedFile]:
    """The input files for these requests, which are those still without an answer; else priced as individual calls.

    `tier` is the service tier of calls whose bodies name none; where it has no price, they have the standard one.

    Raises:
        UsageError: one request alone is over the limit of a file.
    """
    return [_file(part, batch, tier) for part in split(requests, limits or Limits())]


def total(files: Iterable[PlannedFile]) -> Decimal | None:
    """The sum in US dollars; `None` when the price of one file is unknown."""
    prices = [file.price for file in files]
    if any(found is None for found in prices):
        return None
    return sum((found.usd for found in prices if found), Decimal(0))


def worst_case(files: Iterable[PlannedFile]) -> Decimal | None:
    """The most these files can cost in US dollars; `None` when a price or an output limit is unknown."""
    known = list(files)
    return None if any(file.output_tokens is None for file in known) else total(known)


def _file(part: list[Request], batch: bool, usual: str = "") -> PlannedFile:
    sizes: dict[str, tuple[int, int]] = {}  # tokens by service tier: given, and at most written
    for request in part:
        tier = "" if batch else usual if "service_tier" not in request.body else service_tier(request.body)
        given, written = sizes.get(tier, (0, 0))
        sizes[tier] = given + input_tokens(request.body), written + (most_output_tokens(request.body) or 0)
    limited = all(most_output_tokens(request.body) is not None for request in part)
    prices = [
        price(part[0].model, given, written * limited, batch, tier)
        or (price(part[0].model, given, written * limited, batch) if tier == usual else None)
        for tier, (given, written) in sizes.items()
    ]
    known = [found for found in prices if found is not None]
    usd = sum((found.usd for found in known), Decimal(0))
    return PlannedFile(
        endpoint=part[0].url,
        model=part[0].model,
        requests=len(part),
        bytes=sum(len(request.line()) + 1 for request in part),
        input_tokens=sum(given for given, _ in sizes.values()),
        output_tokens=sum(written for _, written in sizes.values()) if limited else None,
        price=Price(usd, all(found.batch_rate for found in known)) if len(known) == len(prices) else None,
    )


def price_text(file: PlannedFile, batched: bool = True) -> str:
    """`at most $0.0123`, with a remark where a batch rate is wanted and not known; `cost unknown` without a price."""
    if file.price is None:
        return "cost unknown"
    rate = "" if file.price.batch_rate or not batched else " (no batch rate known: the standard one)"
    limit = "at least" if file.output_tokens is None else "at most"
    return f"{limit} {dollars(file.price.usd)}{rate}"


def estimate_text() -> str:
    """The accuracy of the figures: tokens are estimated, and prices come from this table."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        table = f"genai-prices {version('genai-prices')}"
    except PackageNotFoundError:
        table = "unknown without the extra [cost]"
    return f"tokens are estimated by script, within some 20 %; prices: {table}"
