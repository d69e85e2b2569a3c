"""Student's t distribution and the interval of a proportion, with the standard library alone."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_SMALLEST = 1e-300
_STEPS = 500


def t_cdf(t: float, freedom: float) -> float:
    """P(T <= t) for `freedom` degrees of freedom, by the incomplete beta function (Abramowitz & Stegun 26.7.1)."""
    if t * t < freedom:  # the other end of the same function keeps its digits near 0
        return 0.5 + math.copysign(incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t)) / 2, t)
    tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return 1 - tail if t > 0 else tail


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: float) -> float:
    """Return the value that T stays below with this probability, to about 1e-10."""
    low, high = -1.0, 1.0
    while t_cdf(low, freedom) > probability:
        low *= 2
    while t_cdf(high, freedom) < probability:
        high *= 2
    while high - low > 1e-10 * max(1.0, abs(low)):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def wilson_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a proportion (Wilson 1927); (0, 1) for n = 0. No hits in 275 still allow 1.4 %."""
    if n == 0:
        return 0.0, 1.0
    return score_interval(hits / n, n, NormalDist().inv_cdf(0.5 + level / 2))


def score_interval(share: float, n: float, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, for a number of cases that need not be whole and a quantile of any kind."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (0.0 if share == 0 else middle - half), (1.0 if share == 1 else middle + half)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of I_x(a, b) (Abramowitz & Stegun 26.5.8), by Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST
