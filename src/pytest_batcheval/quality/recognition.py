"""Recognition: a judge reads one persona's answers and all descriptions, and says whose answers they are.

The same for questions: a judge reads one answer and all questions, and says which of them it answers.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.judging._strict_request import replied, strict_request, tagged
from pytest_batcheval.quality.result import NONE, Result, listed
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.multiple import holm
from pytest_batcheval.quality.stats.resampling import permutation_p, shuffles
from pytest_batcheval.quality.stats.student_t import wilson_interval
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

LEAST = 8
"""Fewest personas, as of tables: with 8, all of them recognised have a p of 1 / 40,320."""

SYSTEM = {
    "persona": "You read what one person said in an interview, and descriptions of several people. Say whose "
    "description fits best.",
    "question": "You read one answer of an interview, and several questions. Say which question it answers best.",
}

PARAPHRASE = (
    "You restate what one person said, for a reader who must not hear how it was said. Keep every fact, habit, feeling "
    "and opinion, and the person's stand on each; keep the language. Use plain words and sentences of your own, in the "
    "first person. Leave out emoji, turns of phrase, emphasis and filler, and add nothing."
)

NULL = "choices do not depend on who answered; whole personas permuted, one-sided"


def paraphrase_request(said: str, *, model: str) -> dict[str, Any]:
    """Return the body that asks a model for the same answer in other words (chat completions, strict JSON Schema).

    Recognised by restatements, a persona is known by what it said, and not by how.
    """
    return strict_request(model, "paraphrase", PARAPHRASE, tagged([said]), {"restated": {"type": "string"}})


def paraphrased(reply: str) -> str:
    """Return the restatement in a reply to `paraphrase_request`; empty for a reply without one."""
    found = replied(reply, "restated")
    return found if isinstance(found, str) else ""


def recognition_request(
    said: Sequence[str], descriptions: Mapping[str, str], *, model: str, of: str = "persona"
) -> dict[str, Any]:
    """Return the body that asks a judge whose answers these are (chat completions, strict JSON Schema).

    The descriptions are numbered in an order by hashes of the answers, so that none is favoured by its place, and the
    ids are not shown.

    Args:
        said: the answers of one persona, without the questions; or the one answer to a question.
        descriptions: by persona id; or the questions by id.
        model: the judge's.
        of: `persona`, or `question` to ask which question is answered.

    Raises:
        ValueError: `of` is neither.
    """
    if of not in SYSTEM:
        raise ValueError(f"of={of!r}: must be 'persona' or 'question'")
    order = _order(said, descriptions)
    listing = "\n".join(f"{number}. {descriptions[one]}" for number, one in enumerate(order, 1))
    heading = "Descriptions" if of == "persona" else "Questions"
    number = {"type": "integer", "enum": list(range(1, len(order) + 1))}
    text = f"{tagged(said)}\n\n{heading}:\n{listing}"
    return strict_request(model, "recognition", SYSTEM[of], text, {"number": number})


def recognised(reply: str, said: Sequence[str], descriptions: Mapping[str, str]) -> str | None:
    """Return the persona id that a judge's reply to `recognition_request` of the same arguments chose, or `None`."""
    number = replied(reply, "number")
    order = _order(said, descriptions)
    good = isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= len(order)
    return order[number - 1] if good else None


