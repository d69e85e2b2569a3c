"""The rates of models in the table of genai-prices, and what was found there before: importing it takes long.

The table takes a quarter of a second of CPU, so rates that stay as they are lie in a file of the user's cache folder,
with the digest of the table that has them: after an update of genai-prices nothing in the file counts any more.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.replace_file import replacing

PACKAGE = "genai_prices"

PRICED = 1000
"""Tokens whose price gives the rate of one: the tokens of a whole batch would be charged as one long request."""

MOST = 1000
"""Rates that are kept."""

Rates = tuple[Decimal, Decimal]
"""US dollars of an input and of an output token."""


@cache
def rates(model: str, batch: bool, tier: str = "") -> Rates | None:
    """The rates of requests below any length that costs more; `None` for an unknown model or without genai-prices.

    `tier` is the service tier of an individual call, empty for the standard one; `None` too where the table has none.
    """
    kind = "batch" if batch else f"tier {tier}" if tier else "call"
    name, kept = f"{kind} {model}", _kept()
    if kept is not None and name in kept.rates:
        return kept.rates[name]
    try:
        found, lasts = _look_up(model, {"processing": "batch"} if batch else {"service_tier": tier} if tier else None)
    except ImportError:
        return None
    if kept is not None and lasts:
        kept.add(name, found)
    return found


class KeptRates:
    """The file of rates by name, `None` for those that the table does not have."""

    def __init__(self, path: Path, table: str) -> None:
        """Read what `path` has of the table with this digest."""
        self._path, self._table = path, table
        self.rates: dict[str, Rates | None] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
            data = json.loads(path.read_bytes())
            if data["table"] == table:
                self.rates = {name: None if one is None else _pair(*one) for name, one in data["rates"].items()}

    def add(self, name: str, found: Rates | None) -> None:
        """Keep a rate as well; nothing fails where the file cannot be written."""
        self.rates = {name: found} if len(self.rates) >= MOST else {**self.rates, name: found}
        plain = {name: None if one is None else [str(part) for part in one] for name, one in self.rates.items()}
        with suppress(OSError, ValueError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self._path, lambda _: None) as file:
                file.write(json.dumps({"table": self._table, "rates": plain}).encode())


@cache
def _kept() -> KeptRates | None:
    """The file; `None` where the program has imported the table already, and may have changed it, or there is none."""
    if PACKAGE in sys.modules:
        return None
    with suppress(OSError, RuntimeError):  # no home
        spec = find_spec(PACKAGE)
        if spec is not None and spec.origin is not None:
            modules = sorted(Path(spec.origin).parent.glob("*.py"))
            digest = sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()
            return KeptRates(_cache_folder() / "prices.json", digest)
    return None


def _cache_folder() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "pytest-batcheval"


def _pair(given: str, written: str) -> Rates:
    return Decimal(given), Decimal(written)


def _look_up(model: str, context: dict[str, str] | None) -> tuple[Rates | None, bool]:
    """The rates in the table, and whether they stay as they are until it is updated.

    Raises:
        ImportError: genai-prices is not installed.
    """
    from genai_prices import Usage, calc_price

    usages = Usage(input_tokens=PRICED), Usage(output_tokens=PRICED)
    # Some models, embeddings among them, are found only when their provider is named.
    for provider in ("openai", None):
        with suppress(LookupError):
            found = [calc_price(one, model_ref=model, provider_id=provider, price_context=context) for one in usages]
            variants = getattr(found[0].model, "price_variants", None) or ()
            if "service_tier" in (context or {}) and not any(one.when == context for one in variants):
                return None, _lasts(found[0].model)
            given, written = (Decimal(price.total_price) / PRICED for price in found)
            return (given, written), _lasts(found[0].model)
    return None, True


@cache
def context_window(model: str) -> int | None:
    """Tokens that a model takes and writes together; `None` where the table of genai-prices, or it, is not there."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    for provider in ("openai", None):
        with suppress(LookupError):
            found: int | None = calc_price(Usage(), model_ref=model, provider_id=provider).model.context_window
            return found
    return None


def _lasts(model: Any) -> bool:
    """Whether no price of a model begins later than today (UTC), or is that of an hour."""
    parts = [*(model.prices if isinstance(model.prices, list) else ()), *(getattr(model, "price_variants", None) or ())]
    times = [part.constraint for part in parts if part.constraint is not None]
    return all(str(getattr(one, "start_date", "never")) <= real_time.utc_day() for one in times)
