"""The site has every page and every public name; `tox -e docs` builds it, which checks each link."""

import tomllib
from pathlib import Path

import pytest
import reference
import yaml

import pytest_batcheval
from pytest_batcheval import plugin
from pytest_batcheval.cli import VERBS

ROOT = Path(__file__).parents[2]
SITE = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)


def leaves(nav):
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [value] if isinstance(value, str) else leaves(value)


@pytest.fixture(scope="module")
def pages():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "NO_COLOR"):
            patch.setenv(name, "")  # so that it is put back
        yield reference.pages()


def test_the_navigation_lists_every_page_once(pages):
    there = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert sorted(leaves(SITE["nav"])) == sorted([*there, *pages, *reference.FRONT])


def test_it_is_where_the_project_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SITE["site_url"] == project["urls"]["Documentation"]
    assert SITE["site_url"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_public_name_is_documented():
    assert sorted(name for names in reference.API.values() for name in names) == pytest_batcheval.__all__


def test_every_verb_and_fixture_is_documented(pages):
    assert [verb for verb in VERBS if f"## `batcheval {verb}`\n" not in pages["reference/cli.md"]] == []
    fixtures = (
        "answer",
        "answers",
        "batch_benchmark",
        "batch_client",
        "batch_conversation",
        "batch_server",
        "certified",
        "persona_matrix",
        "strict_batch_server",
    )
    assert fixtures == tuple(name for name in plugin.__all__ if not name.startswith(("_", "pytest_")))
    assert [name for name in fixtures if f"| `{name}` |" not in pages["reference/options.md"]] == []
