"""How alike texts are: cosine of character n-gram TF-IDF vectors, which needs no tokeniser.

It sees wording, not meaning: two ways of saying one thing are far apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 2048
"""n-grams held as a dense block at a time: 275 texts x 2048 x 8 bytes are 4.5 MB."""


def tfidf_gram(texts: Sequence[str]) -> Floats:
    """The Gram matrix of the texts' TF-IDF vectors, shape (n, n); entries are cosines, 0 for a text without n-grams.

    Character 2- to 4-grams of the NFC text with its spaces, tf = 1 + ln(count),
    idf = ln((1 + n) / (1 + texts with it)) + 1 over these texts, each vector of length 1.
    Squared Euclidean distance is 2 - 2 * cosine.
    """
    text, gram = _ngrams([unicodedata.normalize("NFC", t) for t in texts])
    n = len(texts)
    pair, count = np.unique(gram * n + text, return_counts=True)
    gram, text = np.divmod(pair, n)
    found = np.bincount(gram, minlength=1)
    weight = (1 + np.log(count)) * (np.log((1 + n) / (1 + found)) + 1)[gram]
    length = np.sqrt(np.bincount(text, weight**2, minlength=n))
    weight /= length[text]
    # an n-gram of a single text adds to that text's diagonal only, which is 1
    shared = found[gram] > 1
    matrix = _products(n, text[shared], gram[shared], weight[shared])
    np.fill_diagonal(matrix, (length > 0).astype(float))
    return matrix


def _ngrams(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """(text number, n-gram number) of every 2-, 3- and 4-gram; numbers are dense and unique over the sizes."""
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
    """A dense number for every pair that stands at one place of both arrays."""
    size = min(len(left), len(right))
    joined = left[:size] * (int(right.max(initial=0)) + 1) + right[:size]
    number: Ints = np.unique(joined, return_inverse=True)[1].astype(np.int64)
    return number


def _products(n: int, text: Ints, gram: Ints, weight: Floats) -> Floats:
    """The sum over n-grams of the outer products of their weights; `gram` is sorted."""
    matrix = np.zeros((n, n))
    column = np.unique(gram, return_inverse=True)[1]
    for first in range(0, int(column.max(initial=-1)) + 1, BLOCK):
        start, end = np.searchsorted(column, [first, first + BLOCK])
        block = np.zeros((n, BLOCK))
        block[text[start:end], column[start:end] - first] = weight[start:end]
        matrix += block @ block.T
    return matrix
