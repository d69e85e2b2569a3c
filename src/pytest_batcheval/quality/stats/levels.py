"""The levels of this package, and the verdict on a difference that they give."""

from __future__ import annotations

ALPHA = 0.01
"""The significance level of this package.

Seven dimensions and a dozen gates are checked; at 0.05 one of them would be found by chance in every other run.
"""

EQUIVALENCE = 0.05
"""Level of each of the two one-sided tests, the usual one (Schuirmann 1987): the 90 % interval is inside the margin."""


def verdict_of(mean: float, p_value: float, equivalent: bool) -> str:
    """`equivalent`, else `better` or `worse` if p is at most `ALPHA`, else `not decided`.

    A difference can be both significant and small enough to be equivalent.
    """
    if equivalent:
        return "equivalent"
    if p_value <= ALPHA:
        return "better" if mean > 0 else "worse"
    return "not decided"
