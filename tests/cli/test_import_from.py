"""`batcheval import --from TOOL`: evaluations of other tools as tests."""

import ast
import json

import pytest

from pytest_batcheval.cli import main

PROMPTFOO = """
prompts:
  - 'Translate to {{language}}: {{ input }}'
  - {label: terse, raw: '[{"role": "system", "content": "Be terse."}, {"role": "user", "content": "{{input}}"}]'}
providers:
  - openai:gpt-6-luna
  - {id: 'openai:chat:gpt-6.1-terra', label: mild, config: {temperature: 0, reasoning_effort: none, apiKey: sk-very-secret-1234567}}
  - anthropic:messages:claude-opus-4-7
defaultTest: {assert: [{type: not-contains, value: sorry}]}
tests:
  - vars: {language: [French, 한국어], input: "Hello {{language}}"}
    assert: [{type: contains, value: '{{language}}'}, {type: llm-rubric, provider: {apiKey: sk-very-secret-1234567}, value: 'a"\"\"\\nimport os'}]
"""


@pytest.fixture
def folder(pytester, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return pytester.path


def take(folder, text, *more, tool="promptfoo", name="promptfooconfig.yaml"):
    (folder / name).write_text(text, encoding="utf-8")
    return main(["import", "--from", tool, "--output", str(folder / "new"), str(folder / name), *more])


def entries(folder, axis):
    return json.loads((folder / "new" / "fixtures" / f"{axis}s.json").read_text(encoding="utf-8"))


def module(folder):
    return (folder / "new/tests/test_imported.py").read_text(encoding="utf-8")


def runs(pytester, tests):
    """Plan and record in the new folder, and return the outcomes by test id."""
    run = lambda *more: pytester.runpytest_subprocess(f"--rootdir={pytester.path}/new", "-c", "new/pytest.ini", *more)  # noqa: E731
    planned = run("--batch=plan", "new/tests")
    assert planned.ret == 0
    planned.stdout.fnmatch_lines([f"total * {tests} *"])
    recorded = run("--batch=record", "--batch-backend=simulator", "new/tests")
    assert sum(recorded.parseoutcomes().values()) == tests
    assert "error" not in recorded.stdout.str().lower().replace("assertionerror", "")
    return recorded.parseoutcomes()


def test_promptfoo_becomes_axes_and_checks(folder, capsys):
    assert take(folder, PROMPTFOO) == 0
    assert "2 prompts, 2 cases, 2 models" in capsys.readouterr().out
    assert [(m["id"], m["name"], m["body"]) for m in entries(folder, "model")] == [
        ("gpt-6-luna", "gpt-6-luna", {}),
        ("mild", "gpt-6.1-terra", {"temperature": 0, "reasoning_effort": "none"}),
    ]
    assert entries(folder, "template")[1]["messages"][0] == {"role": "system", "content": "Be terse."}
    first, second = entries(folder, "case")
    assert (first["vars"]["language"], second["vars"]["language"]) == ("French", "한국어")
    assert second["vars"]["input"] == "Hello 한국어"
    assert first["checks"] == [
        {"check": "contains", "value": "sorry", "negated": True},
        {"check": "contains", "value": "{{language}}", "negated": False},
    ]
    assert [left["type"] for left in first["todo"]] == ["llm-rubric"]
    written = module(folder)
    assert "# TODO assert llm-rubric (2 times)" in written
    assert "# TODO provider anthropic:messages:claude-opus-4-7 (1 time)" in written
    assert "import os" not in written
    assert not [path for path in (folder / "new").rglob("*.*") if b"very-secret" in path.read_bytes()]


@pytest.mark.parametrize(
    ("kind", "value", "right", "wrong"),
    [
        ("equals", 4, "4", "44"),
        ("contains", "b", "abc", "ABC"),
        ("icontains", "B", "abc", "acd"),
        ("starts-with", "a", "abc", "ba"),
        ("regex", "^a+$", "aa", "ab"),
        ("contains-any", ["x", "b"], "abc", "acd"),
        ("contains-all", "a, b", "abc", "acd"),
        ("icontains-any", ["X", "B"], "abc", "acd"),
        ("icontains-all", ["A", "B"], "abc", "acd"),
        ("is-json", None, '{"a": 1}', "{a"),
    ],
)
@pytest.mark.parametrize("negated", [False, True], ids=["is", "not"])
def test_a_check_says_what_it_said_there(folder, kind, value, right, wrong, negated):
    asserted = {"type": f"not-{kind}" if negated else kind} | ({} if value is None else {"value": value})
    data = {"prompts": ["{{q}}"], "providers": ["openai:m"], "tests": [{"vars": {"q": "?"}, "assert": [asserted]}]}
    assert take(folder, json.dumps(data), name="c.json") == 0
    space, (case,) = {}, entries(folder, "case")
    exec(module(folder), space)
    values = type("Case", (), {"vars": case["vars"], "checks": case["checks"]})
    for text, holds in ((right, not negated), (wrong, negated)):
        answer = type("Answer", (), {"text": text})
        if holds:
            space["test_case"](None, values, None, answer)
        else:
            with pytest.raises(AssertionError):
                space["test_case"](None, values, None, answer)


@pytest.mark.parametrize(
    "asserted",
    [
        {"type": "javascript", "value": "output.length"},
        {"type": "similar", "value": "x", "threshold": 0.8},
        {"type": "contains", "value": "x", "transform": "output.trim()"},
        {"type": "contains", "value": "x", "weight": 0},
        {"type": "contains", "value": "file://x.txt"},
        {"type": "contains", "value": "{{absent}}"},
        {"type": "equals", "value": {"a": 1}},
        {"type": "is-json", "value": {"type": "object"}},
        {"type": "regex", "value": "(?<name>x)"},
        {"type": "assert-set"},
        {"$ref": "#/assertionTemplates/noise"},
        {"type": "\r\u2028\nimport os\n"},
    ],
    ids=lambda asserted: ascii(asserted.get("type")),
)
def test_what_has_no_equal_is_a_todo(folder, asserted):
    data = {"prompts": ["{{q}}"], "providers": ["openai:m"], "tests": [{"vars": {"q": "?"}, "assert": [asserted]}]}
    assert take(folder, json.dumps(data), name="c.json") == 0
    (case,) = entries(folder, "case")
    assert (case["checks"], case["todo"]) == ([], [asserted])
    assert "# TODO assert " in module(folder)
    names = [node.names[0].name for node in ast.walk(ast.parse(module(folder))) if isinstance(node, ast.Import)]
    assert names == ["json", "re", "pytest"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompts": ["{{q}} {{other}}"]}, "takes {{other}}, which case 'case-1' does not give"),
        ({"prompts": ["{% if q %}x{% endif %}"]}, "prompts[0]: only values such as {{name}} can be put"),
        ({"prompts": ["{{ q | upper }}"]}, "prompts[0]: only values such as {{name}} can be put"),
        ({"prompts": ["file://make.py"]}, "prompts[0] is 'file://make.py'; only .txt, .md, .json"),
        ({"prompts": ["file://../../etc/x.txt"]}, "outside of the folder"),
        ({"prompts": [7]}, "prompts[0] must be a text"),
        ({"prompts": []}, "has no prompt to import"),
        ({"providers": ["anthropic:x"]}, "names no model that can be asked here; name one: --model MODEL"),
        ({"providers": ["openai:m", "openai:chat:M"]}, "model 2 has the id 'M' of model 1"),
        ({"tests": "file://tests.csv"}, "tests is 'file://tests.csv'; only .yaml"),
        ({"tests": {"a": 1}}, "tests must be a list"),
        ({"tests": [{"vars": "file://vars.yaml"}]}, "tests[0]: vars must be an object"),
        ({"tests": ["x"]}, "tests[0] must be an object"),
        ({"tests": []}, "has no case to import"),
        ({"tests": [{"vars": {"q": "{% if x %}"}}]}, "tests[0]: vars.q: only values such as {{name}}"),
        (
            {"tests": [{"vars": {n: [*"0123456789"] for n in "qabcde"}}]},
            "tests[0]: the lists in vars give 1,000,000 comb",
        ),
        ({"tests": [{"vars": {"q": "file://a.txt"}}]}, "tests[0]: vars.q is 'file://a.txt'"),
    ],
)
def test_what_cannot_be_used_is_said(folder, capsys, change, said):
    data = {"prompts": ["{{q}}"], "providers": ["openai:m"], "tests": [{"vars": {"q": "?"}}]}
    assert take(folder, json.dumps({**data, **change}), name="c.json") == 4
    err = capsys.readouterr().err
    assert said in err
    assert "c.json" in err
    assert not (folder / "new").exists()


