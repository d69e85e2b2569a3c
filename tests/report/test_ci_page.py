"""The Markdown of a run: what it says, how long it is, and what hostile words are in it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from test_hostile_answers import HOSTILE, OURS, elements_of
from walkthrough import blocks

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.changes import Changes
from pytest_batcheval.report.ci_page import KIND, MARK, MOST_BYTES, CiRun, comment, page, write_comment
from pytest_batcheval.report.figures import ErrorFigures, RunFigures
from pytest_batcheval.report.own_file import check_own
from pytest_batcheval.report.waiting import WaitingBatch, come_back
from pytest_batcheval.text.markdown import fenced, inline
from pytest_batcheval.wire import real_time

DOCS = Path(__file__).parents[2] / "docs"
CALLS = ("@everyone look", "see #1 and @a/b", "GH-1 https://evil.test/ www.evil.test", "<!-- --> -->", "[x](http://y)")


def failed(test: str, message: str, **cell: str) -> Outcome:
    return Outcome(test, "test_it.py", "failed", message, cells={test: cell})


def hostile_run(words: str, number: int = 1) -> CiRun:
    """A run in which everything that others wrote is these words."""
    tests = [failed(f"{words}{i}", words, persona=f"{words}{i % 2}", question=words) for i in range(number)]
    tests.append(Outcome("fine", "test_it.py", "passed", cells={"k": {"persona": "kim", "question": "sleep"}}))
    error = ErrorFigures(words, 400, 1, words, words, False, words)
    figures = RunFigures(
        *("r", 0.0, words, words, (words,), {}, 1, 0, 0, 0), (error,) * number, *(0, 0, 0, None, None, None, ())
    )
    waiting = [WaitingBatch(words, words, 3, None, 0.0)] * number
    return CiRun(
        words, tests, Changes(0.0, number, tests[:-1], [], 0, 0, []), {("sent", words): 1}, 1, figures, waiting, words
    )


@pytest.mark.parametrize("words", [*HOSTILE, *CALLS], ids=lambda words: repr(words[:12]))
def test_hostile_words_make_no_elements_and_end_no_comment(words):
    text = comment(hostile_run(words[:2_000], 3))  # longer ones are cut before they come here
    assert elements_of(text) <= OURS
    first, _, rest = text.partition("\n")
    assert re.fullmatch(r"<!-- pytest-batcheval comment: [\w./]+ -->", first)
    assert "<!--" not in re.sub(r"^```+$.*?^```+$", "", rest, flags=re.MULTILINE | re.DOTALL)


def test_nobody_is_called():
    outside = re.sub(r"^(`{3,})$.*?^\1$", "", comment(hostile_run("@team #12", 3)), flags=re.MULTILINE | re.DOTALL)
    assert "&#8203;team" in outside
    assert not re.search(r"(?<!&)[@#]\w", outside)


@pytest.mark.parametrize("words", ["x" * 400, "길" * 400, "\u202e" * 400, "🙂" * 400, "\\" * 400])
def test_a_comment_is_short_whatever_is_in_it(words):
    assert len(comment(hostile_run(words, 300)).encode()) <= MOST_BYTES


@pytest.mark.sampled
def test_what_does_not_fit_at_all_leaves_the_verdict():
    axes = {f"axis{i}": f"{'길' * 90}" for i in range(400)}
    tests = [failed(f"t{i}", "", **{axis: f"{value}{i}" for axis, value in axes.items()}) for i in range(3)]
    text = comment(CiRun(outcomes=tests))
    assert len(text.encode()) <= MOST_BYTES
    assert "**3 of 3 tests failed.** The rest is too long for a comment." in text


def test_the_verdict_names_what_has_no_answer():
    missing = Outcome("a", "test_it.py", "unrecorded")
    assert "**None of 1 test failed, and 1 could not run without a recorded answer.**" in page(
        CiRun(outcomes=[missing])
    )
    assert "**No test has run.**" in page(CiRun())


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zone to set")
def test_the_page_of_the_documentation(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    tests = [
        Outcome(
            f"{p}-{q}",
            "test_it.py",
            "failed" if p == "kim" else "passed",
            "",
            0.0,
            {"k": {"persona": p, "question": q}},
        )
        for p in ("kim", "choi", "park")
        for q in ("sleep", "work")
    ]
    run = CiRun(outcomes=tests, changes=Changes(1_795_197_600, 6, tests[:1], [], 0, 0, []))
    (shown,) = (b.text for b in blocks((DOCS / "ci.md").read_text(encoding="utf-8")) if b.language == "markdown")
    said = "\n".join(page(run))
    for paragraph in shown.split("\n\n"):
        assert paragraph.strip() in said
    monkeypatch.undo()
    time.tzset()


def test_a_batch_that_takes_longer_than_usual_ends_at_the_latest_when_the_provider_ends_it():
    soon, late = real_time.now() + 100, real_time.now() + 9_000
    assert come_back([WaitingBatch("a", "", 1, soon, late)]) == (soon, True)
    assert come_back([WaitingBatch("a", "", 1, 1.0, late)]) == (late, False)
    assert come_back([WaitingBatch("a", "", 1, soon, 5.0), WaitingBatch("b", "", 1, None, late)]) == (late, False)


def test_a_comment_takes_the_place_of_an_older_one_alone(tmp_path):
    place = tmp_path / "comment.md"
    write_comment(CiRun(place="a-b"), place)
    write_comment(CiRun(place="a-b", stopped="since"), place)
    assert place.read_text().startswith(f"{MARK}: a_b -->\n### Batch tests in a\\-b\n")
    (tmp_path / "other.md").write_text("mine")
    for wrong in (tmp_path / "other.md", tmp_path, tmp_path / "no" / "x.md", "/dev/null"):
        with pytest.raises(UsageError, match=str(wrong).removesuffix("/x.md")):
            write_comment(CiRun(), type(place)(wrong))
    assert (tmp_path / "other.md").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["comment.md", "other.md"] or len(
        list(tmp_path.iterdir())
    ) == 2
    check_own(place, MARK, KIND)


def test_a_block_of_code_is_closed_by_its_own_fence_alone():
    assert fenced(["a ```` b"]) == ["`````", "a ```` b", "`````", ""]
    assert fenced([]) == []
    assert inline("a\nb @x \x1b") == r"a b \@&#8203;x \\x1b"
