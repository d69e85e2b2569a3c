"""How users write a time to wait."""

from __future__ import annotations

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """`90`, `90s`, `15m`, `12h` or `2d` in seconds.

    Raises:
        ValueError: it is none of these.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"{text!r}: a number of seconds, or with a unit: 90s, 15m, 12h, 2d")
    return float(number) * _UNITS[unit]
