"""Output in any locale, to any stream: through real processes."""

import os
import subprocess
import sys

import pytest

from pytest_batcheval.text.streams import encodable

BATCHEVAL = [sys.executable, "-m", "pytest_batcheval.cli"]
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp949": {"PYTHONIOENCODING": "cp949"},
    "utf-16": {"PYTHONIOENCODING": "utf-16"},
}
SUITE = """
import pytest

def ask(topic):
    return {"model": "모델…", "input": topic}

@pytest.mark.parametrize("topic", ["잠"])
@pytest.mark.batch(prompt=ask)
def test_it(topic, answer):
    assert answer.text == "—"
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A suite in a module whose name is not UTF-8."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p pytest_batcheval.plugin -p no:cacheprovider\n")
    (tmp_path / os.fsdecode(b"test_\xff.py")).write_text(SUITE, encoding="utf-8")
    return tmp_path


def ended(command, locale):
    return subprocess.run(command, env={**os.environ, **LOCALES[locale]}, check=False, capture_output=True)


def text_of(output, locale):
    return output.decode("utf-16" if locale == "utf-16" else "ascii" if locale == "C" else locale)


@pytest.mark.sampled
@pytest.mark.parametrize("locale", LOCALES)
def test_a_verb_escapes_what_an_encoding_does_not_have(suite, locale):
    export = ended([*BATCHEVAL, "export", "--output", "길/out"], locale)
    assert export.returncode == 0, export.stderr
    shown = text_of(export.stdout, locale)
    assert "모델" in shown if locale in ("cp949", "utf-16") else r"\ubaa8\ub378" in shown
    wrong = ended([*BATCHEVAL, "show", "--journal", b"\xff"], locale)
    assert wrong.returncode == 4
    assert "batcheval show: error" in text_of(wrong.stderr, locale)


@pytest.mark.sampled
@pytest.mark.parametrize("locale", LOCALES)
def test_a_run_sends_replays_and_writes_its_summary_in_any_locale(suite, locale, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite / "summary.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    pytest_command = [sys.executable, "-m", "pytest", "-q"]
    sent = ended([*pytest_command, "--batch=record", "--batch-backend=simulator"], locale)
    assert sent.returncode == 1, sent.stdout
    assert b"INTERNALERROR" not in sent.stdout + sent.stderr
    assert (suite / "cassettes" / "answers" / os.fsdecode(b"test_\xff.jsonl")).exists()
    assert "1 request sent" in (suite / "summary.md").read_text(encoding="utf-8")
    assert ended([*BATCHEVAL, "prune", "--recordings"], locale).returncode == 0
    assert ended([*BATCHEVAL, "runs"], locale).returncode == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("redirection", "status"),
    [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("| head -c 1", 0), ("2>&1 | head -c 1", 0), ("2> /dev/full", 0),
     ("> /dev/full", 4)],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["init there", "--help"])
def test_a_verb_ends_its_work_where_nobody_reads_what_it_says(tmp_path, verb, redirection, status):
    command = f"{' '.join(BATCHEVAL)} {verb} {redirection}; echo ${{PIPESTATUS[0]}} > {tmp_path}/status"
    said = subprocess.run(["bash", "-c", command], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "Traceback" not in said.stderr
    assert "Exception ignored" not in said.stderr
    assert (tmp_path / "status").read_text().strip() == str(status if verb != "--help" else 0)
    if verb != "--help" and status == 0:
        assert (tmp_path / "there" / ".gitattributes").exists()


def test_what_a_stream_of_others_cannot_show_is_escaped():
    assert encodable("a…\udcff", "ascii") == r"a\u2026\udcff"
    assert encodable("a…", None) == "a…"
