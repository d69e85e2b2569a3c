"""Samples that the measures of a test need, read from its source before anything is paid for."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from pytest_batcheval.quality.required_samples import LEAST_SAMPLES


def least_samples(functions: Iterable[Callable[..., Any]]) -> tuple[int, str]:
    """The most samples of a cell that a measure named in these functions needs, and its name; 1 and "" for none.

    A function of the same file that they name is read as well. Names that are put together at run time, methods,
    helpers of other files, and functions without source are not seen.
    """
    seen: set[FunctionType] = set()
    used = [measure for function in functions for measure in _used(inspect.unwrap(function), seen)]
    return max(((getattr(measure, LEAST_SAMPLES), measure.__name__) for measure in used), default=(1, ""))


def _used(function: Callable[..., Any], seen: set[FunctionType]) -> Iterator[FunctionType]:
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    for value in _named(function):
        if isinstance(value, FunctionType):
            if hasattr(value, LEAST_SAMPLES):
                yield value
            elif value.__globals__ is function.__globals__:
                yield from _used(value, seen)


def _named(function: FunctionType) -> Iterator[Any]:
    """Values that a function's source names: its globals, attributes of modules, and imports inside it."""
    known = {name: value for name, value in function.__globals__.items() if name not in function.__code__.co_varnames}
    for statement in _body(function):
        for node in ast.walk(statement):
            if isinstance(node, (ast.Name, ast.Attribute)):
                yield _value(node, known)
            elif isinstance(node, ast.ImportFrom) and node.module in sys.modules:
                yield from (_member(sys.modules[node.module], name.name) for name in node.names)


def _body(function: FunctionType) -> list[ast.stmt]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda in the middle of an expression
        return []
    definition = tree.body[0]
    return definition.body if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)) else tree.body


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """The value of a name, or of a dotted name below a module; `None` for anything else."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, known)
        return _member(owner, node.attr) if isinstance(owner, ModuleType) else None
    return None


def _member(module: ModuleType, name: str) -> Any:
    # other people's modules may import something at a getattr
    ours = module.__name__.startswith("pytest_batcheval.")
    return getattr(module, name, None) if ours else vars(module).get(name)
