"""Text from elsewhere, made fit to be stored and shown: no API keys, nothing UTF-8 cannot hold."""

from __future__ import annotations

import re

_KEY = re.compile(r"\b(sk-|gsk_|xai-|pplx-)[\w*-]{8,}")
"""Keys as providers write them, and as they repeat them, partly starred, in their refusals."""

_USER = re.compile(r"(?<=://)[^/\s@]+@")
"""Name and password before the host of a URL."""


def storable(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and UTF-8 cannot, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def redacted(text: str, *secrets: str) -> str:
    """The text without these secrets, without what looks like an API key, and without passwords in URLs."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return _USER.sub("", _KEY.sub(r"\1…", text))
