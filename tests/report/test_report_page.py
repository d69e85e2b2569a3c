"""The HTML report: what it says, that nothing in it runs, and where it is written."""

import html.parser
import json
from dataclasses import replace

import pytest

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.changes import changes
from pytest_batcheval.report.charts import charts_of
from pytest_batcheval.report.html import check_place, html_of, write_report
from pytest_batcheval.report.page import report_page
from pytest_batcheval.report.svg import intervals
from pytest_batcheval.wire.objects import Answer, Request

HOSTILE = "</p><script>document.title = 'run'</script><img src=http://x/y onerror=1> \x1b[31m \u202e 가슴이 답답해요"


def matrix(bad, personas=5, questions=4, origin="simulator:faithful@0", text="I am here."):
    """Outcomes and answers of a matrix, of which `bad(persona, question)` fail."""
    outcomes, answers = [], []
    for persona in range(personas):
        for question in range(questions):
            cell = {"persona": f"p{persona}", "question": f"q{question}"}
            request = Request({"model": "m", "messages": [{"role": "user", "content": f"{cell} {HOSTILE}"}]})
            body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
            answer = Answer(request, origin, {"status_code": 200, "body": body}, cell=cell)
            failed = bad(persona, question)
            test = f"test_it.py::test_one[p{persona}-q{question}]"
            message = "not in character" if failed else ""
            outcome = "failed" if failed else "passed"
            outcomes.append(Outcome(test, "test_it.py", outcome, message, 0.1, {request.custom_id: cell}))
            answers.append(ListedAnswer(answer, "cassettes/x.jsonl:1"))
    return outcomes, answers


