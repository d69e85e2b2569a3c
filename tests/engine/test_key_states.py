"""Keys with states say what a dict says, and rows come back from their file as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.engine import result_rows
from pytest_batcheval.engine.key_states import KeysIn, KeyStates
from pytest_batcheval.engine.result_rows import keep_rows, kept_rows
from pytest_batcheval.journal.rows import AnswerRow, FailureRow

KEYS = st.text("abc019", min_size=1, max_size=12)


@given(st.sets(KEYS, max_size=40), st.lists(st.tuples(KEYS, st.integers(0, 2))), st.text(max_size=13))
def test_they_are_a_dict(keys, changes, strange):
    states, model = KeyStates(keys), dict.fromkeys(keys, 0)
    for key, state in changes:
        place = states.find(key)
        assert (place >= 0) == (key in model)
        if place >= 0:
            states[place] = model[key] = state
    for state in (1, 2):
        found = KeysIn(states, state)
        there = {key for key, own in model.items() if own == state}
        assert (set(found), len(found), found | {"x"}) == (there, len(there), there | {"x"})
        assert all(key in found for key in there)
    assert (states.find(strange) >= 0) == (strange in model)
    assert all(states.find(f"{key} ") == states.find(f"{key}é") == -1 for key in keys)


def test_rows_come_back_in_their_order_from_frames_of_any_size(tmp_path, monkeypatch):
    monkeypatch.setattr(result_rows, "ROWS", 3)
    monkeypatch.setattr(result_rows, "BYTES", 100)
    answers = [AnswerRow(f"a{n}", "id", b"{}" * n * 20, n, 0, "") for n in range(8)]
    failures = [FailureRow(f"f{n}", "code", "한국어", 500, retryable=True) for n in range(8)]
    keep_rows(tmp_path / "rows", [*answers, *failures])
    assert [*kept_rows(tmp_path / "rows")] == [*answers, *failures]
    keep_rows(tmp_path / "none", [])
    assert [*kept_rows(tmp_path / "none")] == []
