from __future__ import annotations

import json
from pathlib import Path

import pytest
from respondent_tables import asked, interview, personas, questions

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.respondents.protocol import RespondentReply
from pytest_batcheval.simulator.respondents.registry import make

BODY = interview(personas()[0], questions()[0])
ENTRIES = [
    {"persona": "methodical-moody", "text": "not this one"},
    {"persona": ["average", personas()[0].id], "question": "chief_complaint", "text": "이 사람입니다."},
    {"match": "불편해서", "text": "too late"},
]


def written(folder: Path, text: str, name: str = "answers.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def reply(path: Path, body: dict[str, object] = BODY) -> RespondentReply:
    return make(f"scripted-{path}").reply(asked(body))


@pytest.mark.parametrize("mark", ["-", ":"])
@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json", ".jsonl", ".JSON"])
def test_the_first_entry_that_fits_wins(tmp_path: Path, suffix: str, mark: str) -> None:
    text = "\n".join(map(json.dumps, ENTRIES)) + "\n\n" if suffix == ".jsonl" else json.dumps(ENTRIES)
    respondent = make(f"scripted{mark}{written(tmp_path, text, f'my answers{suffix}')}")
    assert respondent.name.startswith(f"scripted{mark}/")
    said = respondent.reply(asked(BODY))
    assert said == RespondentReply("이 사람입니다.", persona=personas()[0].id, question="chief_complaint")
    assert respondent.reply(asked(interview(personas()[1], questions()[0]))).text == "too late"


def test_every_condition_must_hold(tmp_path: Path) -> None:
    path = written(tmp_path, "- {match: zebra, persona: average, text: a}\n- {question: goals, text: b}\n- text: any")
    assert reply(path).text == "any"


def test_no_match_is_said_with_the_words_of_the_request(tmp_path: Path) -> None:
    path = written(tmp_path, "- {match: zebra, text: stripes}")
    said = reply(path, {"messages": [{"role": "user", "content": "a  horse,\nplease" + "!" * 500}]}).text
    assert said.startswith("No entry of answers.yaml matches this request: a horse, please!!!")
    assert len(said) < 200


def test_refusals_reasons_and_statuses(tmp_path: Path) -> None:
    lines = [
        "- {match: zebra, text: stripes}",
        "- {persona: average, refusal: I would rather not.}",
        "- {question: goals, text: cut o, finish_reason: length}",
        "- {text: try later, status_code: 503}",
    ]
    path = written(tmp_path, "\n".join(lines))
    average = personas()[-1]
    assert reply(path, interview(average, questions()[0])) == RespondentReply(
        "I would rather not.", "average", "chief_complaint", refused=True
    )
    assert reply(path, interview(personas()[0], questions()[-1])).finish_reason == "length"
    assert reply(path).status_code == 503


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {text: a}\n- {txt: b}", "answers.yaml, entry 2: "),
        ("- {text: a, refusal: b}", "answers.yaml, entry 1: must have either `text` or `refusal`, not both"),
        ("- {match: a}", "answers.yaml, entry 1: must have either `text` or `refusal`, not both"),
        ("- {text: no}", "answers.yaml, entry 1, field text: False is not of type 'string'; allowed: .* need quotes"),
        (
            "- {text: a, finish_reason: end}",
            "entry 1, field finish_reason: .*; allowed: stop, length or content_filter",
        ),
        ("- {text: a, status_code: 200}", "entry 1, field status_code: .*; allowed: an HTTP status from 400 to 599"),
        ("- {refusal: a, status_code: 500}", "entry 1: `status_code` makes the request fail"),
        ("- {text: a, match: '('}", r"answers.yaml, entry 1, field match: '\(' is not a valid regular expression"),
        ("- {text: a}\n- {text: a, persona: bob}", "entry 2, field persona: the catalogue has no 'bob'; it has indep"),
        ("- {text: a, question: [goals, x]}", "entry 1, field question: the catalogue has no 'x'; it has chief_comp"),
        ("- {text: a, persona: []}", "entry 1, field persona: .*; allowed: an id of the catalogue, or a list of them"),
        ("- just text", "answers.yaml, entry 1: "),
        ("text: a", "answers.yaml: the file must be a list with at least one entry"),
        ("", "answers.yaml: the file must be a list with at least one entry"),
        ("- {text: [", "answers.yaml, line 1: not valid YAML"),
        ("- text: 2024-13-45", "answers.yaml: not valid YAML"),
        ("- text: 2024-12-24", "entry 1, field text: .* is not of type 'string'"),
    ],
)
def test_errors_name_file_and_entry(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(f"scripted-{written(tmp_path, text)}")


def test_errors_name_the_line_of_json(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.json, line 3: not valid JSON"):
        make(f"scripted-{written(tmp_path, '[{},' + chr(10) * 2 + 'x', 'a.json')}")
    with pytest.raises(UsageError, match=r"a.jsonl, line 2: not valid JSON"):
        make(f"scripted-{written(tmp_path, '{}' + chr(10) + '{', 'a.jsonl')}")
    with pytest.raises(UsageError, match="nested too deeply"):
        make(f"scripted-{written(tmp_path, '[' * 100_000, 'a.json')}")


def test_errors_of_the_file_itself(tmp_path: Path) -> None:
    for name in ("scripted", "scripted-", "scripted:"):
        with pytest.raises(UsageError, match="scripted requires a file of answers"):
            make(name)
    with pytest.raises(UsageError, match=r"gone.yaml: the file of scripted answers cannot be read: No such file"):
        make(f"scripted-{tmp_path / 'gone.yaml'}")
    with pytest.raises(UsageError, match=r"must end in .yaml, .yml, .json, .jsonl"):
        make(f"scripted-{tmp_path / 'answers.csv'}")
    (tmp_path / "latin.yaml").write_bytes(b"- text: caf\xe9")
    with pytest.raises(UsageError, match=r"latin.yaml: the file of scripted answers is not UTF-8: .* at byte 11"):
        make(f"scripted-{tmp_path / 'latin.yaml'}")
