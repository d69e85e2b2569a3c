"""`explain()` in other languages: every template has a translation, and nothing is said without a template."""

import ast
import copy
import pickle
import re
import string
from dataclasses import replace
from functools import cache
from itertools import chain, product
from pathlib import Path

import pytest
from test_results import STATISTICS, TEXTS, random_table

from pytest_batcheval import quality
from pytest_batcheval.quality import gate, ladder
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.measures import _differentiation_controls as control
from pytest_batcheval.quality.measures import _format_checks
from pytest_batcheval.quality.result import Result
from pytest_batcheval.quality.stats.crossed_components import FACETS
from pytest_batcheval.text.phrase import LANGUAGES, catalogue

ROOM = Path(gate.__file__).parent
FILES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOM.rglob("*.py"))}

CONTROLS = {control.INFLUENCE, control.OTHERS, control.LENGTH, control.MASKED}
NAMES = {"part": gate.PARTS, "check": _format_checks.LIMITS, "probe": ladder.PROBES, "facet": FACETS}
"""Words that code compares, by kind; verdicts too."""

NULLS = ("NULL", "PERSONAS_NULL", "MCNEMAR", "SIGNS")
"""Names of null hypotheses."""

GIVEN = {"name", "figure.name", "self.name", "self.null", "self.step"}
"""Texts that are made elsewhere, of controls, figures, nulls and steps; `given` finds them."""

LATIN = {"AC", "CO", "Cliff", "HA", "Holm", "ICC", "ID", "JSON", "Krippendorff", "NS", "P", "RD", "SD", "ST", "Vendi",
         "alignment", "blind", "echo", "faithful", "halo", "inverted", "levels", "min", "targets"}  # fmt: skip
"""Names that are the same in any language; those that code compares stand behind their translation in brackets."""


@cache
def scopes():
    """(node, the function or module that it is in) of every node."""
    found = []
    for tree in FILES.values():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        owner = {id(inner): function for function in functions for inner in ast.walk(function)}
        found += [(node, owner.get(id(node), tree)) for node in ast.walk(tree)]
    return found


def literals(node, scope):
    """The texts that an expression may be; empty if it is no literal, nor a table or variable of literals."""
    if isinstance(node, ast.Constant):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return literals(node.body, scope) | literals(node.orelse, scope)
    if isinstance(node, ast.BinOp):
        return {a + b for a, b in product(literals(node.left, scope), literals(node.right, scope))}
    if isinstance(node, ast.Subscript):
        return set().union(*({v.value for v in table.values} for table in assigned(ast.unparse(node.value))))
    if isinstance(node, ast.Name):
        return set().union(*(literals(value, scope) for value in assigned(node.id, scope)))
    return set()


def assigned(name, *scopes):
    """What is assigned to a name in these scopes, or in any module."""
    found = (
        (node for scope in scopes for node in ast.walk(scope)) if scopes else chain(*(t.body for t in FILES.values()))
    )
    return [node.value for node in found if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name]


def calls(*names):
    for node, scope in scopes():
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node, scope


def phrases():
    """(expression, its texts) of every template."""
    for node, scope in calls("Phrase"):
        yield ast.unparse(node.args[0]), literals(node.args[0], scope)


def verdicts():
    """What a `verdict` may be: returned by a function of that name, or given as an argument."""
    found = [(node.value, scope) for node, scope in scopes()
             if (isinstance(node, ast.Return) and scope.name in ("_verdict", "verdict_of"))
             or (isinstance(node, ast.keyword) and node.arg == "verdict")]  # fmt: skip
    return {"collapsed"}.union(*(literals(value, scope) for value, scope in found))


def given():
    """The texts of nulls, steps, figures and controls."""
    nulls = {node.value.value for node, _ in scopes() if isinstance(node, ast.keyword) and node.arg == "null"
             and isinstance(node.value, ast.Constant)} | {value.value for name in NULLS for value in assigned(name)}  # fmt: skip
    return (
        CONTROLS
        | nulls
        | {text for node, scope in calls("Figure", "step_of") for text in literals(node.args[0], scope)}
    )


AXES = {"{number} personas", "{number} questions"}
"""Of the axes that have a name in other languages."""


def used():
    """Every English text that a result may say."""
    nouns = [node.args[1] for node, _ in calls("Phrase.counted")]
    counts = {f"{{number}} {noun.value}s" for noun in nouns if isinstance(noun, ast.Constant)} | AXES
    names = {f"{kind}: {name}" for kind, known in {**NAMES, "verdict": verdicts()}.items() for name in known}
    return names | given() | counts | {text for _, texts in phrases() for text in texts}


def fields(template):
    return sorted(part[1:] for part in string.Formatter().parse(template) if part[1] is not None)


def worded(template):
    """Whether a template has words of its own."""
    return re.search(r"[A-Za-z]", "".join(part[0] for part in string.Formatter().parse(template)))


