"""Which measure catches which respondent: one sample, three seeds, the real matrix, the word list as judge."""

from __future__ import annotations

from functools import cache

import pytest
from respondent_tables import CODES, said_by, table

from pytest_batcheval.quality import Differentiation, TraitReflection, differentiation, trait_reflection

SEEDS = range(3)
each_seed = pytest.mark.parametrize("seed", SEEDS)
each_language = pytest.mark.parametrize("language", ["ko", "en"])


@cache
def told_apart(name: str, seed: int, samples: int = 1, language: str = "ko") -> Differentiation:
    return differentiation(table(name, seed, samples, language), permutations=999)


@cache
def traits(name: str, seed: int, samples: int = 1, language: str = "ko") -> TraitReflection:
    return trait_reflection(table(name, seed, samples, language), permutations=999)


def passes_differentiation(result: Differentiation) -> bool:
    return result.p_value <= 0.01 and result.accuracy >= 0.08


def passes_traits(result: TraitReflection) -> bool:
    return len(result.reflected) >= 6 and result.median_delta >= 0.6 and all(t.delta > 0 for t in result.traits)


@pytest.mark.sampled(4)
@each_seed
@each_language
def test_the_faithful_one_passes_both(seed: int, language: str) -> None:
    assert passes_differentiation(told_apart("faithful", seed, 1, language)), told_apart("faithful", seed).explain()
    assert passes_traits(traits("faithful", seed, 1, language)), traits("faithful", seed).explain()


@pytest.mark.sampled(8)
@each_seed
@pytest.mark.parametrize("name", ["blind", "flat", "noisy-0.45", "prompt_sensitive"])
def test_without_a_signature_both_fail(name: str, seed: int) -> None:
    assert not passes_differentiation(told_apart(name, seed)), told_apart(name, seed).explain()
    assert not passes_traits(traits(name, seed)), traits(name, seed).explain()


@pytest.mark.sampled(2)
@each_seed
@pytest.mark.parametrize("name", ["collapsed", "collapsed-everywhere"])
def test_the_collapsed_are_seen_as_such(name: str, seed: int) -> None:
    assert told_apart(name, seed).verdict == "collapsed"
    assert traits(name, seed).reflected == ()


@pytest.mark.sampled(4)
@each_seed
@pytest.mark.parametrize("name", ["inverted", "echo"])
def test_these_are_told_apart_and_show_no_trait(name: str, seed: int) -> None:
    assert passes_differentiation(told_apart(name, seed))
    assert traits(name, seed).reflected == ()


@each_seed
def test_the_inverted_one_shows_the_opposite(seed: int) -> None:
    assert traits("inverted", seed).median_delta < -0.9


@pytest.mark.sampled(4)
@each_seed
def test_an_echo_is_told_apart_better_than_anybody(seed: int) -> None:
    assert told_apart("echo", seed).accuracy > 0.9 > 4 * told_apart("faithful", seed).accuracy


@pytest.mark.sampled(2)
@each_seed
def test_a_halo_differs_and_is_no_reflection_of_seven_traits(seed: int) -> None:
    assert told_apart("halo", seed).p_value <= 0.01
    assert not passes_traits(traits("halo", seed))
    assert traits("halo", seed).median_delta < 0.6


@each_seed
def test_a_partial_one_reflects_what_it_shows(seed: int) -> None:
    assert traits("partial", seed).reflected == ("NS", "HA", "RD", "P")
    assert traits("partial-SD-ST", seed).reflected == ("SD", "ST")


@each_seed
def test_salad_reflects_nothing(seed: int) -> None:
    assert not passes_traits(traits("salad", seed))
    assert traits("salad", seed).reflected == ()


@pytest.mark.sampled(3)
@each_seed
def test_a_placebo_differs_without_a_trait(seed: int) -> None:
    assert told_apart("placebo", seed).p_value <= 0.01
    assert traits("placebo", seed).reflected == ()


@pytest.mark.sampled
def test_samples_make_the_faithful_one_clearer() -> None:
    assert told_apart("faithful", 0, 3).accuracy > 2 * told_apart("faithful", 0).accuracy
    assert passes_differentiation(told_apart("faithful-0.4", 0, 3))


@each_language
@each_seed
def test_no_sign_of_an_untold_pole_is_ever_seen(language: str, seed: int) -> None:
    told = {(p.id, code): p.levels[code] for p, *_ in said_by("faithful", seed, 1, language) for code in CODES}
    for persona, _, _, reply in said_by("faithful", seed, 1, language):
        assert all(told[persona.id, code] == level for code, level in reply.planted.items())
