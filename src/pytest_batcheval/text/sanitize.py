"""Sanitizing of foreign text for storage and display: control characters escaped, API keys removed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache, lru_cache

_CONTROLS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufff9-\ufffb"
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Control characters, and what Unicode lists as default ignorable (DerivedCoreProperties) but for the next ones."""

_JOINERS, _SELECTORS = "\u200c\u200d", "\ufe0e\ufe0f"

_EMOJI = "#*0-9\xa9\xae\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
"""What a variation selector may follow."""

_JOINED = f"{_EMOJI}\ufe0f\u0620-\u0dff"
"""What a joiner may stand between: emoji, and letters of the scripts that join (Arabic to Sinhala)."""

_HIDING = re.compile(f"[{_CONTROLS}{_JOINERS}{_SELECTORS}]")
_EMOJI_BASE, _JOINED_LETTER = re.compile(f"[{_EMOJI}]"), re.compile(f"[{_JOINED}]")


def escape_controls(text: str) -> str:
    r"""The text with control, bidirectional and invisible characters as `\xNN` or `\uNNNN`; newline and tab stay.

    Invisible is what Unicode lists as default ignorable, but for a variation selector right after an emoji and a joiner
    between emoji or letters that join, where it changes what is seen.
    """
    return escape_hiding(text, _escaped)


def escape_hiding(text: str, escaped: Callable[[int], str]) -> str:
    """The text in which `escaped` has written each character that a terminal obeys or nobody sees, by its code."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDING.sub(lambda match: match.group() if _is_seen(match) else escaped(ord(match.group())), text)


def _is_seen(match: re.Match[str]) -> bool:
    character, text, (start, end) = match.group(), match.string, match.span()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    if character in _SELECTORS:
        return _EMOJI_BASE.match(before) is not None
    return character in _JOINERS and all(map(_JOINED_LETTER.match, (before, after)))


def _escaped(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_KEY = re.compile(r"\b(sk-|gsk_|xai-|pplx-|AIza)[\w*-]{8,}")
"""Keys as providers write them, and as their error messages repeat them, partly starred."""

_USER = re.compile(r"(?<=://)[^/\s@]+@")
"""Name and password before the host of a URL."""

_QUERY_PASSWORD = re.compile(r"(?<=[?&])((?:ssl)?password=)[^&\s'\"]+", re.IGNORECASE)
"""The password among the parameters of a URL."""

_OWN = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
_KEYS = ("_API_KEY", "_ACCESS_KEY", "_SECRET_KEY", "_TOKEN", "_SECRET")
"""Ends of the names of environment variables whose values are written nowhere."""

_LONG = 12
"""Characters of a secret that is one whatever it looks like; a shorter word is a placeholder for a server."""

_WORDS = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+)(?:[-_. ](?:[A-Z]?[a-z]+|[A-Z]+))*")
_SHORT_KEY = re.compile(r"(?=.*[A-Za-z])(?=.*\d).{6,}", re.DOTALL)


@cache
def _occurrences(secret: str) -> re.Pattern[str] | None:
    """A secret where it is one: anywhere, but words and short keys by themselves; `None` for no secret."""
    long, words = len(secret) >= _LONG, _WORDS.fullmatch(secret)
    if long and not words and re.search(r"\w", secret):
        return re.compile(re.escape(secret))
    if (long and words) or _SHORT_KEY.fullmatch(secret):
        return re.compile(rf"(?<!\w){re.escape(secret)}(?!\w)", re.ASCII)  # other scripts write words without a space
    return None


MOST_KNOWN, LONGEST_KNOWN = 10_000, 200
"""Texts that are kept for their next use, and characters of one at most."""


def storable(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and UTF-8 cannot, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def redacted(text: str, *secrets: str) -> str:
    """The text without these secrets, without anything that looks like an API key, and without passwords in URLs.

    A secret of less than 12 characters is struck out if it looks like a key: letters and digits.
    """
    for secret in secrets:
        if secret in text and (pattern := _occurrences(secret)):
            text = pattern.sub("…", text)
    return _QUERY_PASSWORD.sub(r"\1…", _USER.sub("", _KEY.sub(r"\1…", text)))


def environment_secrets() -> list[str]:
    """The key, organisation and project of the environment, and the keys of others; the longest first."""
    found = (os.environ.get(name, "") for name in os.environ if _names_secret(name))
    return sorted(filter(_occurrences, found), key=len, reverse=True)


@cache
def _names_secret(name: str) -> bool:
    """Whether a variable of this name has a secret; remembered, since every text that is shown asks for all names."""
    return name in _OWN or name.upper().endswith(_KEYS)


def without_secrets(text: str) -> str:
    """The text `redacted`, and without the secrets of the environment."""
    return redacted(text, *environment_secrets())


_WORKFLOW_COMMAND = re.compile(r"(^\s*):(?=:)|#(?=#\[)", re.MULTILINE)
"""Output that GitHub Actions takes for a command (`::add-mask::…` at the beginning of a line, `##[…]` anywhere)."""


def safe_to_show(text: str) -> str:
    """The text without keys and passwords, with control characters escaped."""
    return escape_controls(without_secrets(text))


def safely() -> Callable[[str], str]:
    """`safe_to_show` for many texts: the environment is looked into once, and short texts that repeat are kept."""
    secrets = environment_secrets()

    def safe(text: str) -> str:
        return escape_controls(redacted(text, *secrets))

    known = lru_cache(MOST_KNOWN)(safe)
    return lambda text: known(text) if len(text) <= LONGEST_KNOWN else safe(text)


def safe_to_print(text: str) -> str:
    """The same, and on GitHub Actions also without workflow commands."""
    shown = safe_to_show(text)
    return _WORKFLOW_COMMAND.sub(_disarmed, shown) if os.environ.get("GITHUB_ACTIONS") == "true" else shown


def safe_json_to_print(text: str) -> str:
    r"""JSON of the same value: on GitHub Actions without `##[`, the only command that can stand in its strings."""
    return text.replace("##[", r"\u0023#[") if os.environ.get("GITHUB_ACTIONS") == "true" else text


def _disarmed(match: re.Match[str]) -> str:
    return r"\x23" if match[1] is None else rf"{match[1]}\x3a"


def no_formula(text: str) -> str:
    """A text that a spreadsheet would calculate, with a `'` before it: https://owasp.org/www-community/attacks/CSV_Injection"""
    return (
        f"'{text}"
        if text.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
        else text
    )
