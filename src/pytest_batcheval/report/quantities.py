"""Quantities as they are shown: sums of money, durations, sizes."""

from __future__ import annotations

from decimal import Decimal

UNKNOWN = "unknown"


def dollars(usd: Decimal | None) -> str:
    """A sum of US dollars: `$0.0012`, `$12.30`, `unknown`."""
    if usd is None:
        return UNKNOWN
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def duration(seconds: float) -> str:
    """`825.0` -> `13m 45s`; below ten seconds with a tenth, `2.4s`."""
    if 0 < seconds < 9.95:
        return f"{seconds:.1f}s".replace(".0s", "s")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def size(number: int) -> str:
    """A number of bytes: `14.5 kB`, `1.2 MB`."""
    for unit, bytes_in_it in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= bytes_in_it:
            return f"{number / bytes_in_it:.1f} {unit}"
    return f"{number} B"
