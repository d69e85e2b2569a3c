from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The suite's own data."""
    return Path(__file__).parents[2] / "fixtures"
