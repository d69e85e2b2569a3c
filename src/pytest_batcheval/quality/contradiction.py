"""Contradiction: a judge reads one persona's answers, and lists pairs of them that cannot both be true.

A judge who finds nothing may see nothing. So it reads answers of different personas as well, as if one had given them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.judging._strict_request import closed, folded, replied, strict_request, tagged, was_said
from pytest_batcheval.quality.needs import LEAST_ROWS
from pytest_batcheval.quality.result import NONE, Result, listed
from pytest_batcheval.quality.stats.against_control import lower_p, share_interval, sorted_out
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]
Pairs = Sequence[tuple[int, int]]
"""Pairs of answers, by their numbers from 1, the smaller one first."""

SYSTEM = (
    "You read the numbered answers that one person gave in an interview. List each pair of answers that cannot both be "
    "true of this person: facts, habits or feelings that exclude each other. A change that the person tells of is no "
    "contradiction. Quote the words of both, letter by letter. List none if there is none."
)

NULL = "a persona's answers contradict each other as often as mixed ones; exchanged within each persona, one-sided"


def contradiction_request(said: Sequence[str], *, model: str) -> dict[str, Any]:
    """Return the body that asks a judge which of these answers contradict each other (chat completions, strict schema).

    Raises:
        ValueError: fewer than 2 answers.
    """
    if len(said) < 2:
        raise ValueError(f"{counted(len(said), 'answer')} cannot contradict each other: give at least 2")
    lines = [f"{number}. {folded(words)}" for number, words in enumerate(said, 1)]
    number = {"type": "integer", "enum": list(range(1, len(said) + 1))}
    quote = {"type": "string"}
    pair = closed({"first": number, "first_quote": quote, "second": number, "second_quote": quote})
    return strict_request(model, "contradiction", SYSTEM, tagged(lines), {"pairs": {"type": "array", "items": pair}})


def contradicting(reply: str, said: Sequence[str]) -> Pairs | None:
    """Return the pairs in a judge's reply to `contradiction_request` of the same answers; `None` for an unusable reply.

    A pair whose quotes are not both in their answers does not count.
    """
    pairs = replied(reply, "pairs")
    if not isinstance(pairs, list) or not all(isinstance(pair, dict) for pair in pairs):
        return None
    found = set()
    for pair in pairs:
        ends = [(pair.get(end), pair.get(f"{end}_quote")) for end in ("first", "second")]
        if all(_is_number(n, len(said)) and was_said(quote, said[n - 1]) for n, quote in ends):
            found.add((min(n for n, _ in ends), max(n for n, _ in ends)))
    return sorted(pair for pair in found if pair[0] != pair[1])


def mixed_personas(ids: Sequence[str], answers: int) -> dict[str, list[str]]:
    """Return, by persona id, the personas whose answers to the first, second, … question make up its mixed set.

    Each answer is in one mixed set, and a set has no persona twice unless there are more answers than personas. The
    order is by hashes of the ids, since neighbours in a design are alike.

    Raises:
        ValueError: an id occurs twice.
    """
    if len(set(ids)) != len(ids):
        raise ValueError("a persona's id occurs twice")
    order = sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())
    return {one: [order[(n + place) % len(order)] for place in range(answers)] for n, one in enumerate(order)}


@dataclass(frozen=True, kw_only=True, repr=False)
class Contradiction(Result):
    """The share of pairs of a persona's answers that contradict each other.

    Attributes:
        effect: the mean share over personas.
        interval: 95 %, with personas as cases.
        p_value: one-sided, of a smaller share than that of mixed answers.
        n: the number of sets of answers that were read, without the mixed ones.
        mixed: the mean share in answers of different personas.
        personas: the share by persona, largest first.
        pairs: the pairs found, as `persona: first, second`, those of the first persona of `personas` first.
        unread: replies that are missing; they are left out.
        verdict: `consistent` (p at most 0.01, and at most 0.2 of the share of mixed answers), `contradicts itself`
            (more than that, and the judge finds something in at least half of the mixed sets) or `not shown`.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    seed: int
    mixed: float
    personas: dict[str, float]
    pairs: tuple[str, ...]
    unread: int
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict == 'consistent', result.explain()"

    def _words(self) -> Phrase:
        """The share beside that of mixed answers, and where to look."""
        found = Phrase(
            "{verdict}: {effect:.1%} of the pairs of a persona's answers contradict each other (95 %: {low:.1%} to "
            "{high:.1%}), of mixed ones {mixed:.1%}, p = {p:.4g}; without a reply {unread}",
            verdict=Phrase.known(self.verdict, "verdict"),
            effect=self.effect,
            low=self.interval[0],
            high=self.interval[1],
            mixed=self.mixed,
            p=self.p_value,
            unread=self.unread,
        )
        return Phrase.joined("\n", [found, Phrase("contradictions: {pairs}", pairs=listed(self.pairs, 10) or NONE)])

    def _summary(self) -> Phrase:
        template = "contradictions={it.effect:.3f} mixed={it.mixed:.3f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def contradiction(
    own: Mapping[str, Sequence[Pairs | None]],
    mixed: Mapping[str, Sequence[Pairs | None]],
    *,
    answers: int,
    permutations: int = 9999,
    seed: int = 0,
) -> Contradiction:
    """Return how often personas contradict themselves, against how often answers of different ones do.

    Args:
        own: by persona id the pairs found in its answers, one list for each sample; `None` for an unusable reply.
        mixed: the same of its mixed set (`mixed_personas`).
        answers: the number of answers that were read at once.
        permutations: exchanges of the own share and the mixed one, persona by persona.
        seed: of the exchanges.

    Raises:
        TableError: fewer than 8 personas, others in `mixed`, or one without any reply.
    """
    if len(own) < LEAST_ROWS:
        raise TableError(f"{counted(len(own), 'persona')}: at least {LEAST_ROWS} are needed")
    if own.keys() != mixed.keys():
        raise TableError("own and mixed must have the same personas")
    ids, of = sorted(own), answers * (answers - 1) / 2
    shares, controls = (np.array([_share(one, given[one], of) for one in ids]) for given in (own, mixed))
    p_value = lower_p(shares, controls, permutations, seed)
    personas = dict(sorted(zip(ids, map(float, shares), strict=True), key=lambda pair: (-pair[1], pair[0])))
    read = [pairs for given in own.values() for pairs in given]
    return Contradiction(
        effect=float(shares.mean()),
        interval=share_interval(shares),
        p_value=p_value,
        null=NULL,
        n=sum(pairs is not None for pairs in read),
        seed=seed,
        mixed=float(controls.mean()),
        personas=personas,
        pairs=tuple(f"{one}: {a}, {b}" for one in personas for pairs in own[one] for a, b in pairs or ()),
        unread=sum(pairs is None for pairs in read),
        verdict=_verdict(sorted_out(shares, controls, p_value)),
    )


def _verdict(found: str) -> str:
    if found == "low":
        return "consistent"
    return "contradicts itself" if found == "high" else "not shown"


def _share(one: str, given: Sequence[Pairs | None], of: float) -> float:
    read = [len(pairs) for pairs in given if pairs is not None]
    if not read:
        raise TableError(f"persona {one} has no reply: at least one of each persona and of each mixed set is needed")
    if max(read) > of:
        raise TableError(f"persona {one}: {max(read)} pairs, more than its answers have; is `answers` their number?")
    return sum(read) / len(read) / of


def _is_number(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
