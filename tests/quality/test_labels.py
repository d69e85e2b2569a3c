"""People's labels: read with file and line, held against each other and against a judge."""

import json
import random

import pytest
from test_words import english_left

from pytest_batcheval.quality import TableError
from pytest_batcheval.quality.labels import TO_RELEASE, Labels, human_agreement, rater_agreement
from pytest_batcheval.recordings.answer_table import Answers

CODES = ("NS", "HA")


@pytest.fixture
def table():
    """8 personas, 30 questions: 240 answers."""
    return Answers.from_records(
        {"persona": f"p{i}", "question": f"q{j}", "sample": s, "text": f"answer {i} {j} {s}"}
        for i in range(8)
        for j in range(30)
        for s in range(1)
    )


def true_score(row, code):
    return random.Random(f"{row.id('persona')} {row.id('question')} {row.sample} {code}").randint(1, 5)


def near(score, rng, wrong):
    return min(5, max(1, score + rng.choice([-1, 1]))) if rng.random() < wrong else score


def rows(table, rater, wrong, count=240, key=False):
    rng = random.Random(rater)
    for row in table.rows[:count]:
        for code in CODES:
            cell = {"persona": row.id("persona"), "question": row.id("question"), "sample": row.sample}
            place = {"custom_id": row.answer.custom_id} if key else cell
            yield {**place, "rater": rater, "dimension": code, "score": near(true_score(row, code), rng, wrong)}


def as_jsonl(path, labels):
    path.write_text("".join(json.dumps(label) + "\n" for label in labels))
    return path


def as_csv(path, labels):
    labels = list(labels)
    lines = [",".join(labels[0]), *(",".join(map(str, label.values())) for label in labels)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_csv_and_jsonl_by_cell_and_by_key_read_alike(tmp_path, table):
    by_cell = list(rows(table, "kim", 0.2))
    by_key = list(rows(table, "kim", 0.2, key=True))
    read = [
        Labels.load(as_csv(tmp_path / "a.csv", by_cell)),
        Labels.load(as_jsonl(tmp_path / "a.jsonl", by_cell)),
        Labels.load(as_csv(tmp_path / "b.csv", by_key)),
        Labels.load(as_jsonl(tmp_path / "b.jsonl", by_key)),
    ]
    scores = [labels.scores(table, "kim") for labels in read]
    assert scores == [scores[0]] * 4
    assert scores[0]["NS"] == [label["score"] for label in by_cell if label["dimension"] == "NS"]


def test_without_a_sample_the_first_is_meant_and_an_empty_score_is_none(tmp_path, table):
    path = tmp_path / "labels.csv"
    path.write_text("persona,question,rater,dimension,score\np0,q0,kim,NS,4\np0,q1,kim,NS,\n")
    scores = Labels.load(path).scores(table, "kim")["NS"]
    assert (scores[0], scores[6]) == (4, None)
    assert Labels.load(path).rated(table, "kim") == {0, 1}


def test_people_label_what_was_said_not_the_verdict_on_it(tmp_path, driven, rubric):
    from pytest_batcheval.quality import rubric_request

    def judged(persona, question):
        answer = yield {"model": "sim-faithful", "messages": [{"role": "user", "content": question.text}]}
        yield rubric_request(answer, question, rubric, model="sim-judge")

    answers = driven(judged, ["goals"], 1)
    said = answers[0].turns[0].custom_id
    label = {"custom_id": said, "rater": "kim", "dimension": "SD", "score": 2}
    assert Labels.load(as_jsonl(tmp_path / "a.jsonl", [label])).scores(answers, "kim") == {"SD": [2]}


def test_labels_of_other_axes(tmp_path, table):
    renamed = Answers.from_records(
        {"tone": row.id("persona"), "topic": row.id("question"), "sample": row.sample, "text": row.answer.text}
        for row in table.rows
    )
    labels = [
        {
            "topic": label["question"],
            "tone": label["persona"],
            **{k: label[k] for k in ("sample", "rater", "dimension", "score")},
        }
        for label in rows(table, "kim", 0.2)
    ]
    kept = Labels.load(as_csv(tmp_path / "a.csv", [{**label, "comment": n} for n, label in enumerate(labels)]))
    assert kept.scores(renamed, "kim") == Labels.load(as_csv(tmp_path / "b.csv", rows(table, "kim", 0.2))).scores(
        table, "kim"
    )
    with pytest.raises(TableError, match="labels of answers that are not in the table"):
        kept.scores(table, "kim")


HEAD = "persona,question,rater,dimension,score\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            HEAD + "p0,q0,kim,NS,4\np0,q0,kim,HA,6\n",
            r"a\.csv:3: score must be an integer from 1 to 5, .* not '6'",
        ),
        ("a.csv", HEAD + "p0,q0,kim,NS,3.5\n", r"a\.csv:2: score must be an integer"),
        ("a.csv", HEAD + "p0,,kim,NS,4\n", r"a\.csv:2: a label needs a custom_id, or persona and question"),
        ("a.csv", HEAD + "p0,q0,,NS,4\n", r"a\.csv:2: rater is missing"),
        ("a.csv", HEAD + "p0,q0,kim,NS,4,5\n", r"a\.csv:2: more values than columns: \['5'\]"),
        ("a.csv", HEAD + 'p0,q0,"kim,NS,4\n', r"a\.csv:2: not valid CSV"),
        ("a.csv", HEAD, r"a\.csv: the file has no labels"),
        ("a.csv", "persona,question,rater,dimension\np0,q0,kim,NS\n", r"a\.csv:2: score is missing"),
        ("a.csv", HEAD + "p0,q0,kim,NS,4\np0,q0,kim,NS,5\n", r"a\.csv:3: kim scores NS of p0 x q0 x 0 twice.*a\.csv:2"),
        ("a.jsonl", '{"persona": "p0"\n', r"a\.jsonl:1: not valid JSON"),
        ("a.jsonl", "\n[1]\n", r"a\.jsonl:2: a label must be a JSON object, not a list"),
    ],
)
def test_a_wrong_row_is_named_with_file_and_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(TableError, match=message):
        Labels.load(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"none\.csv: the file of labels cannot be read"):
        Labels.load(tmp_path / "none.csv")


