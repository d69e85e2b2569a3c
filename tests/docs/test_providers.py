"""docs/providers.md says what the records say, and its suite runs."""

from pathlib import Path

import pytest
from test_tutorial import follow, reader  # noqa: F401 - a fixture

from pytest_batcheval.catalogue.providers import MEGABYTE, PROMISES, PROVIDERS

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
MARKS = {
    **{"metadata": "metadata", "name": "its name", "file": "none but the input file's id"},
    "custom_id": "the `custom_id`s",
}
FENCES = {"file": "deleting its input file", "none": "nothing"}


def row(provider):
    kept = "unknown" if provider.retention_days is None else f"{provider.retention_days} days"
    saves = "depends on the model" if provider.discount is None else f"{provider.discount:.0%}".replace("%", " %")
    cells = (
        f"`{provider.name}`",
        provider.promise,
        MARKS[provider.mark],
        FENCES[provider.fence],
        f"{provider.requests:,}, {provider.bytes // MEGABYTE} MB",
        ", ".join(provider.windows) + (", or {}h to {}h".format(*provider.hours) if provider.hours else ""),
        kept,
        saves,
        " or ".join(f"`{name}`" for name in provider.key_from),
    )
    return f"| {' | '.join(cells)} |"


def test_the_page_has_every_provider():
    assert "\n".join(map(row, PROVIDERS.values())) in PAGE


def test_the_page_has_every_promise():
    assert "\n".join(f"| {name} | {text} |" for name, text in PROMISES.items()) in PAGE


@pytest.mark.sampled
def test_the_suite_runs_as_the_page_says(reader):  # noqa: F811
    follow(reader, PAGE)