def test_a_file_has_several_prompts_and_yaml_is_of_today(folder):
    (folder / "prompts.txt").write_text("Say {{body}}\n---\nShout {{body}}\n", encoding="utf-8")
    values = "{body: Yes, time: 12:30, day: 2026-11-26, zip: 010, share: 1e-3, off: off, of: [{a: 1}], none: ~}"
    assert take(folder, f"prompts: file://prompts.txt\nproviders: openai:m\ntests: [{{vars: {values}}}]\n") == 0
    said = [(template["id"], template["messages"][0]["content"]) for template in entries(folder, "template")]
    assert said == [("prompt-1", "Say {{body}}"), ("prompt-2", "Shout {{body}}")]
    (case,) = entries(folder, "case")
    assert case["vars"] == {
        "body": "Yes",
        "time": "12:30",
        "day": "2026-11-26",
        "zip": 10,
        "share": 0.001,
        "off": "off",
        "of": [{"a": 1}],
        "none": None,
    }


def test_a_model_may_be_named(folder):
    data = {"prompts": ["{{q}}"], "providers": ["anthropic:x"], "tests": [{"vars": {"q": "?"}}]}
    assert take(folder, json.dumps(data), "--model", "gpt-6-luna", name="c.json") == 0
    assert [model["id"] for model in entries(folder, "model")] == ["gpt-6-luna"]


