"""The answer that a judge is to judge, found anywhere in a prompt, and the signs in it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from pytest_batcheval.catalogue.load import dimensions, fillers, openers, questions
from pytest_batcheval.simulator.respondents.messages import SYSTEM
from pytest_batcheval.simulator.respondents.phrases import role_cues
from pytest_batcheval.simulator.respondents.protocol import RespondentRequest
from pytest_batcheval.text.sanitize import storable

_NAME = r"(?:answer|response|reply|transcript|patient|답변|대답|응답|환자)"
_NAMED = re.compile(_NAME, re.IGNORECASE)
_TAG = re.compile(r"<([^\s<>/]{1,40})[^<>\n]{0,200}>|\[([^\[\]/\n]{1,40})\]|\b(BEGIN)\b[^\n]{0,80}\n")
_LINE = re.compile(r"^[ \t]*([`~\"'=*#_<>|+-])\1{2,}[^\n]*$", re.MULTILINE)
_FENCES = (('"""', '"""'), ("'''", "'''"), ("```", "```"), ("~~~", "~~~"), ("<<<", ">>>"))
_QUOTES = (("«", "»"), ("“", "”"), ("「", "」"), ("『", "』"))
_LABEL = re.compile(rf"^[^\n:：]{{0,20}}{_NAME}[^\n:：]{{0,20}}[:：]", re.MULTILINE | re.IGNORECASE)
_SENTENCE = re.compile(r"[^.?!。\n]+[.?!。]?")

_MOST = 50
"""Delimiters of one kind that are tried; the prompt of a judge has no more."""


@dataclass(frozen=True)
class Sign:
    """An utterance of the catalogue in a text: its dimension, its pole, and its wording there."""

    code: str
    level: int
    quote: str


def judged_text(request: RespondentRequest) -> str:
    """The answer to be judged, in NFC: the text between some delimiters, else the whole message it may be in.

    Of several candidates, the first with a sentence of the catalogue is taken, since it is the answer
    of one of our patients.
    """
    candidates = [part for message in _likely(request) for part in (*_enclosed(message), message)]
    speaking = (part for part in candidates if _speaks(part))
    return next(speaking, candidates[0] if candidates else "").strip()


def signs_in(text: str) -> list[Sign]:
    """Every utterance of the catalogue in a text, in the order of the text."""
    folded = _folded(text)
    found = []
    for utterance, (code, level) in _utterances().items():
        if utterance in folded and (there := re.search(r"\s+".join(map(re.escape, utterance.split())), text)):
            found.append((there.start(), Sign(code, level, there[0])))
    return [sign for _, sign in sorted(found, key=lambda pair: pair[0])]


def other_words(sign: Sign) -> tuple[str, ...]:
    """The other utterances of a sign's pole, in its language."""
    folded = _folded(sign.quote)
    said = next(d for d in dimensions() if d.code == sign.code).pole(sign.level).utterances.values()
    own = next(sentences for sentences in said if folded in map(_folded, sentences))
    return tuple(sentence for sentence in own if _folded(sentence) != folded)


def role_in(text: str) -> str:
    """The rubric's role label for a text."""
    plain = text.casefold()
    return next((role for role, cues in role_cues().items() if any(cue in plain for cue in cues)), "in_role")


def first_sentence(text: str) -> str:
    """The first sentence of a text; empty for a text without one."""
    return next((found[0].strip() for found in _SENTENCE.finditer(text) if found[0].strip()), "")


def _likely(request: RespondentRequest) -> list[str]:
    """The messages that may contain the answer, likeliest first: the user's last, then the assistant's."""
    given = request.messages or [("user", storable(request.prompt))]
    spoken = [(role, text) for role, text in given if role not in SYSTEM] or given
    last, earlier = spoken[-1], spoken[-2::-1]
    assistant = [text for role, text in earlier if role == "assistant"]
    others = [text for role, text in earlier if role != "assistant"]
    closing = [last[1]]
    inside = any(True for _ in _enclosed(last[1]))
    ordered = closing + assistant + others if inside or not assistant else assistant + closing + others
    return [unicodedata.normalize("NFC", text) for text in ordered]


def _enclosed(text: str) -> Iterator[str]:
    """The texts between delimiters, likeliest first."""
    yield from _in_json(text)
    yield from _in_tags(text)
    yield from _between_lines(text)
    yield from _between_marks(text, _FENCES)
    labels = list(islice(_LABEL.finditer(text), _MOST))
    if labels:
        yield text[labels[-1].end() :]
    yield from _between_marks(text, _QUOTES)


def _in_json(text: str) -> Iterator[str]:
    """The values of JSON fields whose name suggests an answer."""
    decoder = json.JSONDecoder()
    for found in islice(re.finditer(r"\{", text), _MOST):
        try:
            value, _ = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            continue
        fields = value.items() if isinstance(value, dict) else ()
        yield from (storable(inner) for name, inner in fields if isinstance(inner, str) and _NAMED.search(name))


def _in_tags(text: str) -> Iterator[str]:
    """The text between <x> and the last </x>, [x] and [/x], BEGIN and END."""
    for found in sorted(islice(_TAG.finditer(text), _MOST), key=_likelihood):
        angled, bracketed, _ = found.groups()
        closing = f"</{angled}" if angled else f"[/{bracketed}]" if bracketed else "END"
        end = text.rfind(closing)
        if end > found.end():
            yield text[found.end() : text.rfind("\n", 0, end) if closing == "END" else end]


def _likelihood(tag: re.Match[str]) -> tuple[bool, bool, int]:
    """A sort key, likeliest first: tags named as an answer, first at the start of a line; else the last tag."""
    named = _NAMED.search(tag[0]) is not None
    inside = tag.start() > 0 and tag.string[tag.start() - 1] != "\n"
    return not named, named and inside, tag.start() if named else -tag.start()


def _between_lines(text: str) -> Iterator[str]:
    """The text between the last two lines of ```, \"\"\", ===, --- and the like, or below the last of them."""
    lines = list(_LINE.finditer(text))
    if not lines:
        return
    kind = _side(lines[-1][1])
    same = [line for line in lines if _side(line[1]) == kind]
    below = text[same[-1].end() :]
    if _NAMED.search(same[-1][0]):
        yield below
    if len(same) > 1:
        yield text[same[-2].end() : same[-1].start()]
    yield below


def _between_marks(text: str, marks: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The text from the first opening mark of a kind to its last closing one."""
    for opening, closing in marks:
        start, end = text.find(opening), text.rfind(closing)
        if -1 < start < end - len(opening):
            yield text[start + len(opening) : end]


def _side(mark: str) -> str:
    return "<" if mark == ">" else mark


def _speaks(text: str) -> bool:
    folded = _folded(text)
    return any(sentence in folded for sentence in _sentences())


def _folded(text: str) -> str:
    return " ".join(text.split())


@cache
def _utterances() -> dict[str, tuple[str, int]]:
    return {
        " ".join(utterance.split()): (dimension.code, level)
        for dimension in dimensions()
        for level in (-1, 1)
        for said in dimension.pole(level).utterances.values()
        for utterance in said
    }


@cache
def _sentences() -> tuple[str, ...]:
    free = [s for language in ("ko", "en") for s in fillers(language)]
    opening = [s for question in questions() for language in question.text for s in openers(question.id, language)]
    return (*_utterances(), *free, *opening)
