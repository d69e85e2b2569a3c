"""The order of ids as people count them."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.text.natural import natural


def test_numbers_count():
    ids = ["P10", "P2", "P1", "10", "2", "a", "P1b", "질문 3", "질문 12"]
    assert sorted(ids, key=natural) == ["2", "10", "P1", "P1b", "P2", "P10", "a", "질문 3", "질문 12"]


def test_numbers_of_any_length_count():
    assert natural("9" * 4_999) < natural("1" + "0" * 4_999)  # Python reads no number of that length
    assert natural("P007") < natural("P10")
    assert natural("bb") > natural("aaa")


@given(st.lists(st.text()))
def test_the_order_does_not_depend_on_that_before(texts):
    backwards = texts[::-1]
    assert sorted(texts, key=natural) == sorted(backwards, key=natural)
