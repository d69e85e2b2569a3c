"""The text of a request, and an estimate of its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_batcheval.wire.usage import TOKENS_A_CHARACTER, TOKENS_A_HANGUL_SYLLABLE

_HANGUL = re.compile("[\uac00-\ud7a3]")


def prompt_text(body: Mapping[str, Any]) -> str:
    """All text of a request, of either endpoint, joined by newlines."""
    if "messages" in body:
        messages = body["messages"] if isinstance(body["messages"], list) else []
        contents = [body.get("system"), *(message.get("content") for message in messages if isinstance(message, dict))]
        return "\n".join(_texts(contents))
    if "contents" in body:
        contents = body["contents"] if isinstance(body["contents"], list) else []
        whole = [body.get("systemInstruction", body.get("system_instruction")), *contents]
        return "\n".join(_texts(content.get("parts") for content in whole if isinstance(content, dict)))
    given = body.get("input")
    items = given if isinstance(given, list) else [{"content": given}]
    contents = [body.get("instructions"), *(item.get("content") for item in items if isinstance(item, dict))]
    return "\n".join(_texts(contents))


def tokens(text: str) -> int:
    """An estimate: 0.61 tokens per Hangul syllable, 0.23 per other character, at least 1 for a text that is not empty.

    See `wire.usage` for where the shares come from.
    """
    hangul = 0 if text.isascii() else len(_HANGUL.findall(text))
    return max(min(len(text), 1), round(hangul * TOKENS_A_HANGUL_SYLLABLE + (len(text) - hangul) * TOKENS_A_CHARACTER))


def within(text: str, limit: int | None) -> tuple[str, bool]:
    """The text cut to about `limit` tokens, and whether it was cut."""
    if limit is None:
        return text, False
    whole = tokens(text)
    if whole <= limit:
        return text, False
    return text[: max(min(limit, 1), int(len(text) * limit / whole))], True


def _texts(contents: Iterable[object]) -> Iterable[str]:
    for content in contents:
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
