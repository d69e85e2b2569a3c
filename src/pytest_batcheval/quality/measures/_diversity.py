"""Diversity of the answers to one question: templates, canned openers, one text for all.

High diversity is not good in itself: shuffled letters have the highest. Length biases every figure, so
texts are cut to a common length where that matters.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TooSmall, arranged
from pytest_batcheval.quality.limits import limits_of
from pytest_batcheval.quality.result import NONE, TableResult, listed, shown
from pytest_batcheval.quality.scores import spoken
from pytest_batcheval.quality.stats.resampling import jackknife_interval
from pytest_batcheval.quality.stats.text_distance import Vectors, tfidf
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

NEAR = 0.95
"""Cosine of TF-IDF vectors above which two answers are the same except for a word: a convention.

Simulated (docs/statistics.md): 0.001 of a faithful respondent's pairs are above it.
"""

NEAR_DUPLICATES, VENDI, OPENINGS = 0.02, 0.15, 0.25
"""Most near-duplicates, least effective share of distinct texts, most answers with one opening.

Simulated caricatures (docs/statistics.md): near-duplicates 0.001 and Vendi 0.64 where nothing is wrong, 0.03 and
0.6 with 30 % refusals, 1 and 0.04 when collapsed; Vendi 0.33 for fillers only. The limits belong to this distance.
"""

LIMITS = {"near_duplicates": NEAR_DUPLICATES, "vendi": VENDI}

LENGTH = 200
"""Characters of an answer that compression and n-grams use; fewer if half the answers are shorter."""

OPENING = 8
"""Letters of an opening, without spaces."""

NAMED = 5

LEAST = 2
"""Personas whose answers can differ; this describes, so that a small table is no hindrance."""

MOST = 2000
"""Items that are compared with each other where a table has one axis: their products take 32 MB, and a second."""


@dataclass(frozen=True)
class OneQuestion:
    """The figures of one question."""

    near_duplicates: float
    vendi: float
    compression: float
    distinct: float
    opening: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Diversity(TableResult):
    """The diversity of the first samples of all personas, averaged over questions.

    Attributes:
        effect: Vendi score over the number of answers: the effective share of distinct texts, 1 / n to 1.
        interval: its 95 % interval, by leaving out one question at a time; `None` with a single one.
        near_duplicates: share of pairs of answers to a question with cosine above 0.95.
        compression: bytes of a question's answers over their bytes compressed; high for templates.
            Compare it with a run of the same model, not across languages.
        distinct: distinct character 3-grams over all 3-grams; report only.
        opening: share of answers that begin with a question's most frequent eight letters.
        intervals: 95 % intervals of the other figures, by name.
        questions: figures by question id.
        duplicated: the pairs that are nearest to each other, nearest first, at most five.
        openings: the most frequent openings and the share of the question's answers that have them.
        verdict: `diverse`, or `collapsed` (near-duplicates above 2 % or Vendi below 0.15).
        limits: the two limits that were used, by name.
    """

    effect: float
    interval: tuple[float, float] | None
    near_duplicates: float
    compression: float
    distinct: float
    opening: float
    intervals: dict[str, tuple[float, float]]
    questions: dict[str, OneQuestion]
    duplicated: tuple[str, ...]
    openings: tuple[str, ...]
    verdict: str
    limits: dict[str, float]

    COMPARE: ClassVar[str] = "assert result.near_duplicates <= 0.02 and result.vendi >= 0.15, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("vendi",)

    @property
    def vendi(self) -> float:
        """The effect."""
        return self.effect

    def _words(self) -> Phrase:
        """The result in words, with the nearest pairs and the most frequent openings."""
        size = Phrase(
            "{verdict}: first samples of {cells}",
            verdict=Phrase.known(self.verdict, "verdict"),
            cells=Phrase.counted(self.n, "cell"),
        )
        near = Phrase(
            "near-duplicates = {share:.1%} of pairs (at most {most:.0%}); nearest: {pairs}",
            share=self.near_duplicates,
            most=self.limits["near_duplicates"],
            pairs=listed(self.duplicated) or NONE,
        )
        opening = Phrase(
            "opening = {share:.0%} begin alike (more than {most:.0%} is canned); most frequent: {openings}",
            share=self.opening,
            most=OPENINGS,
            openings=listed(self.openings) or NONE,
        )
        others = Phrase(
            "compression = {it.compression:.2f}, distinct 3-grams = {it.distinct:.2f} "
            "(compare with a run of the same model)",
            it=self,
        )
        return Phrase.joined("\n", [size, near, self._distinct_texts(), opening, others])

    def _distinct_texts(self) -> Phrase:
        """The Vendi score, and the question where it is least."""
        found = Phrase(
            "vendi = {vendi:.2f} of the number of answers ({interval}; at least {limit})",
            vendi=self.vendi,
            interval=shown(self.interval, 2),
            limit=self.limits["vendi"],
        )
        if len(self.questions) == 1:
            return found
        worst = min(self.questions, key=lambda identifier: self.questions[identifier].vendi)
        least = self.questions[worst].vendi
        return Phrase("{found}; least at {worst} ({least:.2f})", found=found, worst=worst, least=least)

    def _summary(self) -> Phrase:
        template = "vendi={it.vendi:.2f} near_duplicates={it.near_duplicates:.1%}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def diversity(
    answers: Answers,
    *,
    limits: Mapping[str, float] | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Diversity:
    """Measure the diversity of the personas' answers to a question; of one axis, of the first samples of 2,000 items.

    `limits` has limits of your own by name: `near_duplicates`, `vendi`.

    Raises:
        TableError: a single persona, too many cells without an answer, or a limit that is not a number.
    """
    within = limits_of(limits, LIMITS)
    table = table_of(spoken(arranged(answers, rows, columns)), any_size=True)
    if len(table.rows) < LEAST:
        raise TooSmall(f"{counted(len(table.rows), table.axes.row)}: at least {LEAST} are needed to be different")
    first = np.unique(table.cell, return_index=True)[1]
    if not table.axes.columns:  # spread over all of them, whatever their ids stand for
        first = first[:: -(-len(first) // MOST)]
    vectors = tfidf([table.texts[n] for n in first])
    groups = [np.flatnonzero(table.cell[first] // len(table.rows) == j) for j in range(len(table.columns))]
    cosines = [_cosines(vectors, members) for members in groups]
    texts = [[table.texts[first[n]] for n in members] for members in groups]
    ids = table.column_ids
    found = {i: _question(c, t) for i, c, t in zip(ids, cosines, texts, strict=True)}
    means, intervals = _over_questions(list(found.values()))
    vendi = means.pop("vendi")
    return Diversity(
        effect=vendi,
        interval=intervals.pop("vendi", None),
        p_value=None,
        null="none: diversity is compared with a limit or another run",
        n=len(first),
        seed=None,
        rows=table.axes.row,
        columns=table.axes.column,
        **means,
        intervals=intervals,
        questions=found,
        duplicated=_nearest(table, [first[members] for members in groups], cosines),
        openings=_frequent(ids, texts),
        verdict=_verdict(means["near_duplicates"] <= within["near_duplicates"] and vendi >= within["vendi"]),
        limits=within,
    )


def _verdict(diverse: bool) -> str:
    return "diverse" if diverse else "collapsed"


def vendi_score(cosines: Floats) -> float:
    """Return exp of the entropy of the eigenvalues of K / n (Friedman & Dieng 2023), from 1 to n."""
    values = np.linalg.eigvalsh(cosines / len(cosines))
    values = values[values > 1e-12]
    return float(np.exp(-np.sum(values * np.log(values))))


def _cosines(vectors: Vectors, members: npt.NDArray[np.intp]) -> Floats:
    """Return the cosines of some rows; texts without n-grams are alike."""
    cosines = vectors.taken(members).products()
    empty = np.flatnonzero(np.diag(cosines) < 0.5)
    cosines[np.ix_(empty, empty)] = 1.0
    return cosines


def _question(cosines: Floats, texts: Sequence[str]) -> OneQuestion:
    size = len(texts)
    above = cosines[np.triu_indices(size, 1)]
    cut = _cut(texts)
    joined = "\n".join(cut).encode("utf-8", "surrogatepass")
    grams = [text[i : i + 3] for text in cut for i in range(len(text) - 2)]
    openings = Counter(map(_opening, texts))
    return OneQuestion(
        near_duplicates=float((above > NEAR).mean()) if len(above) else 0.0,
        vendi=vendi_score(cosines) / size,
        compression=len(joined) / len(zlib.compress(joined, 9)) if joined else 1.0,
        distinct=len(set(grams)) / len(grams) if grams else 0.0,
        opening=openings.most_common(1)[0][1] / size,
    )


def _cut(texts: Sequence[str]) -> list[str]:
    """Return the texts cut to a common length: their median, at most `LENGTH`; shorter ones stay as they are."""
    plain = [unicodedata.normalize("NFC", text) for text in texts]
    length = min(LENGTH, int(np.median([len(text) for text in plain])))
    return [text[: max(length, 1)] for text in plain]


def _opening(text: str) -> str:
    start = unicodedata.normalize("NFC", text[: 20 * OPENING])
    return "".join(character for character in start if character.isalnum())[:OPENING].casefold()


def _over_questions(found: Sequence[OneQuestion]) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return the means of the figures and, if there are several questions, their intervals."""
    means, intervals = {}, {}
    for name in OneQuestion.__dataclass_fields__:
        values = np.array([getattr(one, name) for one in found])
        means[name] = float(values.mean())
        if len(found) > 1:
            intervals[name] = jackknife_interval(means[name], (values.sum() - values) / (len(values) - 1))
    return means, intervals


