"""Respondents by the name a user types: `faithful`, `faithful-0.4`, `noisy-0.3`, `partial-NS-HA`."""

from __future__ import annotations

from collections.abc import Callable

from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.simulator.respondents import degenerate, patients
from pytest_batcheval.simulator.respondents.protocol import Respondent
from pytest_batcheval.wire.errors import UsageError

_PLAIN: dict[str, Callable[[str], Respondent]] = {
    "faithful": patients.Faithful,
    "blind": patients.Blind,
    "collapsed": patients.Collapsed,
    "flat": lambda name: patients.Faithful(name, share=0.0),
    "inverted": patients.Inverted,
    "noisy": patients.Noisy,
    "partial": patients.Partial,
    "halo": patients.Halo,
    "prompt_sensitive": patients.PromptSensitive,
    "placebo": patients.Placebo,
    "echo": degenerate.Echo,
    "refuser": degenerate.Refuser,
    "salad": degenerate.Salad,
}

_WITH_SHARE: dict[str, Callable[[str, float], Respondent]] = {
    "faithful": lambda name, share: patients.Faithful(name, share=share),
    "noisy": lambda name, share: patients.Noisy(name, wrong=share),
    "refuser": lambda name, share: degenerate.Refuser(name, rate=share),
}

NAMES = tuple(_PLAIN)
"""Every name without parameters."""


def make(name: str) -> Respondent:
    """The respondent of that name.

    Raises:
        UsageError: there is none; the text lists them.
    """
    kind, dash, rest = name.partition("-")
    if kind in _PLAIN and not dash:
        return _PLAIN[kind](name)
    if kind == "partial" and rest and set(rest.split("-")) <= set(CODES):
        return patients.Partial(name, shown=tuple(rest.split("-")))
    share = _share(rest)
    if kind in _WITH_SHARE and share is not None:
        return _WITH_SHARE[kind](name, share)
    raise UsageError(
        f"no respondent {name!r}; there are {', '.join(NAMES)}; faithful, noisy and refuser take a probability "
        f"(noisy-0.3), partial takes dimensions (partial-NS-HA)"
    )


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
