"""What README and docs show is run here."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import readme
from pipelines import valid
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from walkthrough import blocks, section

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OWN = "This repository's own 275 answers"


@pytest.fixture
def project(pytester, monkeypatch):
    """The repository's matrix and suite, in a folder of its own."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    copy_suite(pytester.path)
    return pytester


def copy_suite(path):
    for folder in ("fixtures", "tests/scenarios", "cassettes"):
        shutil.copytree(ROOT / folder, path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / file, path)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_sessions(page, tmp_path, monkeypatch):
    copy_suite(tmp_path)
    monkeypatch.chdir(tmp_path)
    for example in Sybil(parsers=[PythonCodeBlockParser()]).parse(page):
        if "def test_" not in getattr(example.parsed, "source", example.parsed):
            example.evaluate()


def shown_test_files(page):
    """The blocks of a page that are whole test files."""
    shown = blocks(page.read_text(encoding="utf-8"))
    return [
        block for block in shown if block.language == "python" and "def test_" in block.text and not block.file_name
    ]


@pytest.mark.sampled
@pytest.mark.parametrize("page", [page for page in PAGES if shown_test_files(page)], ids=lambda page: page.stem)
def test_test_files(page, project):
    text, files = page.read_text(encoding="utf-8"), shown_test_files(page)
    shutil.rmtree(project.path / "tests")
    for number, block in enumerate(files):
        (project.path / f"test_page_{number}.py").write_text(block.text, encoding="utf-8")
    for block in blocks(text):
        if block.language == "csv" and block.file_name.startswith("fixtures/"):
            _add_axis(project, block)
    result = project.runpytest_subprocess("--batch=send", "--batch-backend=simulator", ".")
    assert result.ret == 0
    assert re.search(r"\d+ passed", result.stdout.str())


def _add_axis(project, block):
    (project.path / block.file_name).write_text(block.text, encoding="utf-8")
    name = Path(block.file_name).stem.removesuffix("s")
    pyproject = project.path / "pyproject.toml"
    axes = f'batch_axes = [\n    "{name}={block.file_name}",'
    pyproject.write_text(pyproject.read_text(encoding="utf-8").replace("batch_axes = [", axes), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_are_there_and_small(page):
    for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / path).stat().st_size < 200_000, path


@pytest.mark.sampled
def test_readme_counts_its_tests(project):
    (example,) = [b for b in section(README, "An evaluation") if b.language == "python"]
    (project.path / "test_example.py").write_text(example.text, encoding="utf-8")
    out = project.runpytest_subprocess("--collect-only", "-q", "test_example.py").stdout.str()
    counts = {
        name: len(re.findall(f"::{name}(?:\\[|$)", out, re.MULTILINE))
        for name in re.findall(r"def (test_\w+)", out + example.text)
    }
    assert counts == {
        "test_in_character": 275,
        "test_first_question": 25,
        "test_one_patient": 25,
        "test_personas_differ": 1,
    }


@pytest.mark.sampled
def test_readme_shows_the_real_output():
    (begun,) = [b for b in section(README, "Begin") if b.language == "console"]
    (shown,) = [b for b in section(README, OWN) if b.language == "text"]
    times = re.compile(r"in [\d.]+s(?: \([\d:]+\))?|=+")
    for block, command in ((begun, readme.begun), (shown, readme.shown)):
        assert times.sub("#", command()) == times.sub("#", block.text)


@pytest.mark.sampled
def test_readme_runs_live_as_it_says(project):
    shown = [b.text for b in section(README, OWN) if b.language == "sh"]
    live, anew = [line for text in shown for line in text.splitlines() if line.startswith("pytest")]
    some = "tests/scenarios/test_single_question.py"  # tests/plugin/test_own_suite.py sends and records the whole
    result = project.runpytest_subprocess(*shlex.split(live, comments=True)[1:], some)
    result.assert_outcomes(passed=25)
    result.stdout.fnmatch_lines(["batch: every answer is there already, nothing to send"])
    result = project.runpytest_subprocess(*shlex.split(anew, comments=True)[1:], some)
    result.assert_outcomes(passed=25)
    result.stdout.fnmatch_lines(["batch: 25 answers sent to the simulator (faithful@0)"])


@pytest.mark.sampled
def test_five_steps_make_a_suite(pytester, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    steps = section((ROOT / "docs" / "matrix.md").read_text(encoding="utf-8"), "In five steps, by hand")
    for block in steps:
        if block.language != "sh":
            (pytester.path / block.file_name).write_text(block.text, encoding="utf-8")
    plan, record, replay = [line for b in steps if b.language == "sh" for line in b.text.splitlines()]
    run = lambda line: pytester.runpytest_subprocess(*shlex.split(line)[1:])  # noqa: E731
    run(plan).stdout.fnmatch_lines(["1 batch to send:", "*/v1/responses*gpt-6-luna: 4 requests*"])
    run(record).assert_outcomes(passed=4)
    shutil.rmtree(pytester.path / ".batcheval")
    run(replay).assert_outcomes(passed=4)


@pytest.mark.parametrize("page", ["ci", "running"])
def test_pipelines_are_what_their_makers_take(page):
    shown = [b.text for b in blocks((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")) if b.language == "yaml"]
    assert shown
    for text in shown:
        valid(text, "github" if "jobs:" in text else "gitlab")


def test_docs_know_every_option(pytester):
    out = pytester.runpytest_subprocess("--help").stdout.str()
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    for option in sorted(set(re.findall(r"--batch[\w-]*", out))):
        assert f"`{option}" in text, option
    for key in sorted(set(re.findall(r"^  (batch_\w+)", out, re.MULTILINE))):
        assert f"`{key}`" in text or f"`--{key.replace('_', '-')}" in text, key


def test_relative_links_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_of_other_plugins_has_the_versions_of_the_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pinned = dict(requirement.split("==") for requirement in extras["neighbours"])
    rows = re.findall(
        r"^\| ([\w-]+) \| ([\d.]+) \|", (ROOT / "docs/plugins.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    tried = dict(rows)
    assert {name: version for name, version in tried.items() if name in pinned} == {
        name: version for name, version in pinned.items() if name != "django"
    }
    elsewhere = {"pytest-asyncio", "pytest-benchmark", "pytest-cov", "pytest-timeout", "pytest-xdist", "pytest-cases"}
    assert set(tried) - set(pinned) == elsewhere
    assert f"{len(tried)} other plugins" in README
