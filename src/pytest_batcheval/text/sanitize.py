"""Sanitizing of foreign text for storage and display: control characters escaped, API keys removed."""

from __future__ import annotations

import os
import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def escape_controls(text: str) -> str:
    r"""The text with control, bidirectional and invisible characters as `\xNN` or `\uNNNN`; newline and tab stay."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_KEY = re.compile(r"\b(sk-|gsk_|xai-|pplx-)[\w*-]{8,}")
"""Keys as providers write them, and as their error messages repeat them, partly starred."""

_USER = re.compile(r"(?<=://)[^/\s@]+@")
"""Name and password before the host of a URL."""


def storable(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and UTF-8 cannot, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def redacted(text: str, *secrets: str) -> str:
    """The text without these secrets, without anything that looks like an API key, and without passwords in URLs."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return _USER.sub("", _KEY.sub(r"\1…", text))


_WORKFLOW_COMMAND = re.compile(r"(^[ \t]*):(?=:)|#(?=#\[)", re.MULTILINE)
"""Output that GitHub Actions takes for a command (`::add-mask::…` at the beginning of a line, `##[…]` anywhere)."""


def safe_to_show(text: str) -> str:
    """The text without keys and passwords, with control characters escaped."""
    return escape_controls(redacted(text, os.environ.get("OPENAI_API_KEY", "")))


def safe_to_print(text: str) -> str:
    """The same, and on GitHub Actions also without workflow commands."""
    shown = safe_to_show(text)
    return _WORKFLOW_COMMAND.sub(_disarmed, shown) if os.environ.get("GITHUB_ACTIONS") == "true" else shown


def _disarmed(match: re.Match[str]) -> str:
    return r"\x23" if match[1] is None else rf"{match[1]}\x3a"
