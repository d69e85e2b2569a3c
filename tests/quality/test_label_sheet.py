"""Label sheets, the binding of labels, and estimates by them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from pytest_batcheval import Answers
from pytest_batcheval.errors import UsageError
from pytest_batcheval.quality import TableError
from pytest_batcheval.quality.judging._label_binding import StaleLabelsError
from pytest_batcheval.quality.label_sheet import inclusion_chances, label_sheet
from pytest_batcheval.quality.labels import Labels

HOSTILE = '</script><script>alert(1)</script>"\u2028'


@pytest.fixture
def table():
    return Answers.from_records(
        {"persona": f"p{i}", "question": f"q{j}", "text": f"=cmd|{HOSTILE} answer {i} {j}"}
        for i in range(10)
        for j in range(20)
    )


def filled(path, score):
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows):
        row["score"] = score(number, row)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_a_sheet_that_is_filled_is_a_file_of_labels(tmp_path, table):
    path = tmp_path / "labels.csv"
    label_sheet(table, ["NS", "HA"], count=80, rater="kim").write(path)
    filled(path, lambda n, row: "4" if row["dimension"] == "NS" else "")
    found = Labels.load(path).estimate(table, {c: [4.0, None] * 100 for c in ("NS", "HA")}, "kim")
    assert found["NS"].labelled.estimate == 1
    assert found["HA"].labelled.estimate == 0
    assert found["NS"].labels == 80
    assert found["NS"].corrected.interval[0] <= 1 <= found["NS"].corrected.interval[1]
    assert "kim" in found.explain()
    assert "kim" in found.explain("ko")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_spreadsheet_opens_korean_and_either_file_is_read(tmp_path, encoding):
    said = Answers.from_records([{"persona": "지우", "question": "수면", "text": "잠이 안 와요, 정말."}])
    path = tmp_path / "labels.csv"
    label_sheet(said, ["NS"], count=1, rater="김").write(path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfcustom_id,")
    text = path.read_text(encoding="utf-8-sig")
    assert "잠이 안 와요, 정말." in text
    path.write_text(text.replace("?", "4"), encoding=encoding, newline="")
    assert Labels.load(path).scores(said, "김") == {"NS": [4]}


def test_what_binds_a_label_is_no_number_to_a_spreadsheet():
    said = Answers.from_records({"persona": f"p{n}", "question": "q", "text": f"answer {n}"} for n in range(300))
    rows = label_sheet(said, ["NS"], count=300, rater="kim").rows
    assert len({row["words"] for row in rows}) == 300
    assert all(row["words"].isalpha() for row in rows)


def test_rows_that_nobody_filled_are_no_labels(tmp_path, table):
    path = tmp_path / "labels.csv"
    label_sheet(table, ["NS"], count=10, rater="kim").write(path)
    with pytest.raises(TableError, match="no labels"):
        Labels.load(path)
    filled(path, lambda n, row: "?" if n else "5")
    assert len(Labels.load(path).labels) == 1


def test_a_sheet_hides_personas_and_scores_and_starts_no_formula(tmp_path, table):
    path = tmp_path / "labels.csv"
    scores = [{"NS": [score] * 200} for score in (5.0, 1.0)]
    label_sheet(table, ["NS"], count=50, rater="kim", scores=scores[0], second=scores[1]).write(path)
    rows = filled(path, lambda n, row: row["score"])
    assert {row["score"] for row in rows} == {"?"}
    assert not any("p1" in json.dumps({k: v for k, v in row.items() if k != "answer"}) for row in rows)
    assert all(row["answer"].startswith("'=") for row in rows)


def test_the_page_holds_its_answers_as_text(tmp_path, table):
    path = tmp_path / "labels.html"
    label_sheet(table, ["NS"], count=3, rater="kim").write(path)
    page = path.read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert page.count("<script>") == page.count("</script>") == 1
    assert "\u2028" not in page
    assert "http:" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("name", ["labels.csv", "labels.txt"])
def test_a_sheet_replaces_nothing(tmp_path, table, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="label"):
        label_sheet(table, ["NS"], count=3, rater="kim").write(tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


@pytest.fixture
def judged(driven, rubric):
    from pytest_batcheval.quality import rubric_request

    def prompt(persona, question):
        answer = yield {"model": "sim-faithful", "messages": [{"role": "user", "content": question.text}]}
        yield rubric_request(answer, question, rubric, model="sim-judge")

    return driven(prompt, ["goals"], 1)


def test_a_sheet_of_verdicts_is_bound_to_words_model_rubric_and_judge(judged, rubric):
    row = label_sheet(judged, ["SD"], count=1, rater="kim").rows[0]
    said = judged[0].turns[0]
    assert (row["custom_id"], row["answer"]) == (said.custom_id, said.text)
    assert (row["answered_by"], row["judge"], row["rubric"]) == ("sim-faithful", "sim-judge", rubric.digest)
    assert len(row["words"]) == 12


@pytest.mark.parametrize("name", ["words", "answered_by", "rubric", "judge"])
def test_labels_of_something_else_are_stale(tmp_path, judged, name):
    row = {**label_sheet(judged, ["SD"], count=1, rater="kim").rows[0], "score": "2"}
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row))
    assert Labels.load(path).scores(judged, "kim") == {"SD": [2]}
    path.write_text(json.dumps({**row, name: "another"}))
    with pytest.raises(
        StaleLabelsError, match=f"1 label of something else than this table has: {name}.*label them again"
    ):
        Labels.load(path).scores(judged, "kim")


def test_a_chance_must_be_one(tmp_path, judged):
    row = {**label_sheet(judged, ["SD"], count=1, rater="kim").rows[0], "score": "2", "chance": "1.5"}
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(TableError, match="chance must be above 0"):
        Labels.load(path)


def test_fewer_than_60_cells_are_refused(tmp_path, table):
    path = tmp_path / "labels.csv"
    label_sheet(table, ["NS"], count=59, rater="kim").write(path)
    filled(path, lambda n, row: "4")
    with pytest.raises(TableError, match="59 labelled cells of NS: at least 60"):
        Labels.load(path).estimate(table, {"NS": [4.0] * 200}, "kim")


LEVELS = {f"p{i}": {"NS": 1 if i < 5 else -1} for i in range(10)}


def by_level(tmp_path, table, count):
    """Labels and scores of a judge that adds a point to whoever is prompted high, and is right with the low ones."""
    path = tmp_path / "labels.csv"
    label_sheet(table, ["NS"], count=count, rater="kim").write(path)
    at = {row.answer.custom_id: LEVELS[row.id("persona")]["NS"] for row in table.rows}
    filled(path, lambda n, row: str((3 if n % 2 else 4) if at[row["custom_id"]] > 0 else 2))
    judge = [5.0 if LEVELS[row.id("persona")]["NS"] > 0 else 2.0 for row in table.rows]
    return Labels.load(path), {"NS": judge}


def test_a_judge_may_err_by_the_level_that_was_prompted(tmp_path, table):
    labels, scores = by_level(tmp_path, table, 180)
    both = {level: labels.estimate(table, scores, "kim", level=level, levels=LEVELS) for level in ("high", "low")}
    assert [found["NS"].judged for found in both.values()] == [2, -1]
    assert both["high"]["NS"].corrected.estimate == pytest.approx(0.5, abs=0.2)
    assert both["high"]["NS"].corrected.interval[1] < 1
    assert both["low"]["NS"].corrected.estimate == pytest.approx(-1)
    assert both["high"].n == both["low"].n == 100
    assert both["high"]["NS"].labels + both["low"]["NS"].labels == 180
    assert "prompted high: 100 answers" in both["high"].explain()
    assert "낮음으로" in both["low"].explain("ko")
    assert labels.estimate(table, scores, "kim")["NS"].labels == 180


def test_too_few_labels_of_a_level_and_other_levels_are_named(tmp_path, table):
    labels, scores = by_level(tmp_path, table, 90)
    with pytest.raises(TableError, match=r"[0-9]+ labelled cells of NS at the level high: at least 60 are needed"):
        labels.estimate(table, scores, "kim", level="high", levels=LEVELS)
    with pytest.raises(TableError, match="0 labelled cells of NS at the level low"):
        labels.estimate(table, scores, "kim", level="low")
    with pytest.raises(TableError, match="level must be one of high, low, not 'average'"):
        labels.estimate(table, scores, "kim", level="average", levels=LEVELS)


@pytest.mark.parametrize("count", [5, 60, 199, 200])
def test_chances_sum_to_the_number_of_answers(count):
    chances = inclusion_chances(np.r_[np.zeros(150), np.full(50, 30.0)], count)
    assert chances.sum() == pytest.approx(count)
    assert (chances > 0).all()
    assert (chances <= 1).all()
    if count < 100:
        assert chances[-1] > 3 * chances[0]


def test_answers_that_teach_are_drawn_more_often(table):
    one = {"NS": [4.0] * 200}
    other = {"NS": [1.0 if n % 10 == 0 else 4.0 for n in range(200)]}
    sheet = label_sheet(table, ["NS"], count=60, rater="kim", scores=one, second=other)
    drawn = {row["custom_id"] for row in sheet.rows}
    apart = [row.answer.custom_id in drawn for n, row in enumerate(table.rows) if n % 10 == 0]
    assert len(drawn) == 60
    assert sum(apart) == 20
