"""A request and its answer as a person reads them: in a failing test's report, in `batcheval show`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_batcheval.wire.objects import Answer

LABEL = 11
"""Columns before a text, of which later lines stand below its first."""


def labelled(label: str, text: str) -> str:
    """A label, and a text of one or more lines beside it."""
    first, *more = text.split("\n")
    return "\n".join([f"{label:<{LABEL}}{first}", *(f"{'':<{LABEL}}{line}" for line in more)])


def asked_text(body: Mapping[str, Any]) -> str:
    """The messages of a chat, a line each at least; of another endpoint the input text, or the whole body."""
    messages = body.get("messages", body.get("input"))
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        return json.dumps(body, ensure_ascii=False)
    return "\n".join(f"{message.get('role', '?')}: {_content(message.get('content'))}" for message in messages)


def answered_text(answer: Answer) -> str:
    """The words of an answer, why it has none, and how it ended unless that is `stop`."""
    if answer.error is not None:
        return f"none: {answer.error}"
    text = answer.text or (f"refused: {answer.refusal}" if answer.refusal else _no_words(answer.body))
    return text if answer.finish_reason in ("stop", None) else f"{text}\n(finish_reason: {answer.finish_reason})"


def turn_lines(answer: Answer, most: int | None = None, most_lines: int | None = None) -> Iterator[str]:
    """Request and answer of every turn, labelled; a text is cut at so many characters and lines, `None` for whole."""
    turns = answer.turns or (answer,)
    for number, turn in enumerate(turns, 1):
        which = f" {number}" if len(turns) > 1 else ""
        yield labelled(f"request{which}", cut(asked_text(turn.request.body), most, most_lines))
        yield labelled(_kind(turn) + which, cut(answered_text(turn), most, most_lines))


def _no_words(body: Mapping[str, Any]) -> str:
    """Of an endpoint that answers in words they are empty; of another one, such as embeddings, the body is shown."""
    return "(empty)" if body.keys() & {"choices", "output"} or not body else json.dumps(body, ensure_ascii=False)


def _kind(turn: Answer) -> str:
    from pytest_batcheval.quality.judging._rubric_request import judged_words

    return "answer" if judged_words(turn.request) is None else "verdict"


def _content(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def cut(text: str, most: int | None, most_lines: int | None) -> str:
    """The beginning of a long text, and how much of it is left out."""
    kept = "\n".join(text[:most].split("\n")[:most_lines])
    left = len(text) - len(kept)
    return kept if not left else f"{kept}…\n({left:,} more characters: -vv shows them)"
