"""The files that a hosting site reads are what their makers take, and agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from pipelines import valid

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
FILES = {
    ROOT / ".github" / "workflows" / "ci.yml": "github",
    ROOT / "CITATION.cff": "citation",
    FORMS / "config.yml": "issue config",
    **{path: "issue form" for path in FORMS.glob("*.yml") if path.name != "config.yml"},
}
PLACES = [*FILES, ROOT / "SECURITY.md"]


@pytest.mark.parametrize(("path", "kind"), FILES.items(), ids=lambda value: getattr(value, "stem", ""))
def test_it_is_what_its_maker_takes(path, kind):
    assert valid(path.read_text(encoding="utf-8"), kind)


def test_our_workflow_may_write_nothing_but_what_it_publishes():
    workflow = valid((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"), "github")
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"}
    assert {name for name, job in jobs.items() if "permissions" in job} == {"publish", "pages"}
    assert jobs["publish"]["permissions"] == {"id-token": "write", "attestations": "write"}
    assert jobs["pages"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish", "pages"}
    actions = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert [action for action in actions if not re.search(r"@(v\d+|release/v\d+)$", action)] == []


def test_our_workflow_tests_every_python_that_is_declared():
    workflow = valid((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"), "github")
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    tried = re.findall(r'"(3\.\d+)"', re.search(r"python: \[.*\]", PLACES[0].read_text(encoding="utf-8")).group())
    assert tried == declared
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]


def test_the_citation_has_the_projects_version():
    citation = valid((ROOT / "CITATION.cff").read_text(encoding="utf-8"), "citation")
    assert citation["title"] == PROJECT["name"]
    assert f"version: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_repository_has_one_address():
    home = PROJECT["urls"]["Homepage"]
    owner, name = home.split("/")[-2:]
    assert PROJECT["urls"]["Documentation"] == f"https://{owner}.github.io/{name}/"
    assert all(url.startswith(home) for kind, url in PROJECT["urls"].items() if kind != "Documentation")
    found = [
        url for path in PLACES for url in re.findall(r"https://github\.com/[\w/-]+", path.read_text(encoding="utf-8"))
    ]
    assert found
    assert all(url.startswith(home) for url in found)
