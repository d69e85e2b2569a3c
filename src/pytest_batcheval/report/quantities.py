"""Quantities as they are shown: sums of money, durations, sizes."""

from __future__ import annotations

from decimal import Decimal

UNKNOWN = "unknown"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 answer`, `1,118 answers`, `2 batches`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def dollars(usd: Decimal | None) -> str:
    """A sum of US dollars: `$0.0012`, `$12.30`, `unknown`."""
    if usd is None:
        return UNKNOWN
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def duration(seconds: float, tenths: bool = False) -> str:
    """`45s`, `13m 05s`, `2h 07m`, `1d 03h`, as a clock shows them; below ten seconds perhaps with `tenths`: `2.4s`."""
    if tenths and 0.05 <= seconds < 9.95:
        return f"{seconds:.1f}s".replace(".0s", "s")
    whole = max(int(seconds), 0)
    for unit, size, lesser, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part:02}{lesser}"
    return f"{whole}s"


def size(number: int) -> str:
    """A number of bytes: `14.5 kB`, `1.2 MB`."""
    for unit, bytes_in_it in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= bytes_in_it:
            return f"{number / bytes_in_it:.1f} {unit}"
    return f"{number} B"