def _nearest(table: Table, groups: Sequence[npt.NDArray[np.intp]], cosines: Sequence[Floats]) -> tuple[str, ...]:
    pairs = []
    for members, matrix in zip(groups, cosines, strict=True):
        above = np.triu(matrix, 1)
        for place in np.argsort(-above, axis=None, kind="stable")[:NAMED]:
            a, b = divmod(int(place), len(members))
            if above[a, b] > NEAR:
                pairs.append((float(above[a, b]), int(members[a]), int(members[b])))
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    return tuple(
        Phrase("{one} and {other}: {cosine:.2f}", one=table.answer_name(a), other=table.answer_name(b), cosine=cosine)
        for cosine, a, b in pairs[:NAMED]
    )


def _frequent(ids: Sequence[str], texts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    found = []
    for identifier, answers in zip(ids, texts, strict=True):
        opening, often = Counter(map(_opening, answers)).most_common(1)[0]
        if often > 1:
            found.append((often / len(answers), identifier, opening))
    found.sort(key=lambda item: (-item[0], item[1]))
    return tuple(
        Phrase(
            "{opening!r} at {question} ({share:.0%})" if identifier else "{opening!r} ({share:.0%})",
            opening=opening,
            question=identifier,
            share=share,
        )
        for share, identifier, opening in found[:NAMED]
    )
