"""The choice that a judge makes among numbered texts: whose answers these are, or which question they answer."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from pytest_batcheval.catalogue.load import openers
from pytest_batcheval.catalogue.recognise import RecognisedPrompt, recognise
from pytest_batcheval.simulator.respondents.judged_answer import signs_in
from pytest_batcheval.simulator.respondents.protocol import RespondentRequest
from pytest_batcheval.simulator.respondents.uneven import EMOJI

_ASKED = re.compile(r"<said-([0-9a-f]{16})>\n(.*)\n</said-\1>\n(.*)", re.DOTALL)
_NUMBERED = re.compile(r"^(\d+)\. ", re.MULTILINE)


def choice(request: RespondentRequest) -> str:
    """The JSON text of a choice: the one whose levels fit signs and emoji best, or whose question was answered most."""
    found = _ASKED.search(request.messages[-1][1] if request.messages else request.prompt)
    _, said, listing = found.groups() if found else ("", "", "")
    _, *parts = _NUMBERED.split(listing)
    offered = {int(number): recognise(text) for number, text in zip(parts[::2], parts[1::2], strict=True)}
    shown = Counter[str]()
    for sign in signs_in(said):
        shown[sign.code] += sign.level
    for (code, level), emoji in EMOJI.items():
        shown[code] += level * said.count(emoji)
    best = max(offered, key=lambda number: _fit(offered[number], said, shown), default=1)
    return json.dumps({"number": best})


def _fit(offered: RecognisedPrompt, said: str, shown: Mapping[str, int]) -> int:
    if offered.question is not None:
        return sum(said.count(words) for words in openers(offered.question, offered.language))
    return sum(number * offered.levels.get(code, 0) for code, number in shown.items())
