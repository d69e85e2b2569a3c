"""Cost of a send before it happens, file by file and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
    return [file for part in split(requests, limits or Limits()) for file in files_of(part, batch, tier)]


def files_of(requests: Iterable[Request], batch: bool = True, tier: str = "") -> list[PlannedFile]:
    """Requests that are read one by one, those of each endpoint and model as one file; the other arguments as above."""
    sizes: dict[tuple[str, str], _Sizes] = {}
    for request in requests:
        sizes.setdefault((request.url, request.model), _Sizes()).add(request, "" if batch else tier, batch)
    return [found.file(url, model, batch, tier) for (url, model), found in sizes.items()]


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


@dataclass
class _Sizes:
    """The sums of requests of one model; `tokens` by service tier: given, and at most written."""

    requests: int = 0
    bytes: int = 0
    limited: bool = True
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, request: Request, usual: str, batch: bool) -> None:
        """Add one request; `usual` is the tier of a body that names none."""
        tier = "" if batch else usual if "service_tier" not in request.body else service_tier(request.body)
        (given, written), most = self.tokens.get(tier, (0, 0)), most_output_tokens(request.body)
        self.tokens[tier] = given + input_tokens(request.body), written + (most or 0)
        self.limited &= most is not None
        self.requests += 1
        self.bytes += len(request.line()) + 1

    def file(self, url: str, model: str, batch: bool, usual: str) -> PlannedFile:
        """The file of them."""
        prices = [
            price(model, given, written * self.limited, batch, tier)
            or (price(model, given, written * self.limited, batch) if tier == usual else None)
            for tier, (given, written) in self.tokens.items()
        ]
        known = [found for found in prices if found is not None]
        usd = sum((found.usd for found in known), Decimal(0))
        return PlannedFile(
            endpoint=url,
            model=model,
            requests=self.requests,
            bytes=self.bytes,
            input_tokens=sum(given for given, _ in self.tokens.values()),
            output_tokens=sum(written for _, written in self.tokens.values()) if self.limited else None,
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