def test_nothing_is_written_over(folder, capsys):
    (folder / "new").mkdir()
    (folder / "new" / "mine.txt").write_text("mine")
    assert take(folder, PROMPTFOO) == 4
    assert "new is not empty" in capsys.readouterr().err
    assert [path.name for path in (folder / "new").iterdir()] == ["mine.txt"]


def test_other_options_are_refused(folder, capsys):
    assert take(folder, PROMPTFOO, "--strict") == 4
    assert "--strict has no meaning with --from" in capsys.readouterr().err


STRING_CHECK = {"type": "string_check", "name": "same", "input": "{{ sample.output_text }}", "operation": "ilike"}
EVAL = {
    "object": "eval",
    "data_source_config": {"type": "custom", "schema": {}},
    "testing_criteria": [
        {**STRING_CHECK, "reference": "{{item.label}}"},
        {
            "type": "label_model",
            "name": "mood\nimport os",
            "model": "gpt-6-luna",
            "labels": ["a"],
            "passing_labels": ["a"],
        },
    ],
}
RUN = {
    "object": "eval.run",
    "data_source": {
        "type": "completions",
        "model": "gpt-6-luna",
        "sampling_params": {"temperature": 0, "reasoning_effort": "none", "seed": None, "tools": []},
        "input_messages": {
            "type": "template",
            "template": [
                {"type": "message", "role": "developer", "content": {"type": "input_text", "text": "One word."}},
                {"role": "user", "content": "{{item.question}}"},
            ],
        },
        "source": {"type": "file_content", "content": [{"item": {"question": "2+2?", "label": "4"}}]},
    },
}
LINES = '{"item": {"id": 7, "question": "1+1?", "label": "2"}}\n\n{"item": {"id": 8, "question": "3?", "label": "3"}}\n'


def take_eval(folder, *more, evaluation=EVAL, run=RUN, lines=None):
    paths = []
    for name, data in (("run.json", run), ("data.jsonl", lines)):
        if data is not None:
            (folder / name).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
            paths.append(str(folder / name))
    return take(folder, json.dumps(evaluation), *more, *paths, tool="openai-evals", name="eval.json")


def test_a_hosted_eval_with_its_runs(folder, capsys):
    again = {**RUN, "data_source": {**RUN["data_source"], "model": "gpt-6.1-terra"}}
    assert take_eval(folder, run={"object": "list", "data": [RUN, again, RUN]}) == 0
    assert "1 prompt, 1 case, 2 models" in capsys.readouterr().out
    (template,), (case,) = entries(folder, "template"), entries(folder, "case")
    assert template["messages"][0] == {"role": "developer", "content": "One word."}
    assert [(model["id"], model["body"]) for model in entries(folder, "model")] == [
        ("gpt-6-luna", {"temperature": 0, "reasoning_effort": "none"}),
        ("gpt-6.1-terra", {"temperature": 0, "reasoning_effort": "none"}),
    ]
    assert case["vars"] == {"item": {"question": "2+2?", "label": "4"}}
    assert case["checks"] == [{"check": "icontains", "value": "{{item.label}}", "negated": False}]
    assert "# TODO label_model mood\\nimport os (1 time)" in module(folder)


