"""Every numbered case has a test of its number."""

from __future__ import annotations

import re
from pathlib import Path

LATER = {19, 20}
"""Uploads in parts, which the simulator does not have yet."""


def test_every_case_has_a_test() -> None:
    texts = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    numbers = {int(number) for text in texts for number in re.findall(r"^def test_(\d\d)_\w+", text, re.MULTILINE)}
    assert numbers == set(range(1, 86)) - LATER
