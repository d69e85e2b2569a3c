"""Factors of several levels, such as four diagnoses, declared as one dimension for each level."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.design import Design

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
