"""The house: its rooms, its words and its map hold."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from figures import LAYERS, House

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pytest_batcheval"
pytestmark = pytest.mark.sampled  # for who changes the code, not for who tries it
QUESTION_WORDS = ("What", "Which", "Where", "When", "Who", "Whose", "How", "Why")


@pytest.fixture(scope="module")
def house():
    return House.read(ROOT / "src")


def test_the_figures_hold(house):
    figures = house.figures()
    most = {
        "top-level rooms": 19,
        "public class names used twice": 0,
        "import circles": 0,
        "imports upwards": 0,
        "longest function": 50,
        "p90 of functions": 18,
    }
    over = {name: (figures[name], limit) for name, limit in most.items() if figures[name] > limit}
    assert not over, (over, house.circles(), house.upwards(), house.used_twice())


def test_the_linter_has_the_same_layers_one_line_a_room():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    assert tuple(line.replace(" | ", " ") for line in contract["layers"]) == LAYERS


def test_every_room_is_a_layer(house):
    assert house.rooms == {room for line in LAYERS for room in line.split()}


def test_only_one_module_touches_pytests_private_ground(house):
    private = re.compile(
        r"from _pytest|import _pytest|(reporter|metafunc|item|config|session|pluginmanager|writer)\._[a-z]"
    )
    found = {
        name
        for name in house.trees
        if private.search((SOURCE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
                          if name not in house.packages else "")
    }  # fmt: skip
    assert found == {"plugin._pytest_compat"}


def test_every_function_of_that_module_has_a_test(house):
    tests = (ROOT / "tests" / "plugin" / "test_pytest_compat.py").read_text(encoding="utf-8")
    functions = [node.name for node in house.trees["plugin._pytest_compat"].body if isinstance(node, ast.FunctionDef)]
    assert [name for name in functions if f"compat.{name}(" not in tests] == []


# -- words --------------------------------------------------------------------------------------------------------


def _names(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_told_stands_for_nothing_any_more(house):
    found = {
        (module, name) for module, tree in house.trees.items() for name in _names(tree) if "told" in name.split("_")
    }
    assert not found


def test_docstrings_name_the_thing(house):
    """PEP 257: not a question."""
    found = [
        f"{module}: {line}"
        for module, tree in house.trees.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and (line := (ast.get_docstring(node) or "").partition("\n")[0]).split(" ")[0] in QUESTION_WORDS
    ]
    assert found == []


def test_no_constant_is_set_twice(house):
    """The first one would be dead: a merge or an edit gone wrong, which no other tool names."""
    found = []
    for module, tree in house.trees.items():
        names = [target.id for node in tree.body if isinstance(node, ast.Assign)
                 for target in node.targets if isinstance(target, ast.Name) and target.id.isupper()]  # fmt: skip
        found += [f"{module}.{name}" for name in dict.fromkeys(names) if names.count(name) > 1]
    assert found == []


def _rows(page):
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|") and not set(line) <= set("|- "):
            yield cells


def test_the_glossary_names_what_exists_and_each_word_once(house):
    defined = {name for tree in house.trees.values() for name in _names(tree)}
    words = []
    for cells in _rows("glossary.md"):
        if cells[0] in ("word", "status"):
            continue
        words += re.findall(r"`([^`]+)`", cells[0]) or [word.strip() for word in cells[0].split(",")]
        for name in (
            re.findall(r"`([A-Za-z_]\w*)`", cells[2]) if cells[1:2] != ["ours"] and cells[1:2] != ["API"] else ()
        ):
            assert name in defined, f"{cells[0]}: {name}"
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_the_glossary_has_every_status(house):
    from pytest_batcheval.journal.rows import OPEN, STAGES

    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    states = {*OPEN, "settled", "void", "lost", "reconciling", "waiting", "validating", "in_progress", "finalizing"}
    assert [word for word in (*states, *STAGES) if f"`{word}`" not in page] == []


# -- the map ------------------------------------------------------------------------------------------------------


def test_the_map_names_every_room_and_only_files_that_exist(house):
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]\w*(?:/\w+)*(?:\.py|\.json|\.md|/))`", page))
    named |= set(re.findall(r"`((?:[a-z_]\w*/)+\w+)`", page))
    bare = {path.name for path in SOURCE.rglob("*.py")}  # such as `hooks.py`, in the row of its room
    missing = [name for name in named - bare if not any((root / name).exists() for root in (SOURCE, ROOT))]
    assert missing == []
    rooms = {f"{room}/" if (SOURCE / room).is_dir() else f"{room}.py" for room in house.rooms}
    assert sorted(rooms - {name for cells in _rows("design.md") for name in re.findall(r"`([^`]+)`", cells[0])}) == []
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert contributing.index("docs/design.md") < contributing.index("## " if "## " in contributing else "- **")


COUNTED = re.compile(r"\{(?![A-Z_]+\})[^{}\"]*\} (requests|batches|tests|answers|calls|files|runs|errors|rows)\b")
SEVERAL = {
    "plugin.ci tests",  # only where there are several
    "cli.show requests",  # more than one begins so
    "cli.status runs",  # the same
    "engine.send_result answers",  # with its verb, one or several
}
"""Texts that count without `counted`, and why they can."""


def test_every_text_that_counts_uses_one_function(house):
    """`1 requests` is seen by everybody."""
    found = set()
    for name in house.modules:
        text = (SOURCE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        found |= {f"{name} {match[1]}" for match in COUNTED.finditer(text)}
    assert found == SEVERAL


def test_every_batch_test_is_in_the_folder_that_is_collected_for_them():
    """`pytest -m batch` collects tests/scenarios alone."""
    tests = ROOT / "tests"
    marked = [
        path.relative_to(tests)
        for path in tests.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.batch"
    ]
    assert {path.parts[0] for path in marked} == {"scenarios"}
