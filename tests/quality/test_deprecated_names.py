"""Code that uses a former name keeps working, and is told the new one."""

import inspect

import pytest

from pytest_batcheval.quality import quality_gate, trait_reflection


def test_former_keywords_and_attributes_work_with_a_warning(respondent):
    faithful = respondent("faithful")
    now = trait_reflection(faithful, unprompted=["NS"])
    with pytest.warns(DeprecationWarning, match=r"trait_reflection\(untold=…\) is called unprompted now"):
        former = trait_reflection(faithful, untold=["NS"])
    assert former == now
    with pytest.warns(DeprecationWarning, match=r"TraitReflection\.told is called prompted now"):
        assert former.told == now.prompted
    with pytest.warns(DeprecationWarning, match=r"Trait\.told is called prompted now"):
        assert [trait.told for trait in former.traits] == [trait.prompted for trait in now.traits]
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        former.nonsense  # noqa: B018


@pytest.mark.parametrize("function", [quality_gate, trait_reflection])
def test_signatures_show_the_new_keyword_only(function):
    assert "unprompted" in inspect.signature(function).parameters
    assert "untold" not in inspect.signature(function).parameters