def test_lines_of_data_replace_those_of_the_run(folder):
    assert take_eval(folder, lines=LINES) == 0
    assert [case["id"] for case in entries(folder, "case")] == ["7", "8"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"run": None}, "has its prompt and model in its runs"),
        ({"run": EVAL}, "2 evals are named"),
        ({"run": [1]}, "must be an object"),
        ({"run": {"id": "x"}}, "run.json[0] is neither an eval"),
        ({"run": {"data_source": {"type": "jsonl"}}}, "run.json: data_source.input_messages is no template"),
        ({"lines": '{"item": {}}\n{"item"'}, "data.jsonl, line 2: not valid JSON"),
        ({"lines": '\n{"question": "x"}'}, "data.jsonl, line 2: a line of data has an object `item`"),
        ({"lines": LINES + LINES}, "case 3 has the id '7' of case 1"),
        ({"lines": '{"item": {"question": "?"}}'}, "testing_criteria[0] takes {{item.label}}, which case 'case-1'"),
        ({"lines": '{"item": {"label": "?"}}'}, "takes {{item.question}}, which case 'case-1' does not give"),
    ],
)
def test_an_eval_that_cannot_be_used(folder, capsys, given, said):
    assert take_eval(folder, **given) == 4
    assert said in capsys.readouterr().err
    assert not (folder / "new").exists()


@pytest.mark.parametrize(("operation", "checks"), [("eq", 1), ("like", 0)])
def test_either_side_of_an_equality_may_be_the_answer(folder, operation, checks):
    turned = {**STRING_CHECK, "operation": operation, "input": "{{item.label}}", "reference": STRING_CHECK["input"]}
    assert take_eval(folder, evaluation={"testing_criteria": [turned]}) == 0
    (case,) = entries(folder, "case")
    assert case["checks"] == [{"check": "equals", "value": "{{item.label}}", "negated": False}][:checks]


@pytest.mark.parametrize(
    ("operation", "check"), [("eq", "equals"), ("ne", "equals"), ("like", "contains"), ("ilike", "icontains")]
)
def test_string_checks(folder, operation, check):
    assert (
        take_eval(folder, evaluation={"testing_criteria": [{**STRING_CHECK, "operation": operation, "reference": "x"}]})
        == 0
    )
    (case,) = entries(folder, "case")
    assert case["checks"] == [{"check": check, "value": "x", "negated": operation == "ne"}]


def test_goldens_of_deepeval(folder):
    goldens = [{"input": "2+2? {{x}}", "expected_output": "4", "context": None}, {"input": "b", "actual_output": "c"}]
    assert take(folder, json.dumps(goldens), "--model", "gpt-6-luna", tool="deepeval", name="goldens.json") == 0
    assert entries(folder, "case")[0] == {
        "id": "case-1",
        "vars": {"input": "2+2? {{x}}", "expected_output": "4"},
        "checks": [],
        "todo": [],
    }
    assert "# TODO metric of expected_output, which each case has in its `vars` (1 time)" in module(folder)


SAMPLES = (
    '{"input": "2+2?", "target": ["4", "four"], "id": 1}\n{"input": "b", "target": "c", "id": "x/y", "metadata": {}}\n'
)


def test_samples_of_inspect(folder):
    assert take(folder, SAMPLES, "--model", "gpt-6-luna", tool="inspect", name="samples.jsonl") == 0
    assert [case["id"] for case in entries(folder, "case")] == ["1", "x/y"]
    assert "# TODO scorer of target, which each case has in its `vars` (2 times)" in module(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SAMPLES + SAMPLES, "case 3 has the id '1' of case 1"),
        ('{"input": [{"role": "user", "content": "x"}]}', "line 1: `input` must be a text"),
        ("", "has no case"),
        ("[1]", "line 1: must be an object"),
    ],
)
def test_samples_that_cannot_be_used(folder, capsys, text, said):
    assert take(folder, text, "--model", "m", tool="inspect", name="samples.jsonl") == 4
    assert said in capsys.readouterr().err


def test_data_without_a_model(folder, capsys):
    assert take(folder, SAMPLES, tool="inspect", name="samples.jsonl") == 4
    assert "names no model that can be asked here; name one: --model MODEL" in capsys.readouterr().err


@pytest.mark.sampled
def test_a_hosted_eval_runs(pytester, folder):
    assert take_eval(folder, lines=LINES) == 0
    assert runs(pytester, tests=2).keys() <= {"passed", "failed"}


@pytest.mark.sampled
def test_samples_of_inspect_run(pytester, folder):
    assert take(folder, SAMPLES, "--model", "gpt-6-luna", tool="inspect", name="samples.jsonl") == 0
    assert runs(pytester, tests=2) == {"passed": 2}


@pytest.mark.sampled
def test_promptfoo_runs(pytester, folder):
    assert take(folder, PROMPTFOO) == 0
    assert runs(pytester, tests=8).keys() <= {"passed", "failed"}
