"""A whole matrix of answers that mean harm: wherever they are shown they are words, and few of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.ci_page import MOST_BYTES

MEGABYTE = "길" * 350_000
HOSTILE = (
    "\x1b[2Jcleared",
    "\u202egnp.exe",
    "<script>alert(1)</script>",
    MEGABYTE,
    "",
    "::error::x",
    "`" * 9,
    "\x00\x9b31m",
)
TESTS = """
    @pytest.mark.batch(prompt=ask)
    def test_each(answer, persona):
        assert answer.text == "fine"

    @pytest.mark.batch(prompt=ask)
    def test_table(answers):
        words = ", ".join(f"{row.id('persona')} ({row.answer.custom_id[:12]})" for row in answers.rows)
        raise AssertionError(f"all are strange: {words}")
"""


class Hostile:
    """A provider in whose results every answer is one of `HOSTILE`, in turn."""

    def rule(self, state):
        state.rewrite = self.rewrite
        return self

    def rewrite(self, kind, path):
        if kind == "output":
            lines = [json.loads(line) for line in path.read_bytes().splitlines()]
            for number, line in enumerate(lines):
                words = HOSTILE[number % len(HOSTILE)]
                line["response"]["body"]["choices"][0]["message"]["content"] = words
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))


OURS = {"h3", "p", "strong", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}


def elements_of(markdown: str) -> set[str]:
    """The HTML elements of the page that GitHub makes of a summary, raw HTML included."""
    elements = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: elements.add(tag)
    parser.feed(MarkdownIt("commonmark").enable("table").render(markdown))
    return elements


@pytest.mark.sampled
@pytest.mark.parametrize("ci", ["", "true"])
def test_275_hostile_answers_are_shown_safely_everywhere(suite, tmp_path, ci, proof):
    count = 275 if proof != "quick" else 2 * len(HOSTILE)
    suite.server.follow(Hostile())
    people = [{"id": f"p{number:03}", "description": f"You are patient {number}."} for number in range(count)]
    (suite.path / "personas.json").write_text(json.dumps(people))
    suite.test_file(TESTS)
    github = {"CI": ci, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    sent = suite.pytest("-v", "-rA", "--junitxml=junit.xml", "--batch=record", "--batch-comment=comment.md", **github)
    assert f"{count + 1} failed" in sent.stdout, sent.stdout[-3000:]
    replayed = suite.pytest("-n", "2", "-p", "xdist", "--batch=replay", "--color=yes", CI=ci)
    assert f"{count + 1} failed" in replayed.stdout
    for done in (sent, replayed):
        assert r"answer     \x1b[2Jcleared" in done.stdout
        assert r"answer     \u202egnp.exe" in done.stdout
        assert "answer     (empty)" in done.stdout
        assert "349,000 more characters: -vv shows them" in done.stdout
        assert f"a table of {count} answers from the simulator" in done.stdout
        assert len(done.stdout) < 3_000_000, "of a megabyte a page is shown"
        # GitHub takes a line that begins so for a command; ours are its annotations.
        assert not [line for line in done.stdout.splitlines() if line.startswith("::error::x")]
    assert suite.raw() == []
    assert ElementTree.parse(suite.path / "junit.xml").getroot()[0].get("failures") == str(count + 1)
    for path in (tmp_path / "summary.md", suite.path / "comment.md"):
        assert path.stat().st_size <= MOST_BYTES
        assert elements_of(path.read_text(encoding="utf-8")) <= OURS


@pytest.mark.sampled
def test_a_comparison_of_many_lines_is_cut_where_pytest_cuts_none_and_whole_with_vv(suite):
    suite.test_file(
        """
        @pytest.mark.batch(prompt=ask)
        def test_each(answer):
            assert [answer.text, *map(str, range(5_000))] == []
        """
    )
    few = suite.pytest("-k", "kim", CI="true").stdout
    assert "more lines: -vv shows them)" in few
    assert len(few) < 60_000
    assert "'4999'" not in few
    assert few.count("-vv shows them") == 2, "of the comparison, and of its message in pytest's summary"
    assert "'4999'" in suite.pytest("-k", "kim", "-vv", CI="true").stdout


@pytest.mark.sampled
def test_the_verbs_show_275_hostile_answers_safely(suite):
    suite.server.follow(Hostile())
    people = [{"id": f"p{number:03}", "description": f"You are patient {number}."} for number in range(275)]
    (suite.path / "personas.json").write_text(json.dumps(people))
    suite.test_file(TESTS.partition("    @pytest.mark.batch(prompt=ask)\n    def test_table")[0])
    suite.pytest("-q", "--no-header", "--tb=no")
    reader = Journal.read(suite.path / ".batcheval" / "journal.sqlite")
    (run,), keys = reader.runs(), reader.keys(1)
    reader.close()
    for key in keys[: len(HOSTILE)]:
        whole = suite.batcheval("show", key)
        assert (whole.returncode, "answered by simulator" in whole.stdout) == (0, True)
        assert suite.batcheval("show", key, "--json").stdout.isascii()
    assert suite.batcheval("runs").returncode == 0
    assert suite.batcheval("status", "--run", run.id).returncode == 0
    assert suite.batcheval("verify").returncode == 0
    assert suite.raw() == []