class Seen(html.parser.HTMLParser):
    """The tags of a page, and the ids and links of its elements."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.sources = set(), set(), set(), set()
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.scripts += tag == "script"
        self.ids.add(given.get("id"))
        self.links.add(given.get("href"))
        self.sources.update(value for name, value in attrs if name in ("src", "srcset", "action", "data"))


def test_a_page_says_first_what_is_a_simulators():
    page = report_page(*matrix(lambda p, q: False))
    assert page.notes == ["Answers of the simulator (faithful@0): they say nothing about any model."]
    text = html_of(page)
    assert text.index("say nothing about any model") < text.index("None of 20 tests fails.")
    assert report_page(*matrix(lambda p, q: False, origin="https://api.openai.com")).notes == []


def test_two_sentences_are_the_verdict():
    page = report_page(*matrix(lambda p, q: p == 2 or (p, q) == (0, 1)))
    assert page.verdict == ["5 of 20 tests fail.", "Most of it: persona p2 (4 of 4), question q1 (2 of 5)."]
    assert page.messages == [(5, "not in character")]


def test_a_matrix_is_a_grid_whose_squares_lead_to_answers():
    outcomes, answers = matrix(lambda p, q: p == q)
    page = report_page(outcomes, answers)
    [test] = page.tests
    [grid] = test["grids"]
    assert (grid["down"], grid["across"]) == ("persona", "question")
    assert [cell["sign"] for cell in grid["rows"][0]["cells"]] == ["✗", "✓", "✓", "✓"]
    seen = Seen(html_of(page))
    wanted = {link.removeprefix("#") for link in seen.links if link}
    assert len(wanted - {"tests", "answers", "failing"}) == 20
    assert wanted <= seen.ids


def test_tests_without_two_axes_are_a_list():
    outcomes = [Outcome("t.py::test_a[x]", "t.py", "passed"), Outcome("t.py::test_a[y]", "t.py", "unrecorded")]
    page = report_page(outcomes, [])
    assert [row["outcome"] for row in page.tests[0]["rows"]] == ["passed", "unrecorded"]
    assert page.verdict[-1] == "1 test could not run: no recorded answer."
    assert report_page([], []).verdict == ["None of 0 tests fails."]


def test_nothing_that_a_model_wrote_is_markup():
    outcomes, answers = matrix(lambda p, q: True, text=HOSTILE)
    hostile = [Outcome(one.test, one.module, "failed", HOSTILE, 0.1, one.cells) for one in outcomes]
    text = html_of(report_page(hostile, answers))
    seen = Seen(text)
    assert not seen.tags & {"img", "link", "iframe", "object", "foreignobject"}
    assert seen.scripts == 1, "its own, which the policy names by its digest"
    assert not seen.sources
    assert {link for link in seen.links if link and not link.startswith("#")} == set()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "가슴이 답답해요" in text


def test_no_key_of_the_environment_is_in_a_report(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "0f9e8d7c6b5a4321")
    outcomes, answers = matrix(lambda p, q: False, text="It is 0f9e8d7c6b5a4321.")
    outcomes[0] = replace(outcomes[0], test="test_it.py::test_one[0f9e8d7c6b5a4321]")
    assert "0f9e8d7c6b5a4321" not in html_of(report_page(outcomes, answers))


TRAITS = {
    "effect": 0.5, "interval": None, "p_value": 0.01, "null": HOSTILE, "n": 20,
    "traits": [{"dimension": HOSTILE, "delta": 0.5, "interval": [0.1, 0.9], "p_value": 0.01, "prompted": True}],
    "leanings": {HOSTILE: 0.5, "p1": -0.1},
}  # fmt: skip
GATE = {
    "effect": 0.5, "interval": None, "p_value": None, "null": "none", "n": 20,
    "parts": [{"name": "traits", "passed": True, "reason": HOSTILE, "result": TRAITS},
              {"name": "diverse", "passed": False, "reason": "alike", "result": None}],
}  # fmt: skip


def judged(outcome):
    """The outcome of a test that computed a gate."""
    results = [KeptResult("TraitReflection", "<TraitReflection 1 of 1>", HOSTILE, {**TRAITS, "shows": True}),
               KeptResult("QualityGate", "<QualityGate failed diverse>", HOSTILE, GATE)]  # fmt: skip
    return replace(outcome, results=results)


def test_a_result_is_shown_once_with_pictures_and_figures():
    outcomes, answers = matrix(lambda p, q: False)
    page = report_page([judged(outcomes[0]), judged(outcomes[1]), *outcomes[2:]], answers)
    [gate] = page.quality
    assert gate["kind"] == "QualityGate"
    assert [row[0] for row in gate["rows"]] == ["good", "bad"]
    assert ("effect", "0.500") in gate["figures"]
    assert [chart.title for chart in gate["charts"]] == [
        "Do the traits show?", "Which personas show their traits least?"
    ]  # fmt: skip
    text = html_of(page)
    seen = Seen(text)
    assert text.count("<svg") == 2
    assert not seen.tags & {"img", "link", "iframe", "object", "foreignobject", "image"}
    assert {link for link in seen.links if link and not link.startswith("#")} == set()
    assert seen.scripts == 1
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_figures_of_another_version_have_no_picture():
    assert charts_of("TraitReflection", {"traits": "none"}) == []
    assert charts_of("Differentiation", {}) == []
    assert charts_of("OfTheUsersOwn", {}) == []


def test_an_axis_of_numbers_keeps_its_name_beside_lines_to_compare_with():
    picture = intervals(
        [{"persona": "kim", "share": 0.5}], "persona", "share", "Anteil", lines={"chance": 0.1}, bars=True
    )
    assert ">Anteil</text>" in picture
    assert "<title>chance</title>" in picture


def test_a_third_axis_gives_a_grid_for_each_of_its_ids():
    outcomes = [
        Outcome(f"t.py::test[{m}-{p}-{q}]", "t.py", "passed", cells={f"{m}{p}{q}": {"model": m, "p": p, "q": q}})
        for m in ("large", "small")
        for p in "abc"
        for q in "xyz"
    ]
    [test] = report_page(outcomes, []).tests
    assert [(grid["of"], grid["down"], grid["across"]) for grid in test["grids"]] == [
        ("large", "q", "p"), ("small", "q", "p")
    ]  # fmt: skip


def test_an_earlier_run_says_what_changed():
    before, answers = matrix(lambda p, q: (p, q) in ((0, 0), (1, 1)))
    now, _ = matrix(lambda p, q: (p, q) in ((1, 1), (2, 2), (2, 3)))
    moved = {**TRAITS, "effect": 0.7, "interval": [0.6, 0.8]}
    before[0] = replace(before[0], results=[KeptResult("TraitReflection", "", "", TRAITS)])
    now[0] = replace(now[0], results=[KeptResult("TraitReflection", "", "", moved)])
    page = report_page(now, answers, since=changes(0.0, before[:-1], now))
    assert [one.test for one in page.changes.broken] == ["test_it.py::test_one[p2-q2]", "test_it.py::test_one[p2-q3]"]
    assert [one.test for one in page.changes.mended] == ["test_it.py::test_one[p0-q0]"]
    assert (page.changes.common, page.changes.new, page.changes.gone) == (19, 1, 0)
    assert [(one.before, one.now, one.interval) for one in page.changes.moved] == [(0.5, 0.7, (0.6, 0.8))]
    text = html_of(page)
    assert (
        "2 of 19 tests that both runs have fail now and did not then; 1 failed then and do not now; 1 are new." in text
    )


def test_a_verdict_is_a_table_of_scores_and_evidence():
    verdict = json.dumps(
        {"role": "in_role", "scores": {"NS": 4, "HA": None}, "evidence": {"NS": "새로운 것", "HA": ""}}
    )
    page = report_page(*matrix(lambda p, q: False, text=verdict))
    assert page.answers[0]["verdict"] == [("NS", "4", "새로운 것"), ("HA", "-", "")]
    assert '<th scope="row">NS</th><td class="number">4</td><td>새로운 것</td>' in html_of(page)


def test_many_answers_fold_into_blocks():
    assert 'class="block' not in html_of(report_page(*matrix(lambda p, q: False, 20, 15)))
    text = html_of(report_page(*matrix(lambda p, q: False, 20, 16)))
    assert text.count('<details class="block answers">') == 4
    assert "301 to 320: " in text


def test_a_matrix_of_275_answers_with_its_quality_is_small():
    outcomes, answers = matrix(lambda p, q: q == 0, personas=25, questions=11, text="가슴이 답답해요. " * 20)
    table = {key: cell for one in outcomes for key, cell in one.cells.items()}
    for number in range(12):
        traits = {**TRAITS, "n": number, "leanings": {f"persona-of-some-length-{p}": p / 9 for p in range(25)}}
        traits["traits"] = [{**TRAITS["traits"][0], "interval": [number / 20, 1]}]
        kept = [KeptResult("TraitReflection", "<TraitReflection>", "One sentence of its words. " * 40, traits)]
        outcomes.append(Outcome(f"t.py::test_trait[{number}]", "t.py", "failed", "m" * 500, cells=table, results=kept))
    text = html_of(report_page(outcomes, answers))
    assert text.count("<svg") >= 13
    assert len(text.encode()) < 1_200_000


def test_an_answer_has_the_outcome_of_its_own_tests():
    outcomes, answers = matrix(lambda p, q: (p, q) == (0, 0))
    table = {key: cell for one in outcomes for key, cell in one.cells.items()}
    alike = Outcome("t.py::test_table", "t.py", "failed", "too alike", cells=table)
    page = report_page([*outcomes, alike], answers)
    assert [one["outcome"] for one in page.answers] == ["failed"] + ["passed"] * 19
    assert [test["message"] for test in page.answers[0]["tests"]] == ["not in character", ""]
    assert report_page([alike], answers).answers[0]["outcome"] == "failed"


def test_a_verdict_has_a_colour():
    for outcome, look in (("passed", "good"), ("error", "bad"), ("unrecorded", "other"), ("skipped", "good")):
        tests = [Outcome("t.py::test_a", "t.py", "passed"), Outcome("t.py::test_b", "t.py", outcome)]
        assert report_page(tests, []).look == look


# -- where it is written ------------------------------------------------------------------------------------------


def test_only_a_report_is_written_over(tmp_path):
    page = report_page(*matrix(lambda p, q: False))
    path = tmp_path / "report.html"
    write_report(page, path)
    write_report(page, path)
    path.write_text("<html>mine</html>")
    with pytest.raises(UsageError, match="exists and is not a report of an earlier run"):
        write_report(page, path)
    assert path.read_text() == "<html>mine</html>"
    for wrong, message in ((tmp_path, "is a folder"), (tmp_path / "no" / "r.html", "there is no folder")):
        with pytest.raises(UsageError, match=message):
            check_place(wrong)
