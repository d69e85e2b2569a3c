"""The measures that a test calls with its table, read from its source before anything is paid for."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from pytest_batcheval.quality.needs import NEEDS

QUALITY = "pytest_batcheval.quality"
TABLE = "answers"
_PARTS = ("at_turn",)
"""Functions that give a part of the table that they are called with."""


@dataclass(frozen=True)
class Use:
    """A measure in a test's code.

    Attributes:
        name: of the measure.
        of_table: whether it is called with the test's table, or a part of it.
        given: the names of its other arguments; `**` where they are not known.
        scores_of_judge: whether its scores are read from the verdicts of its table.
    """

    name: str
    of_table: bool = False
    given: frozenset[str] = frozenset()
    scores_of_judge: bool = False


def measures_named(functions: Iterable[Callable[..., Any]]) -> list[Use]:
    """The measures that these functions name, and functions of the same file that they call.

    Names that are put together at run time, methods, helpers of other files, and functions without source are not
    seen; what is expected to raise (`with pytest.raises`, `try`) is left alone.
    """
    found: list[Use] = []
    seen: set[tuple[FunctionType, frozenset[str]]] = set()
    for function in functions:
        _read(inspect.unwrap(function), {TABLE}, found, seen)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class _Measure:
    name: str


def _read(
    function: object, tables: Collection[str], found: list[Use], seen: set[tuple[FunctionType, frozenset[str]]]
) -> None:
    if not isinstance(function, FunctionType) or (function, frozenset(tables)) in seen:
        return
    seen.add((function, frozenset(tables)))
    reader = _Reader(function, tables)
    for statement in _body(function):
        reader.visit(statement)
    found += reader.uses
    for helper, given in reader.helpers:
        _read(helper, given, found, seen)


class _Reader(ast.NodeVisitor):
    """Reads one function.

    Attributes:
        uses: the measures.
        helpers: functions of the same file, with their parameters that get the table.
    """

    def __init__(self, function: FunctionType, tables: Collection[str]) -> None:
        local = function.__code__.co_varnames
        self._known = {name: value for name, value in function.__globals__.items() if name not in local}
        self._globals = function.__globals__
        self._tables = set(tables)
        self.uses: list[Use] = []
        self.helpers: list[tuple[FunctionType, frozenset[str]]] = []

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name in node.names:
            if node.module in sys.modules:
                self._known[name.asname or name.name] = _member(sys.modules[node.module], name.name)

    def visit_With(self, node: ast.With) -> None:
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        if not any(ast.unparse(call.func).rpartition(".")[2] == "raises" for call in calls):
            self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        for statement in (*([] if node.handlers else node.body), *node.orelse, *node.finalbody):
            self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_Name(self, node: ast.Name) -> None:
        self._note(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._note(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        value = self._value(node.func)
        parts = [self._is_part(argument) for argument in node.args]
        if isinstance(value, _Measure):
            names = [keyword.arg or "**" for keyword in node.keywords]
            names += ["**"] if any(isinstance(argument, ast.Starred) for argument in node.args) else []
            names += ["values"] if value.name == "cell_values" and len(node.args) > 1 else []
            self.uses.append(Use(value.name, any(parts[:1]), frozenset(names), self._reads_verdicts(node)))
        elif isinstance(value, FunctionType) and value.__globals__ is self._globals:
            given = {name for name, part in zip(value.__code__.co_varnames, parts, strict=False) if part}
            given |= {keyword.arg for keyword in node.keywords if keyword.arg and self._is_part(keyword.value)}
            self.helpers.append((value, frozenset(given)))
        else:
            self.visit(node.func)
        for argument in (*node.args, *node.keywords):
            self.visit(argument)

    def _note(self, node: ast.expr) -> None:
        """A measure, or a helper, that is named and not called."""
        value = self._value(node)
        if isinstance(value, _Measure):
            self.uses.append(Use(value.name))
        elif isinstance(value, FunctionType) and value.__globals__ is self._globals:
            self.helpers.append((value, frozenset()))

    def _reads_verdicts(self, node: ast.Call) -> bool:
        given = [keyword.value for keyword in node.keywords if keyword.arg == "scores"]
        calls = (each for value in given for each in ast.walk(value) if isinstance(each, ast.Call))
        return any(self._value(call.func) in (_Measure("scores_of"), _Measure("verdicts_of")) for call in calls)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple):
            each = value.elts if isinstance(value, ast.Tuple) else [getattr(value, "elt", value)] * len(target.elts)
            for one, its in zip(target.elts, each, strict=False):
                self._assign(one, its)
        elif isinstance(target, ast.Name):
            (self._tables.add if self._is_part(value) else self._tables.discard)(target.id)

    def _is_part(self, node: ast.expr) -> bool:
        """Whether an expression is the table, or a part of it with as many personas and questions at most."""
        if isinstance(node, ast.Name):
            return node.id in self._tables
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Attribute) and node.func.attr == "where":
            return self._is_part(node.func.value)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in _PARTS and bool(node.args) and self._is_part(node.args[0])

    def _value(self, node: ast.expr) -> Any:
        """The value of a name, or of a dotted name below a module; `None` for anything else."""
        if isinstance(node, ast.Name):
            return _measure_or(self._known.get(node.id))
        if isinstance(node, ast.Attribute):
            owner = self._value(node.value)
            return _member(owner, node.attr) if isinstance(owner, ModuleType) else None
        return None


def _body(function: FunctionType) -> list[ast.stmt]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda in the middle of an expression
        return []
    definition = tree.body[0]
    return definition.body if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)) else tree.body


def _member(module: ModuleType, name: str) -> Any:
    if module.__name__ == QUALITY and name in NEEDS:
        return _Measure(name)  # not imported: it would take numpy
    known: Mapping[str, Any] = vars(module)  # somebody's module may import something at a getattr
    return _measure_or(known.get(name))


def _measure_or(value: Any) -> Any:
    if isinstance(value, FunctionType) and value.__module__.startswith(f"{QUALITY}.") and value.__name__ in NEEDS:
        return _Measure(value.__name__)
    return value
