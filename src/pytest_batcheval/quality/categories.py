"""Factors of several levels, such as four diagnoses, declared as one dimension for each level."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.design import Design

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int_]


def categories(levels: Ints) -> Iterator[list[int]]:
    """Yield the columns, two or more, that are kinds of one factor: each row is 1 in at most one, -1 in all if none.

    `levels` has the shape (P, factors). A level that is 0 where another one is 1 is a contrast against those that are
    -1 in all.
    """
    high = levels > 0
    apart = ~((high.T.astype(int) @ high.astype(int)) > 0)
    left = list(range(levels.shape[1]))
    while left:
        group = [left.pop(0)]
        group += [n for n in left if all(apart[n, m] for m in group)]
        left = [n for n in left if n not in group]
        none = ~high[:, group].any(axis=1)
        if len(group) > 1 and (levels[none][:, group] == -1).all():
            yield group


def against_the_rest(design: Design) -> Design:
    """Return the design with each level of a factor against all others.

    Against one reference level, "not this one" would lie half way, and levels would seem to move each other's scores.
    """
    levels = design.levels.copy()
    for group in categories(levels):
        one = (levels[:, group] > 0).any(axis=1)
        for column in group:
            levels[one & (levels[:, column] == 0), column] = -1
    return Design(design.factors, levels, design.aimed)


def effects_of_levels(design: Design, means: Floats, scores: list[int]) -> tuple[Floats, Floats | None]:
    """Return `Design.effects`; where a factor has a dimension for every level, each score is told from all but one.

    If every row is 1 in one of a factor's dimensions, each is determined by the others. The effects on the score of one
    of them are then those against the last of the others, whose own is 0. `scores` has the place among the factors of
    each column of `means`.

    Raises:
        TableError: factors cannot be told apart for another reason.
    """
    whole = [g for g in categories(design.levels) if len(g) > 2 and (design.levels[:, g] > 0).any(axis=1).all()]
    if not whole:
        return design.effects(means)
    effects = np.zeros((len(design.factors), means.shape[1]))
    errors = np.zeros_like(effects)
    for column, own in enumerate(scores):
        dropped = {next(n for n in reversed(group) if n != own) for group in whole}
        kept = [n for n in range(len(design.factors)) if n not in dropped]
        part = Design(tuple(design.factors[n] for n in kept), design.levels[:, kept], design.aimed)
        found, error = part.effects(means[:, [column]])
        effects[kept, column] = found[:, 0]
        if error is None:
            raise TableError(f"{len(design.levels)} rows are too few for {len(kept)} dimensions")
        errors[kept, column] = error[:, 0]
    return effects, errors
