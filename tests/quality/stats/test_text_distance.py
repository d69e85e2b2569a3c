from __future__ import annotations

import math
import unicodedata
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.quality.stats import text_distance
from pytest_batcheval.quality.stats.text_distance import tfidf, tfidf_gram

TEXTS = st.lists(st.text(st.sampled_from("가나다 ab\U0001f600"), max_size=12), min_size=1, max_size=6)


def by_definition(texts: list[str]) -> list[list[float]]:
    counts = [Counter(t[i : i + n] for n in (2, 3, 4) for i in range(len(t) - n + 1)) for t in texts]
    found = Counter(gram for count in counts for gram in count)
    idf = {gram: math.log((1 + len(texts)) / (1 + n)) + 1 for gram, n in found.items()}
    vectors = [{gram: (1 + math.log(n)) * idf[gram] for gram, n in count.items()} for count in counts]
    lengths = [math.sqrt(sum(w * w for w in vector.values())) or 1.0 for vector in vectors]
    return [
        [sum(w * b.get(gram, 0.0) for gram, w in a.items()) / lengths[i] / lengths[j] for j, b in enumerate(vectors)]
        for i, a in enumerate(vectors)
    ]


@given(TEXTS)
def test_the_gram_matrix_equals_its_definition(texts: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(tfidf_gram(texts), by_definition(texts), atol=1e-12)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["하나 둘 셋 넷", "둘 셋 넷 다섯", "셋 넷 하나 여섯 일곱"]
    whole = tfidf_gram(texts)
    monkeypatch.setattr(text_distance, "RARE", 2)
    np.testing.assert_allclose(tfidf_gram(texts), whole, atol=1e-12)
    monkeypatch.setattr(text_distance, "BLOCK", 3)
    np.testing.assert_allclose(tfidf_gram(texts), whole, atol=1e-12)


def test_decomposed_and_composed_korean_are_the_same_text() -> None:
    gram = tfidf_gram(["조용한 사람", unicodedata.normalize("NFD", "조용한 사람"), "다른 글"])
    assert gram[0, 1] == pytest.approx(1.0)


def test_spaces_are_kept() -> None:
    assert tfidf_gram(["가나다", "가 나 다"])[0, 1] == 0.0


@pytest.mark.parametrize("texts", [[""], ["", "a"], ["", "같은 글", "같은 글"]])
def test_a_text_without_ngrams_is_far_from_all(texts: list[str]) -> None:
    gram = tfidf_gram(texts)
    assert not gram[0].any()
    assert np.isfinite(gram).all()


def test_sketches_have_nearly_the_same_products() -> None:
    words = [f"{n * 7919 % 1000:03}" for n in range(200)]
    texts = [" ".join(words[n : n + 30]) for n in range(0, 120, 3)]
    vectors = tfidf([*texts, texts[0]])
    exact, short = vectors.products(), vectors.sketched()
    off = np.abs(short @ short.T - exact)
    assert off.mean() < 0.05
    assert off.max() < 0.2
    assert short[0] @ short[-1] == pytest.approx(1.0)
