"""Former names of keywords and attributes: they work as before, with a warning that names the new one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

KEYWORDS = {"untold": "unprompted"}
ATTRIBUTES = {"told": "prompted"}


def accepts_former_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function take the former names of its keywords."""

    @wraps(function)
    def accepting(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, Any] = dict(kwargs)
        for former in KEYWORDS.keys() & given.keys():
            _warn(f"{function.__name__}({former}=…)", KEYWORDS[former])
            given[KEYWORDS[former]] = given.pop(former)
        return function(*args, **given)

    return accepting


class FormerAttributes:
    """A base of classes some of whose attributes had another name."""

    def __getattr__(self, name: str) -> Any:
        if name not in ATTRIBUTES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        _warn(f"{type(self).__name__}.{name}", ATTRIBUTES[name])
        return getattr(self, ATTRIBUTES[name])


def _warn(former: str, now: str) -> None:
    warnings.warn(f"{former} is called {now} now", DeprecationWarning, stacklevel=3)
