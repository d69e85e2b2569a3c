"""Similarity of texts: cosine of character n-gram TF-IDF vectors, which needs no tokeniser.

It sees wording, not meaning: two ways of saying one thing are far apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 2048
"""Number of n-grams in a dense block: 275 rows x 2048 x 8 bytes are 4.5 MB."""

SKETCH = 512

RARE = 16
"""An n-gram in fewer rows is multiplied pair by pair, because a dense column would be nearly all zeros."""


@dataclass(frozen=True)
class Vectors:
    """Sparse row vectors; entry e is `weight[e]` at row `row[e]`, column `gram[e]`, sorted by column, then row."""

    rows: int
    row: Ints
    gram: Ints
    weight: Floats

    def combined(self, target: npt.NDArray[np.intp], share: Floats, rows: int) -> Vectors:
        """Return vectors whose row `target[r]` is the sum of `share[r]` times the rows r; shapes (self.rows,)."""
        place = self.gram * rows + target[self.row]
        cell, entry = np.unique(place, return_inverse=True)
        weight = np.bincount(entry, self.weight * share[self.row], minlength=len(cell)).astype(np.float64)
        gram, row = np.divmod(cell, rows)
        return Vectors(rows, row, gram, weight)

    def taken(self, rows: npt.NDArray[np.intp]) -> Vectors:
        """Return some of the rows, in ascending order."""
        place = np.full(self.rows, -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.row] >= 0
        return Vectors(len(rows), place[self.row[kept]], self.gram[kept], self.weight[kept])

    def sketched(self) -> Floats:
        """Return short vectors of length 1 with nearly the same cosines, shape (rows, `SKETCH`).

        Each n-gram is added to one of 512 places with a sign, by a hash (count sketch, Charikar et al. 2002): they
        are off by 0.04 on average, those of equal vectors by nothing.
        """
        place = (self.gram * 2654435761 % 2**32).astype(np.int64)
        sign = np.where(place >> 31, -1.0, 1.0)
        entry = self.row * SKETCH + (place >> 8) % SKETCH
        sums = np.bincount(entry, self.weight * sign, minlength=self.rows * SKETCH).astype(np.float64)
        short: Floats = sums.reshape(self.rows, SKETCH)
        length = np.sqrt((short**2).sum(axis=1, keepdims=True))
        unit: Floats = np.divide(short, length, out=np.zeros_like(short), where=length > 0)
        return unit

    def products(self) -> Floats:
        """Return the Gram matrix, shape (rows, rows)."""
        column = np.unique(self.gram, return_inverse=True)[1]
        found = np.bincount(column, minlength=1)[column]
        dense = found >= RARE
        matrix = _dense_products(self.rows, self.row[dense], column[dense], self.weight[dense])
        return matrix + _pair_products(self.rows, self.row[~dense], column[~dense], self.weight[~dense])


def tfidf(texts: Sequence[str]) -> Vectors:
    """Return the texts' TF-IDF vectors, each of length 1; a text without n-grams is zero.

    Character 2- to 4-grams of the NFC text with its spaces, tf = 1 + ln(count),
    idf = ln((1 + n) / (1 + texts with it)) + 1 over these texts.
    """
    text, gram = _ngrams([unicodedata.normalize("NFC", t) for t in texts])
    n = len(texts)
    pair, count = np.unique(gram * n + text, return_counts=True)
    gram, text = np.divmod(pair, max(n, 1))
    found = np.bincount(gram, minlength=1)
    weight = (1 + np.log(count)) * (np.log((1 + n) / (1 + found)) + 1)[gram]
    length = np.sqrt(np.bincount(text, weight**2, minlength=n))
    return Vectors(n, text, gram, weight / length[text])


def tfidf_gram(texts: Sequence[str]) -> Floats:
    """Return the Gram matrix of the texts' TF-IDF vectors, shape (n, n): cosines.

    Squared Euclidean distance is 2 - 2 * cosine.
    """
    return tfidf(texts).products()


def _ngrams(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """Return (text number, n-gram number) of every 2-, 3- and 4-gram; numbers are dense and unique over the sizes."""
    owner = np.repeat(np.arange(len(texts)), [len(t) for t in texts])
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    chars = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    # numbering pairs first keeps longer n-grams within 64 bits for any alphabet
    pairs = _number(chars[:-1], chars[1:])
    grams = [pairs, _number(pairs[:-1], chars[2:]), _number(pairs[:-2], pairs[2:])]
    found: list[tuple[Ints, Ints]] = []
    first = 0
    for size, gram in enumerate(grams, 2):
        inside = owner[: len(gram)] == owner[size - 1 : size - 1 + len(gram)]
        found.append((owner[: len(gram)][inside], gram[inside] + first))
        first += int(gram.max(initial=-1)) + 1
    text, gram = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return text, np.unique(gram, return_inverse=True)[1].astype(np.int64)


def _number(left: Ints, right: Ints) -> Ints:
    """Return a dense number for every pair of entries at the same place of both arrays."""
    size = min(len(left), len(right))
    joined = left[:size] * (int(right.max(initial=0)) + 1) + right[:size]
    number: Ints = np.unique(joined, return_inverse=True)[1].astype(np.int64)
    return number


def _dense_products(n: int, row: Ints, column: Ints, weight: Floats) -> Floats:
    """Return the sum over columns of the outer products of their weights, by dense blocks; `column` is sorted."""
    matrix = np.zeros((n, n))
    column = np.unique(column, return_inverse=True)[1]
    for first in range(0, int(column.max(initial=-1)) + 1, BLOCK):
        start, end = np.searchsorted(column, [first, first + BLOCK])
        block = np.zeros((n, min(BLOCK, int(column[end - 1]) + 1 - first)))
        block[row[start:end], column[start:end] - first] = weight[start:end]
        matrix += block @ block.T
    return matrix


def _pair_products(n: int, row: Ints, column: Ints, weight: Floats) -> Floats:
    """Return the same, by the pairs of entries that are `apart` places from each other in one column."""
    matrix = np.zeros((n, n))
    np.add.at(matrix, (row, row), weight**2)
    for apart in range(1, RARE - 1):
        same = np.flatnonzero(column[:-apart] == column[apart:])
        if not len(same):
            break
        place = row[same] * n + row[same + apart]
        pairs = np.bincount(place, weight[same] * weight[same + apart], minlength=n * n).reshape(n, n)
        matrix += pairs + pairs.T
    return matrix
