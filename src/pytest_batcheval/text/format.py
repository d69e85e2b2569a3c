"""Formatting of numbers for people: counts with plurals, money, durations, sizes; parsing of durations."""

from __future__ import annotations

from decimal import Decimal

UNKNOWN = "unknown"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 answer`, `1,118 answers`, `2 batches`."""
    return f"{number:,} {noun if number == 1 else plural or plural_of(noun)}"


def plural_of(noun: str) -> str:
    """`answers`, `queries`, `boxes`; a noun that is not in Latin letters stays as it is."""
    if not noun[-1:].isascii() or not noun[-1:].isalpha():
        return noun
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def dollars(usd: Decimal | None) -> str:
    """A sum of US dollars: `$0.0012`, `$12.30`, `unknown`."""
    if usd is None:
        return UNKNOWN
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def duration(seconds: float, tenths: bool = False) -> str:
    """`45s`, `13m 05s`, `2h 07m`, `1d 03h`, rounded down; with `tenths`, `2.4s` below ten seconds."""
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


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """`90`, `90s`, `15m`, `12h` or `2d` in seconds.

    Raises:
        ValueError: the text has another form.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"{text!r} must be a number of seconds, or a number with a unit: 90s, 15m, 12h, 2d")
    return float(number) * _UNITS[unit]
