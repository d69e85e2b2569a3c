"""The tutorial and other pages, done as they say: commands, files, edits and what they show, from their own text."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from walkthrough import blocks

DOCS = Path(__file__).parents[2] / "docs"
DONE = ("python3 -m venv ", ". venv/bin/activate", "pip install ")
"""Commands taken as done: the package is installed where the tests run, and there is no network here."""

VARYING = (
    (r"\b\d\d-\d\d \d\d:\d\d\b", "<when>"),
    (r"\b[0-9a-f]{12}\b", "<run>"),
    (r"\bin [\d.]+s\b", "in <time>"),
    (r"=+", "="),
    (r" +", " "),
)


def normal(line):
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return line.strip()


def expected(shown):
    """A pattern of the lines shown; `…` for any lines, at the end of a line for its rest."""
    pattern = ""
    for line in shown.splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
        elif line.endswith("…"):
            pattern += re.escape(normal(line[:-1])) + r".*\n"
        else:
            pattern += re.escape(normal(line)) + r"\n"
    return re.compile(pattern)


def commands(block):
    """The commands of a block, each with what is shown below it."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)


class Reader:
    """Somebody who follows the page in an empty folder."""

    def __init__(self, folder):
        self.folder = folder
        self.ran = []

    def follow(self, command, shown):
        self.ran.append(command)
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
        elif not command.startswith(DONE):
            ended = subprocess.run(
                ["bash", "-c", command], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                check=False,
            )  # fmt: skip
            seen = "".join(f"{normal(line)}\n" for line in ended.stdout.splitlines())
            assert expected(shown).fullmatch(seen), f"$ {command}\n{ended.stdout}"

    def edit(self, block):
        path = self.folder / block.file_name
        text = path.read_text(encoding="utf-8")
        old, new = (
            "".join(line[1:] for line in block.text.splitlines(keepends=True) if line[0] in kept)
            for kept in (" -", " +")
        )
        assert text.count(f"\n{old}") == 1, block.text
        path.write_text(text.replace(f"\n{old}", f"\n{new}"), encoding="utf-8")


@pytest.fixture
def reader(tmp_path, monkeypatch):
    if not shutil.which("git"):
        pytest.skip("the tutorial commits with git")
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "PYTEST_", "GIT_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    environment = {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        # other plugins print lines of their own
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p pytest_batcheval.plugin --color=no",
        "HOME": str(tmp_path),
        "COLUMNS": "80",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for kind in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{kind}_NAME", "A reader")
        monkeypatch.setenv(f"GIT_{kind}_EMAIL", "reader@example.org")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # what a reader's git must ignore is there too
    (tmp_path / "session").mkdir()
    return Reader(tmp_path / "session")


def follow(reader, text):
    """Write and edit the files that a page shows, and run all its commands."""
    for block in blocks(text):
        if block.language == "diff":
            reader.edit(block)
        elif block.language == "console":
            for command, shown in commands(block):
                reader.follow(command, shown)
        elif block.file_name:
            (reader.folder / block.file_name).write_text(block.text, encoding="utf-8")
    assert reader.ran == re.findall(r"^\$ (.*)$", text, re.MULTILINE)


@pytest.mark.sampled
def test_own_data_goes_as_it_says(reader):
    follow(reader, (DOCS / "own-data.md").read_text(encoding="utf-8"))


@pytest.mark.sampled
def test_pass_rates_are_as_the_page_says(reader):
    follow(reader, (DOCS / "pass-rates.md").read_text(encoding="utf-8"))


@pytest.mark.sampled
def test_items_and_models_go_as_the_page_says(reader):
    follow(reader, (DOCS / "any-axes.md").read_text(encoding="utf-8"))


@pytest.mark.sampled
def test_an_own_judge_goes_as_the_page_says(reader):
    follow(reader, (DOCS / "own-judge.md").read_text(encoding="utf-8"))


@pytest.mark.sampled
def test_the_tutorial_goes_as_it_says(reader):
    follow(reader, (DOCS / "tutorial.md").read_text(encoding="utf-8"))
    left = subprocess.run(["git", "status", "--porcelain"], cwd=reader.folder, capture_output=True, check=True).stdout
    assert left == b""


@pytest.mark.sampled
def test_leaving_another_tool_goes_as_the_page_says(reader):
    page = (DOCS / "files.md").read_text(encoding="utf-8")
    follow(reader, page.partition("## From another tool\n")[2].partition("\n## ")[0])


@pytest.mark.sampled
@pytest.mark.parametrize(("page", "billed"), [("provider", 6), ("recover", 3)])
def test_what_a_provider_does_is_as_the_page_says(reader, batch_server, monkeypatch, page, billed):
    monkeypatch.setenv("OPENAI_API_KEY", "any-word")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    follow(reader, (DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert sum(execution.billed for execution in batch_server.ledger.executions) == billed
