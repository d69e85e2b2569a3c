"""The canonical form of a request body and the key derived from it.

The form is RFC 8785 (JSON Canonicalization Scheme) with one difference: integers keep all their
digits, because `seed` is an int64 and RFC 8785's doubles would give two seeds one key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

KEY_VERSION = 1
KEY_LENGTH = 40
KEY_SHOWN = 12
"""Hex digits of a shortened key; enough for `batcheval show`."""

MAX_SAMPLE = 1000
"""Number of sample numbers tried for a key whose request does not include its own."""

MAX_DEPTH = 100

_KEY = re.compile(r"[0-9a-f]{40}", re.ASCII)
_PACKED = re.compile(r"1([\w-]{27})[\w-]{23,36}", re.ASCII)


class BodyError(ValueError):
    """A value that has no canonical form; `where` is its path in the body, such as `$.messages[0]`."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} {reason}")
        self.where = where
        self.reason = reason


def canonical(value: object) -> str:
    """The canonical JSON text of `value`.

    Raises:
        BodyError: the value has NaN, infinity, a lone surrogate, a key that is not a string, a type that
            JSON does not have, or more than 100 levels of nesting.
    """
    try:
        text = _plain(value, 0)
        text.encode()
    except (BodyError, UnicodeEncodeError):
        return _text(value, "$", 0)
    return text


def request_key(method: str, url: str, body: object, sample: int = 0) -> str:
    """The key of a request, which is also its `custom_id`: 40 lower-case hex digits.

    SHA-256 over the version of the canonical form, method, url, canonical body and sample
    number, cut to 160 bits (a `custom_id` has at most 64 characters of `[A-Za-z0-9_-]`).
    """
    return key_of_text(method, url, canonical(body), sample)


def sample_of(key: str, method: str, url: str, body: object) -> int | None:
    """The sample number, below `MAX_SAMPLE`, with which the request has this key; `None` if there is none.

    Raises:
        BodyError: as `canonical`.
    """
    text = canonical(body)
    return next((n for n in range(MAX_SAMPLE) if key_of_text(method, url, text, n) == key), None)


def key_in(custom_id: str) -> str | None:
    """The request key that a `custom_id` is, or that it packs: `1`, its 160 bits in base64 for URLs, then a mark."""
    if _KEY.fullmatch(custom_id):
        return custom_id
    packed = _PACKED.fullmatch(custom_id)
    return base64.urlsafe_b64decode(f"{packed[1]}=").hex() if packed else None


def key_of_text(method: str, url: str, body: str, sample: int) -> str:
    """The key of a request whose body has this canonical text."""
    parts = (str(KEY_VERSION), method, url, body, str(sample))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:KEY_LENGTH]


_encode = json.encoder.encode_basestring


def _plain(value: Any, depth: int) -> str:
    """The text of what nearly all bodies consist of, in half of the time; a lone surrogate is not looked for.

    Raises:
        BodyError: there is something else, which `_text` has the words for.
    """
    kind = type(value)
    if kind is str:
        return _encode(value)
    if kind is dict and depth < MAX_DEPTH and all(type(name) is str and name.isascii() for name in value):
        return "{" + ",".join([f"{_encode(name)}:{_plain(value[name], depth + 1)}" for name in sorted(value)]) + "}"
    if kind is list and depth < MAX_DEPTH:
        return "[" + ",".join([_plain(each, depth + 1) for each in value]) + "]"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return int.__repr__(value)
    if kind is float:
        return _number(value, "$")
    raise BodyError("$", f"is a {kind.__name__}")


def _text(value: object, where: str, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise BodyError(where, f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        return _string(value, where)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, Mapping):
        return _object(value, where, depth)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_text(v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value)) + "]"
    raise BodyError(where, f"is a {type(value).__name__}, which JSON does not have")


def _object(value: Mapping[object, object], where: str, depth: int) -> str:
    for name in value:
        if not isinstance(name, str):
            raise BodyError(where, f"has the key {name!r}, which must be a string")
    names = [str(name) for name in value]
    names.sort(key=None if all(map(str.isascii, names)) else _utf16)
    fields = (f"{_string(n, where)}:{_text(value[n], f'{where}.{n}', depth + 1)}" for n in names)
    return "{" + ",".join(fields) + "}"


def _utf16(name: str) -> bytes:
    """The sort key of RFC 8785: UTF-16 code units, not code points."""
    return name.encode("utf-16-be", "surrogatepass")


def _string(value: str, where: str) -> str:
    text = _encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BodyError(where, f"holds a lone surrogate at character {error.start - 1}") from None
    return text


def _number(value: float, where: str) -> str:
    """ECMAScript's shortest text of a double (ECMA-262, Number::toString)."""
    if not math.isfinite(value):
        raise BodyError(where, f"is {value}, which JSON does not have")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"
