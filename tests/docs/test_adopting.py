"""The commands by which somebody goes on with a notebook's batch, as docs/files.md and README show them."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from walkthrough import section

from pytest_batcheval.wire.endpoints import CHAT

ROOT = Path(__file__).parents[2]
SHOWN = "batch_68a1"
SUITE = """
import pytest

def ask(number):
    return {"model": "m", "messages": [{"role": "user", "content": f"q {number}"}]}

@pytest.mark.parametrize("number", range(6))
@pytest.mark.batch(prompt=ask)
def test_answer(number, answer):
    assert answer.text
"""


def body(number):
    return {"messages": [{"content": f"q {number}", "role": "user"}], "model": "m"}


@pytest.fixture
def notebook(tmp_path, monkeypatch, batch_server):
    """A folder with a suite of six requests, and a batch of them that expires when four are done."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    (tmp_path / "test_it.py").write_text(SUITE)
    lines = [{"custom_id": f"row-{n}", "method": "POST", "url": CHAT, "body": body(n)} for n in range(6)]
    (tmp_path / "input.jsonl").write_text("\n".join(map(json.dumps, lines)))
    batch_server.faults.expire_next_batch(after=4)
    with openai.OpenAI() as sdk:
        stored = sdk.files.create(file=tmp_path / "input.jsonl", purpose="batch")
        return sdk.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h").id


def shown(page, heading):
    """The commands of each block of a section."""
    found = [block for block in section((ROOT / page).read_text(encoding="utf-8"), heading) if block.language == "sh"]
    return [block.text.splitlines() for block in found]


def run(command, batch_id):
    program, *arguments = shlex.split(command.replace(SHOWN, batch_id), comments=True)
    module = "pytest" if program == "pytest" else "pytest_batcheval.cli"
    words = [sys.executable, "-m", module, *arguments, *(["-p", "no:cacheprovider"] if program == "pytest" else [])]
    if module != "pytest":
        words[1:3] = ["-c", "import sys; from pytest_batcheval.cli import main; sys.exit(main(sys.argv[1:]))"]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)


@pytest.mark.sampled
def test_it_is_named_adopted_and_continued(notebook, batch_server):
    (before, *after), _ = shown("docs/files.md", "Batches that were there before")
    stopped = run(before, notebook)
    assert stopped.returncode == 4
    assert notebook in stopped.stderr
    (readme,) = shown("README.md", "Begun in a notebook?")
    assert [shlex.split(line, comments=True) for line in readme] == [shlex.split(line, comments=True) for line in after]
    ended = [run(command, notebook) for command in after]
    assert [each.returncode for each in ended] == [0, 0]
    assert re.search(r"6 passed", ended[-1].stdout)
    assert sum(execution.billed for execution in batch_server.ledger.executions) == 6


@pytest.mark.sampled
def test_results_in_files_are_taken(notebook, batch_server):
    _, commands = shown("docs/files.md", "Batches that were there before")
    batch_server.forward(48 * 3600)
    ended = [run(command, notebook) for command in commands]
    assert [each.returncode for each in ended] == [1, 0]  # two lines of the download have failed
    assert "6 requests taken into the journal: 4 answered, 2 failed" in ended[-1].stdout