@pytest.fixture
def labels(tmp_path, table):
    """Two raters of all 240 answers, who are a point apart at times."""
    return Labels.load(as_jsonl(tmp_path / "a.jsonl", [*rows(table, "kim", 0.2), *rows(table, "park", 0.2)]))


def test_two_raters_agree_as_far_as_they_do(table, labels):
    found = rater_agreement(table, labels, "kim", "park")
    assert not found.disagreeing, found.explain()
    assert 0.8 < found.effect < 0.95
    assert found.interval[0] < found.effect < found.interval[1]
    assert found.n == 240


@pytest.mark.parametrize(("wrong", "passes"), [(0.1, True), (1.0, False)])
def test_a_judge_is_held_against_what_people_reach(table, labels, wrong, passes):
    rng = random.Random(7)
    scores = {code: [near(near(true_score(row, code), rng, wrong), rng, wrong) for row in table.rows] for code in CODES}
    found = human_agreement(table, scores, labels, "kim", "park", least_answers=TO_RELEASE)
    assert found.passed == passes, found.explain()
    assert english_left(found, {row.id(axis) for row in table.rows for axis in row.cell}) == set()


def test_only_answers_that_both_looked_at_count(tmp_path, table):
    few = [*rows(table, "kim", 0.2), *rows(table, "park", 0.2, count=120)]
    labels = Labels.load(as_jsonl(tmp_path / "a.jsonl", few))
    scores = {code: [true_score(row, code) for row in table.rows] for code in CODES}
    assert human_agreement(table, scores, labels, "kim", "park").n == 120
    with pytest.raises(TableError, match="120 answers with labels of both kim and park: at least 200 are needed"):
        human_agreement(table, scores, labels, "kim", "park", least_answers=TO_RELEASE)


def test_fewer_than_a_hundred_are_refused_whatever_is_asked(tmp_path, table):
    few = [*rows(table, "kim", 0.2, count=99), *rows(table, "park", 0.2, count=99)]
    labels = Labels.load(as_jsonl(tmp_path / "a.jsonl", few))
    with pytest.raises(TableError, match="too few answers for the agreement of two judges: 99"):
        rater_agreement(table, labels, "kim", "park")
    with pytest.raises(TableError, match="at least 100 are needed"):
        human_agreement(table, {}, labels, "kim", "park", least_answers=10)


def test_labels_of_other_answers_and_unknown_raters_are_refused(table, labels):
    with pytest.raises(TableError, match=r"labels of answers that are not in the table: .*a\.jsonl:"):
        labels.scores(table[:10], "kim")
    with pytest.raises(TableError, match="unknown rater 'lee'; the raters are kim, park"):
        labels.scores(table, "lee")
    with pytest.raises(TableError, match="the judge has no scores of HA"):
        human_agreement(table, {"NS": [3] * 240}, labels, "kim", "park")
