"""Groups: whether a grouping of the personas, such as age or diagnosis, changes what is said.

Read from texts alone, so that no trait needs to be scored. Whole personas are permuted: a persona's answers are not
independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import NotMeasurable, TableError, arranged
from pytest_batcheval.quality.design import declared_by_id
from pytest_batcheval.quality.result import TableResult, listed
from pytest_batcheval.quality.scores import spoken
from pytest_batcheval.quality.stats.cell_means import cell_products
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.persona_effect import centred, filled
from pytest_batcheval.quality.stats.resampling import permutation_p, shuffles
from pytest_batcheval.quality.table import NAMED, Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.value_id import value_id

Floats = npt.NDArray[np.float64]

LEAST = 2
"""Least personas of a group, so that it has a spread within."""

NULL = "personas are exchangeable between groups; whole personas permuted, one-sided share of variance between groups"


@dataclass(frozen=True, kw_only=True, repr=False)
class GroupDifference(TableResult):
    """The difference of groups of personas in what they say.

    Attributes:
        effect: R2 of PERMANOVA (Anderson 2001): the share of the personas' squared distances that lies between groups,
            question by question, by TF-IDF vectors of their answers.
        p_value: one-sided.
        expected: the share that chance gives: (groups - 1) / (personas - 1).
        groups: the number of personas by group.
        verdict: `different` (p at most 0.01) or `not shown`.
    """

    effect: float
    p_value: float
    seed: int
    expected: float
    groups: dict[str, int]
    verdict: str

    COMPARE: ClassVar[str] = "assert result.p_value <= 0.01, result.explain()"

    def _words(self) -> Phrase:
        """The result in words, with the groups."""
        sizes = [Phrase("{group} ({number})", group=group, number=number) for group, number in self.groups.items()]
        return Phrase(
            "{verdict}: groups {groups} hold {effect:.1%} of how personas differ, by chance {expected:.1%}, "
            "p = {p:.4g} (seed {seed}), {answers}",
            verdict=Phrase.known(self.verdict, "verdict"),
            groups=listed(sizes, NAMED),
            effect=self.effect,
            expected=self.expected,
            p=self.p_value,
            seed=self.seed,
            answers=Phrase.counted(self.n, "answer"),
        )

    def _summary(self) -> Phrase:
        template = "r2={it.effect:.3f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def group_difference(
    answers: Answers,
    groups: str | Mapping[Any, Any],
    *,
    permutations: int = 9999,
    seed: int = 0,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> GroupDifference:
    """Test whether groups of personas say different things, by the texts alone.

    `groups` is the name of a field of the personas (rows), such as `age`, or a group by persona id.

    Raises:
        TableError: as `differentiation`, a persona has no group, there is only one group, or one of a single persona.
        NotMeasurable: no persona has one.
    """
    table = table_of(spoken(arranged(answers, rows, columns)))
    member, sizes = _members(table, groups)
    blocks = centred(filled(cell_products(table, table.texts), table.present))
    products = np.einsum("jijm->im", blocks)
    total = float(np.trace(products))
    known = np.eye(len(sizes))[member] / np.sqrt(list(sizes.values()))
    share = _between(products, known) / total if total > 1e-12 else 0.0

    def null(rng: np.random.Generator, count: int) -> Floats:
        drawn = (_between(products, known[order]) for order in shuffles(rng, count, len(member)))
        return np.fromiter(drawn, dtype=np.float64, count=count)

    p_value = permutation_p(null, share * total, permutations, seed)[0] if total > 1e-12 else 1.0
    return GroupDifference(
        effect=share,
        interval=None,
        p_value=p_value,
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        expected=(len(sizes) - 1) / (len(member) - 1),
        groups=sizes,
        verdict=_verdict(p_value),
    )


def _verdict(p_value: float) -> str:
    return "different" if p_value <= ALPHA else "not shown"


def _between(products: Floats, known: Floats) -> float:
    """Return the sum of squares between groups: the trace of `known` transposed x `products` x `known`.

    `products` are those of the personas' centred vectors, at each question alone and then summed, shape (P, P); `known`
    has 1 / sqrt(size) of its group for each persona, shape (P, groups).
    """
    return float(((products @ known) * known).sum())


def _members(table: Table, groups: str | Mapping[Any, Any]) -> tuple[npt.NDArray[np.intp], dict[str, int]]:
    """Return the number of each persona's group, and the groups' sizes."""
    if isinstance(groups, str):
        found = [getattr(value, groups, None) for value in table.rows]
    else:
        by_id = declared_by_id("groups", groups)
        found = [by_id.get(identifier) for identifier in table.row_ids]
    lacking = [i for i, group in zip(table.row_ids, found, strict=True) if group is None]
    if lacking:
        kind = NotMeasurable if len(lacking) == len(found) else TableError
        raise kind(Phrase("personas without a group: {names}", names=listed(lacking, NAMED)))
    names, member, sizes = np.unique([value_id(group) for group in found], return_inverse=True, return_counts=True)
    known = {str(name): int(size) for name, size in zip(names, sizes, strict=True)}
    if len(known) < LEAST or min(known.values()) < LEAST:
        raise TableError(f"at least two groups of {LEAST} personas are needed, not {known}")
    return member.astype(np.intp), known
