from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from pytest_batcheval.quality.stats.persona_effect import (
    centred,
    filled,
    left_out_iccs,
    nearer_profiles,
    nearest_profiles,
    null_accuracies,
    null_sums,
    persona_icc,
    persona_sum,
    persona_sums,
    profile_cosines,
)
from pytest_batcheval.quality.stats.resampling import shuffles
from pytest_batcheval.quality.stats.text_distance import Floats


def vectors(questions: int, personas: int, seed: int = 0) -> Floats:
    """Centred feature vectors, shape (J, P, 5)."""
    drawn = np.random.default_rng(seed).normal(size=(questions, personas, 5))
    centre: Floats = drawn - drawn.mean(axis=1, keepdims=True)
    return centre


def blocks_of(features: Floats) -> Floats:
    return np.einsum("jif,qmf->jiqm", features, features)


def sum_by_definition(features: Floats) -> float:
    questions, personas, _ = features.shape
    pairs = [(j, q) for j in range(questions) for q in range(j + 1, questions)]
    return float(sum(features[j, i] @ features[q, i] for j, q in pairs for i in range(personas)))


@pytest.mark.parametrize("shape", [(2, 3), (4, 8), (5, 6)])
def test_the_sum_from_the_gram_matrix_is_the_one_from_vectors(shape: tuple[int, int]) -> None:
    features = vectors(*shape)
    assert persona_sum(blocks_of(features)) == pytest.approx(sum_by_definition(features))


def test_the_null_is_every_permutation_equally_often() -> None:
    """3 personas x 2 questions: 36 permutations, 6 different sums."""
    features = vectors(2, 3)
    every = [
        sum_by_definition(np.stack([features[0, list(a)], features[1, list(b)]]))
        for a, b in product(permutations(range(3)), repeat=2)
    ]
    drawn = null_sums(blocks_of(features), np.random.default_rng(1), 30_000)
    expected, often = np.unique(np.round(every, 9), return_counts=True)
    found, count = np.unique(np.round(drawn, 9), return_counts=True)
    np.testing.assert_allclose(found, expected)
    assert stats.chisquare(count, often / often.sum() * len(drawn)).pvalue > 0.001


def test_centring_takes_every_question_offset_away() -> None:
    features = vectors(3, 4)
    offset = features + np.random.default_rng(2).normal(size=(3, 1, 5))
    np.testing.assert_allclose(centred(blocks_of(offset)), blocks_of(features), atol=1e-12)


def test_a_missing_cell_is_zero_and_leaves_other_questions_alone() -> None:
    features = vectors(3, 4)
    present = np.ones((3, 4), bool)
    present[1, 2] = False
    cells = blocks_of(features).reshape(12, 12)
    gram = centred(filled(cells, present))
    np.testing.assert_allclose(gram[1, 2], 0, atol=1e-12)
    np.testing.assert_allclose(gram[:, :, 1, 2], 0, atol=1e-12)
    np.testing.assert_allclose(
        gram[np.ix_([0, 2], range(4), [0, 2], range(4))], blocks_of(features[[0, 2]]), atol=1e-12
    )


def test_icc_agrees_with_the_analysis_of_variance() -> None:
    questions, personas = 4, 6
    features = vectors(questions, personas)
    mean = features.mean(axis=0)
    between = questions * (mean**2).sum() / (personas - 1)
    error = ((features - mean) ** 2).sum() / ((personas - 1) * (questions - 1))
    assert persona_icc(blocks_of(features)) == pytest.approx((between - error) / (between + (questions - 1) * error))


def test_leaving_a_persona_out_equals_starting_without_it() -> None:
    features = vectors(4, 5)
    expected = []
    for i in range(5):
        rest = np.delete(features, i, axis=1)
        expected.append(persona_icc(blocks_of(rest - rest.mean(axis=1, keepdims=True))))
    assert list(left_out_iccs(blocks_of(features))) == pytest.approx(expected)


def test_personas_parts_add_up_to_the_sum() -> None:
    features = vectors(4, 5)
    parts = persona_sums(blocks_of(features))
    assert parts[2] == pytest.approx(sum_by_definition(features[:, [2]]))
    assert parts.sum() == pytest.approx(sum_by_definition(features))


def test_nearest_profiles_agree_with_vectors() -> None:
    features = vectors(4, 6)
    cosines = profile_cosines(blocks_of(features))
    nearest, nearer = nearest_profiles(cosines), nearer_profiles(cosines)
    for j in range(4):
        profile = np.delete(features, j, axis=0).mean(axis=0)
        profile /= np.linalg.norm(profile, axis=1, keepdims=True)
        products = features[j] @ profile.T
        assert nearest[j].tolist() == products.argmax(axis=1).tolist()
        assert nearer[j].tolist() == [(row > row[i]).sum() for i, row in enumerate(products)]


def test_a_tie_between_profiles_is_no_hit() -> None:
    features = vectors(4, 6)
    features[:, 1] = features[:, 0]
    nearest = nearest_profiles(profile_cosines(blocks_of(features)))
    assert 0 not in nearest
    assert 1 not in nearest


def test_the_accuracy_of_chance_is_that_of_permuted_answers() -> None:
    features, present = vectors(4, 6), np.ones((4, 6), dtype=bool)
    present[1, 2] = False
    rng, expected = np.random.default_rng(1), []
    for _ in range(20):
        orders = shuffles(rng, 4, 6)
        mixed = np.take_along_axis(features, orders[:, :, None], axis=1)
        hit = nearer_profiles(profile_cosines(blocks_of(mixed))) == 0
        expected.append(hit[np.take_along_axis(present, orders, axis=1)].mean())
    found = null_accuracies(blocks_of(features), present, np.random.default_rng(1), 20)
    np.testing.assert_allclose(found, expected)
    assert len(set(expected)) > 3