@dataclass(frozen=True)
class TraitKept:
    """One dimension of the chosen personas, where the right one has it high or low.

    Attributes:
        dimension: its code.
        kept: the share of choices with the same level.
        opposite: the share with the other pole.
        expected: the share kept that shuffled choices give.
        p_holm: of keeping it no better than that, after Holm's correction.
    """

    dimension: str
    kept: float
    opposite: float
    expected: float
    p_holm: float

    def __str__(self) -> Phrase:
        return Phrase(
            "{it.dimension}: kept in {it.kept:.0%}, by chance {it.expected:.0%}, opposite in {it.opposite:.0%} "
            "(Holm {it.p_holm:.3g})",
            it=self,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Recognition(Result):
    """The share of personas that a judge recognises.

    Attributes:
        effect: the share of choices that are right.
        interval: 95 %, Wilson's, with personas as cases.
        p_value: one-sided.
        expected: the share by chance.
        confusions: the number of choices by (persona, chosen one), the wrong ones, most frequent first.
        unread: choices that are missing; they count as wrong.
        traits: by dimension, least kept first.
        verdict: `recognised` (p at most 0.01) or `not shown`.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    seed: int
    expected: float
    confusions: dict[str, int]
    unread: int
    traits: tuple[TraitKept, ...]
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict == 'recognised', result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("lost",)

    @property
    def lost(self) -> tuple[str, ...]:
        """The dimensions that choices keep no better than chance, at 0.01 after Holm's correction."""
        return tuple(trait.dimension for trait in self.traits if trait.p_holm > ALPHA)

    def _words(self) -> Phrase:
        """The share, the commonest confusions, and the traits."""
        wrong = [Phrase("{pair} ({number})", pair=pair, number=number) for pair, number in self.confusions.items()]
        lines = [
            Phrase(
                "{verdict}: {effect:.0%} of {choices} are right (95 %: {low:.0%} to {high:.0%}), by chance "
                "{expected:.0%}, p = {p:.4g}; without a choice {unread}",
                verdict=Phrase.known(self.verdict, "verdict"),
                effect=self.effect,
                choices=Phrase.counted(self.n, "choice"),
                low=self.interval[0],
                high=self.interval[1],
                expected=self.expected,
                p=self.p_value,
                unread=self.unread,
            ),
            Phrase("taken for others: {wrong}", wrong=listed(wrong) or NONE),
            *(trait.__str__() for trait in self.traits),
        ]
        return Phrase.joined("\n", lines)

    def _summary(self) -> Phrase:
        template = "right={it.effect:.2f} expected={it.expected:.2f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def recognition(
    chosen: Mapping[str, Sequence[str | None]],
    levels: Mapping[str, Mapping[str, int]] | None = None,
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> Recognition:
    """Return how often a judge recognises personas, and which traits are lost where it does not.

    Args:
        chosen: by persona id the ids that the judge chose, one for each sample of the interview; `None` for none.
        levels: by persona id, the level (-1, 0, 1) of each dimension.
        permutations: of whole personas.
        seed: of the permutations.

    Raises:
        TableError: fewer than 8 personas, different numbers of choices, or a chosen id that is not one of theirs.
    """
    ids = sorted(chosen)
    table = _choices(ids, chosen)
    hits = table == np.arange(len(ids))[:, None]

    def null(rng: np.random.Generator, count: int) -> Floats:
        orders = shuffles(rng, count, len(ids))
        found: Floats = (table[None] == orders[:, :, None]).mean(axis=(1, 2))
        return found

    p_value = permutation_p(null, float(hits.mean()), permutations, seed)[0]
    return Recognition(
        effect=float(hits.mean()),
        interval=wilson_interval(round(float(hits.mean()) * len(ids)), len(ids)),
        p_value=p_value,
        null=NULL,
        n=table.size,
        seed=seed,
        expected=float((table >= 0).mean()) / len(ids),
        confusions=_confusions(ids, table),
        unread=int((table < 0).sum()),
        traits=_traits(ids, table, levels, permutations, seed) if levels else (),
        verdict=_verdict(p_value),
    )


def _choices(ids: Sequence[str], chosen: Mapping[str, Sequence[str | None]]) -> Ints:
    """Return the numbers of the chosen personas, -1 for none; shape (personas, samples)."""
    sizes = {len(given) for given in chosen.values()}
    if len(ids) < LEAST:
        raise TableError(f"{counted(len(ids), 'persona')} to recognise: at least {LEAST} are needed")
    if len(sizes) != 1 or 0 in sizes:
        raise TableError("give equally many choices of each persona, at least one; None for an answer without a choice")
    strange = sorted({str(one) for given in chosen.values() for one in given if one is not None and one not in chosen})
    if strange:
        raise TableError(f"chosen, but none of the personas: {', '.join(strange[:5])}")
    place = {one: n for n, one in enumerate(ids)}
    return np.array([[-1 if one is None else place[one] for one in chosen[i]] for i in ids], dtype=np.intp)


def _confusions(ids: Sequence[str], table: Ints) -> dict[str, int]:
    wrong = Counter(f"{ids[n]} -> {ids[one]}" for n, row in enumerate(table) for one in row if one >= 0 and one != n)
    return dict(sorted(wrong.items(), key=lambda pair: (-pair[1], pair[0])))


def _verdict(p_value: float) -> str:
    return "recognised" if p_value <= ALPHA else "not shown"


def _traits(
    ids: Sequence[str], table: Ints, levels: Mapping[str, Mapping[str, int]], permutations: int, seed: int
) -> tuple[TraitKept, ...]:
    """Return each dimension's part, with the p-value of whole personas permuted."""
    codes = sorted({code for own in levels.values() for code in own})
    found = []
    for number, code in enumerate(codes):
        own = np.array([levels.get(one, {}).get(code, 0) for one in ids], dtype=np.float64)
        asked = own != 0
        if len(np.unique(own[asked])) < 2:
            continue
        # of a choice that is missing, as of an average persona, the level is 0
        picked = np.append(own, 0.0)[table]
        kept = float((picked == own[:, None])[asked].mean())
        opposite = float((picked == -own[:, None])[asked].mean())

        def null(rng: np.random.Generator, count: int, own: Floats = own, picked: Floats = picked) -> Floats:
            drawn = own[shuffles(rng, count, len(own))]
            same = (picked[None] == drawn[:, :, None]) & (drawn != 0)[:, :, None]
            shares: Floats = same.sum(axis=(1, 2)) / np.count_nonzero(own) / picked.shape[1]
            return shares

        expected = float(null(np.random.default_rng([seed, number, 1]), 199).mean())
        found.append((code, kept, opposite, expected, permutation_p(null, kept, permutations, [seed, number])[0]))
    corrected = holm([one[4] for one in found])
    traits = [TraitKept(*one[:4], p) for one, p in zip(found, corrected, strict=True)]
    return tuple(sorted(traits, key=lambda trait: trait.kept - trait.expected))


def _order(said: Sequence[str], descriptions: Mapping[str, str]) -> list[str]:
    salt = "\n".join(said)
    return sorted(descriptions, key=lambda one: hashlib.sha256(f"{one}\n{salt}".encode()).digest())
