from datetime import date

import pytest

from pytest_batcheval.catalogue.models import LARGER, MODEL, SHUTDOWN, SNAPSHOT, ModelEnd, end_of


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gpt-4.1-mini", "2027-01-14"),
        ("gpt-4.1-mini-2025-04-14", "2027-01-14"),
        ("ft:gpt-4.1-mini-2025-04-14:clinic::abc", "2027-01-14"),
        ("gpt-4o-2024-08-06", "2027-01-14"),
        ("gpt-4o-2024-05-13", "2026-10-23"),
        ("gpt-3.5-turbo-0125", "2026-10-23"),
    ],
)
def test_a_snapshot_ends_with_its_model_unless_it_has_a_day_of_its_own(model: str, day: str) -> None:
    assert end_of(model, {}) == ModelEnd(date.fromisoformat(day))


@pytest.mark.parametrize("model", [MODEL, SNAPSHOT, LARGER, "my-model", "ft:", "", "gpt-4.1-minimal"])
def test_no_day_is_known_of_other_models(model: str) -> None:
    assert end_of(model, {}) is None
    assert model not in SHUTDOWN
