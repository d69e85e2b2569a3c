"""Error rates of `recognition` of restatements: what is said is still recognised, and how it is said is not."""

from __future__ import annotations

import pytest
from rates import FIRST, at_most
from respondent_tables import JUDGE, asked, personas, questions, said_by

from pytest_batcheval.quality.recognition import (
    Recognition,
    paraphrase_request,
    paraphrased,
    recognised,
    recognition,
    recognition_request,
)
from pytest_batcheval.simulator.respondents.registry import make

RUNS = {"quick": 2, "ci": 2, "full": 100}


def found(name: str, seed: int, restated: bool) -> Recognition:
    judge, described = make("judge"), {p.id: p.describe("ko", "full") for p in personas()}

    def read(body: dict[str, object]) -> str:
        return judge.reply(asked(body, seed)).text

    texts = {(p.id, q.id): reply.text for p, q, _, reply in said_by.__wrapped__(name, seed)}
    if restated:
        texts = {cell: paraphrased(read(paraphrase_request(text, model=JUDGE))) for cell, text in texts.items()}
    chosen = {}
    for one in described:
        said = [texts[one, q.id] for q in questions()]
        chosen[one] = [recognised(read(recognition_request(said, described, model=JUDGE)), said, described)]
    return recognition(chosen, permutations=999, seed=seed)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "plain", "blind"),
    [("faithful-1.0", True, True), ("emoji", True, False), ("flat", False, False)],
)
def test_only_what_is_said_is_recognised_in_other_words(proof: str, name: str, plain: bool, blind: bool) -> None:
    runs = RUNS[proof]
    for restated, expected in ((False, plain), (True, blind)):
        verdicts = [found(name, FIRST + n, restated).verdict for n in range(runs)]
        assert at_most(sum((one == "recognised") != expected for one in verdicts), runs, 0.02), (restated, verdicts)
