from __future__ import annotations

import re

from respondent_tables import FIXTURES

from pytest_batcheval.simulator.respondents.registry import NAMES, make

PAGE = (FIXTURES.parent / "docs" / "respondents.md").read_text(encoding="utf-8")


def test_the_tables_have_every_name_and_only_names_that_exist() -> None:
    rows = re.findall(r"^\| (`[a-z][^|]*) \|[^|]*\|[^|]*\|$", PAGE, re.MULTILINE)
    shown = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert {name.partition("-")[0] for name in shown} == set(NAMES) - {"scripted"}
    assert [make(name).name for name in shown] == shown
