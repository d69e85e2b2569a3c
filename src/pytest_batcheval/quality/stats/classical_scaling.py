"""Classical scaling: points on a plane that lie as far apart as what they stand for differs (Torgerson 1952)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def scaled(products: npt.NDArray[np.float64]) -> tuple[list[tuple[float, float]], float]:
    """Return a point for each row, and the share of their squared distances that the plane shows, in [0, 1].

    `products` is symmetric, shape (P, P): inner products of the things, such as centred profiles. The first
    coordinate spreads most; each axis points to where its longest coordinate is positive, so that a map does not flip.
    """
    centred = products - products.mean(axis=0) - products.mean(axis=1)[:, None] + products.mean()
    lengths, axes = np.linalg.eigh((centred + centred.T) / 2)
    points = np.zeros((len(products), 2))
    for column, place in enumerate(range(len(products) - 1, max(-1, len(products) - 3), -1)):
        axis = axes[:, place]
        sign = 1.0 if axis[np.abs(axis).argmax()] >= 0 else -1.0
        points[:, column] = sign * axis * max(0.0, float(lengths[place])) ** 0.5
    total = float(np.maximum(lengths, 0).sum())
    share = float((points**2).sum()) / total if total > 0 else 0.0
    return [(float(x), float(y)) for x, y in points], share
