"""Which measures a test uses, read off its code before it runs: what cannot be measured is not paid for."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from pytest_batcheval.quality.required_samples import LEAST_SAMPLES


def least_samples(functions: Iterable[Callable[..., Any]]) -> tuple[int, str]:
    """The most samples of a cell that a measure named in these functions needs, and its name; 1 and "" for none.

    A function of the same file that they name is looked into as well; names that are put together at run time, methods
    and helpers of other files are not seen.
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
    """The values that a function's code names: globals, and what it takes from modules."""
    for code in _codes(function.__code__):
        value: Any = None
        for instruction in dis.get_instructions(code):
            name = str(instruction.argval)
            if instruction.opname == "LOAD_GLOBAL":
                value = function.__globals__.get(name)
            elif instruction.opname == "IMPORT_NAME":
                value = sys.modules.get(name)
            elif instruction.opname == "IMPORT_FROM" and isinstance(value, ModuleType):
                yield _of(value, name)  # the module stays for the next name
            elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
                value = _of(value, name)
            elif instruction.opname not in ("STORE_FAST", "STORE_DEREF", "STORE_NAME"):
                value = None
            yield value


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _of(module: ModuleType, name: str) -> Any:
    # other people's modules may import something at a getattr
    ours = module.__name__.startswith("pytest_batcheval.")
    return getattr(module, name, None) if ours else vars(module).get(name)
