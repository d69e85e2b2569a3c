"""A request and its answer as readable text, for a failing test's report and `batcheval show`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Answer

LABEL = 11
"""Width of the column of labels, left of all lines of a text."""


def labelled(label: str, text: str) -> str:
    """Return a label with a text of one or more lines beside it."""
    first, *more = text.split("\n")
    return "\n".join([f"{label:<{LABEL}}{first}", *(f"{'':<{LABEL}}{line}" for line in more)])


def asked_text(body: Mapping[str, Any]) -> str:
    """Return the messages of a chat, each on its own lines; for another endpoint the input text, or the body."""
    messages = body.get("messages", body.get("input"))
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        return json.dumps(body, ensure_ascii=False)
    return "\n".join(f"{message.get('role', '?')}: {_content(message.get('content'))}" for message in messages)


def answered_text(answer: Answer) -> str:
    """Return the text of an answer, or the reason that it has none, and its finish reason unless that is `stop`."""
    if answer.error is not None:
        return f"none: {answer.error}"
    text = answer.text or (f"refused: {answer.refusal}" if answer.refusal else _no_words(answer))
    return text if answer.finish_reason in ("stop", None) else f"{text}\n(finish_reason: {answer.finish_reason})"


def turn_lines(answer: Answer, most: int | None = None, most_lines: int | None = None) -> Iterator[str]:
    """Yield request and answer of every turn, labelled; texts are cut to `most` characters and `most_lines` lines."""
    turns = answer.turns or (answer,)
    for number, turn in enumerate(turns, 1):
        which = f" {number}" if len(turns) > 1 else ""
        yield labelled(f"request{which}", cut(asked_text(turn.request.body), most, most_lines))
        yield labelled(_kind(turn) + which, cut(answered_text(turn), most, most_lines))


def _no_words(answer: Answer) -> str:
    """Return the text for an answer without words: its tool calls, or the body of an endpoint such as embeddings."""
    if answer.tool_calls:
        return "\n".join(f"calls {call.name}: {call.arguments}" for call in answer.tool_calls)
    if answer.finish_reason is not None or not answer.body:
        return "(empty)"
    return json.dumps(answer.body, ensure_ascii=False)


def _kind(turn: Answer) -> str:
    from pytest_batcheval.quality.judging._rubric_request import judged_words

    return "answer" if judged_words(turn.request) is None else "verdict"


def _content(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def cut(text: str, most: int | None, most_lines: int | None) -> str:
    """Return the beginning of a long text, and the number of characters left out."""
    kept = "\n".join(text[:most].split("\n")[:most_lines])
    left = len(text) - len(kept)
    return kept if not left else f"{kept}…\n({counted(left, 'more character')}: -vv shows them)"