def test_every_phrase_is_made_of_a_text_that_is_known():
    assert [expression for expression, texts in phrases() if not texts] == []
    known = [[ast.unparse(argument) for argument in node.args] for node, _ in calls("Phrase.known")]
    assert {arguments[0] for arguments in known if len(arguments) == 1} == GIVEN
    assert {arguments[1] for arguments in known if len(arguments) == 2} == {repr(kind) for kind in (*NAMES, "verdict")}


def test_what_says_something_says_it_by_templates():
    """A function that makes phrases has no other text with words, but in an error."""
    said = []
    for tree in FILES.values():
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            inner = list(ast.walk(function))
            if not any(isinstance(node, ast.Call) and ast.unparse(node.func).startswith("Phrase") for node in inner):
                continue
            errors = {id(node) for one in inner if isinstance(one, ast.Raise) for node in ast.walk(one)}
            texts = [node for node in inner if isinstance(node, ast.JoinedStr) and id(node) not in errors]
            said += [ast.unparse(text) for text in texts for part in text.values
                     if isinstance(part, ast.Constant) and re.search(r"[A-Za-z]{2}", part.value)]  # fmt: skip
    assert said == []


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_the_catalogue_is_complete_and_has_nothing_else(code):
    known, texts = catalogue("quality", code), {text for text in used() if worded(text)}
    assert sorted(texts - known.keys()) == []
    assert sorted(known.keys() - texts) == []


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_a_translation_has_the_same_figures_in_the_same_form(code):
    known = catalogue("quality", code)
    assert [text for text, other in known.items() if fields(text) != fields(other) or not other.strip()] == []


def english_left(result, ids=(), code="ko"):
    """The English words of a result in another language, without quotations, keys and the ids of its table."""
    codes = {text.rpartition(": ")[2] for text in catalogue("quality", code)}
    given = "|".join([*(re.escape(f"({text})") for text in codes), *map(re.escape, sorted(ids, key=len, reverse=True))])
    texts = [result.explain(code), *result.translations(code).values()]
    plain = re.sub(rf"'[^']*'|\([0-9a-z]{{12}}\)|{given}", " ", "\n".join(texts))
    return set(re.findall(r"[A-Za-z]{2,}", plain)) - LATIN


def check(statistic, table):
    try:
        result = STATISTICS[statistic](table)
    except TableError:
        return
    assert english_left(result, {row.id(axis) for row in table.rows for axis in row.cell}) == set()


@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"power"}))
def test_no_english_is_left_of_odd_tables(name):
    for seed in range(4):
        check(name, random_table(seed))


def test_no_english_is_left_of_results_that_are_rare_or_cost_time():
    table = random_table(3)
    values = quality.cell_values(table, [float(n % 3) for n in range(len(table))], metric="alignment/2")
    same = {"interval": None, "p_value": None, "null": "none: shares of simulated runs", "n": 1, "seed": 0}
    power = quality.Power(effect=None, personas=8, questions=4, samples=2, runs=5, differentiation={0.01: 0.1},
                          traits={}, difference=0.3, equivalence=0.5, margin=0.15, deviation=0.9, **same)  # fmt: skip
    change = replace(quality.regression(values, values), verdict="WARN", undecided=True)
    figures = [ladder.Figure("least alpha", None, ">=", 0.8), ladder.Figure("broken verdicts", 0.0, "<=", 0.02)]
    rare = [
        power, replace(power, traits={0.5: 0.1}), replace(power, traits={0.5: 0.9}, effect=0.5),
        change, replace(change, more_samples=3), replace(change, more_of_both=3), replace(change, undecided=False),
        replace(change, not_excluded=0.5),
        replace(quality.compare(values, values), verdict="worse", standardised=0.1, p_equivalence=0.5),
        *(replace(quality.compare(values, values), verdict="not decided", more_samples=n, narrow=(-1.0, 1.0))
          for n in (None, 3)),
        ladder.step_of("repeat", figures, 1), ladder.step_of("evidence", figures[1:], 2, ["p"]),
    ]  # fmt: skip
    assert [english_left(result) for result in rare] == [set()] * len(rare)


@pytest.mark.sampled(100)
@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"power"}))
@pytest.mark.parametrize("kind", ["faithful", "blind", "inverted", *TEXTS])
def test_no_english_is_left_of_any_respondent(respondent, with_texts, name, kind):
    check(name, with_texts(TEXTS[kind]) if kind in TEXTS else respondent(kind, samples=2))


@pytest.fixture
def result():
    return STATISTICS["quality_gate"](random_table(0))


def test_a_result_speaks_the_language_that_is_asked_for_or_set(result, monkeypatch):
    english, korean = result.explain(), result.explain("ko")
    assert english == result.explain("en") != korean
    assert result.translations("ko")[english] == korean
    monkeypatch.setattr(Result, "lang", "ko")
    assert result.explain() == korean
    assert result.explain("en") == english
    with pytest.raises(ValueError, match="unknown language 'eo': must be one of en, ko"):
        result.explain("eo")


def test_a_result_keeps_its_languages_when_it_is_copied(result):
    for other in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert other.explain("ko") == result.explain("ko")
    assert {type(part["reason"]) for part in result.to_dict()["parts"]} == {str}
