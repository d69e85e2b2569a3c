"""Respondents by the name that users type: `faithful`, `faithful-0.4`, `noisy-0.3`, `partial-NS-HA`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.respondents import degenerate, judges, patients, uneven
from pytest_batcheval.simulator.respondents.protocol import Respondent
from pytest_batcheval.simulator.respondents.readings import asked_reading
from pytest_batcheval.simulator.respondents.rubric import requested_rubric
from pytest_batcheval.simulator.respondents.scripted import Scripted
from pytest_batcheval.wire.origin import MODEL_PREFIX

DEFAULT = "faithful"
"""The default respondent; its answers name the requested model."""

SCRIPTED = "scripted"

_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,9})?", re.ASCII)
_FEW = re.compile(r"[1-9]\d?", re.ASCII)
_MOST_NOISE = 4.0


@dataclass(frozen=True)
class _Kind:
    """The factory of the respondents of one name.

    Attributes:
        make: a function of the whole name, and of the parameter if there is one.
        parameter: description of the parameter that may follow the name; empty for none.
        read: a function from the parameter's text to its value; `None` if it is invalid.
    """

    make: Callable[..., Respondent]
    parameter: str = ""
    read: Callable[[str], Any] = lambda text: None


def _probability(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) and float(text) <= 1 else None


def _points(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) and float(text) <= _MOST_NOISE else None


def _few(text: str) -> int | None:
    return int(text) if _FEW.fullmatch(text) else None


def _codes(text: str) -> tuple[str, ...] | None:
    codes = tuple(text.split("-"))
    return codes if set(codes) <= set(CODES) else None


def _everywhere(text: str) -> bool | None:
    return True if text == "everywhere" else None


_NUMBER_OF = ("a number from 1 to 99", _few)
_SHARE = ("a probability from 0 to 1", _probability)

_KINDS: Mapping[str, _Kind] = {
    "faithful": _Kind(patients.Patient, *_SHARE),
    "blind": _Kind(patients.BlindPatient),
    "collapsed": _Kind(
        lambda name, scope=False: patients.CollapsedPatient(name, everywhere=scope), "everywhere", _everywhere
    ),
    "flat": _Kind(patients.FlatPatient),
    "inverted": _Kind(patients.InvertedPatient),
    "noisy": _Kind(lambda name, wrong=0.45: patients.NoisyPatient(name, wrong=wrong), *_SHARE),
    "partial": _Kind(
        lambda name, shown=patients.TEMPERAMENT: patients.PartialPatient(name, shown=shown),
        "dimensions such as NS-HA",
        _codes,
    ),
    "halo": _Kind(patients.HaloPatient),
    "prompt_sensitive": _Kind(patients.PromptSensitivePatient),
    "placebo": _Kind(patients.PlaceboPatient),
    "echo": _Kind(degenerate.EchoPatient),
    "refuser": _Kind(lambda name, rate=0.3: degenerate.RefusingPatient(name, rate=rate), *_SHARE),
    "salad": _Kind(degenerate.SaladPatient),
    "monologue": _Kind(uneven.MonologuePatient),
    "oversharer": _Kind(uneven.Oversharer),
    "neighbours": _Kind(uneven.NeighbourPatient),
    "mute": _Kind(lambda name, count=10: uneven.MutePatient(name, count=count), *_NUMBER_OF),
    "few": _Kind(lambda name, count=3: uneven.FewPatient(name, count=count), *_NUMBER_OF),
    "late": _Kind(lambda name, count=5: uneven.LatePatient(name, count=count), *_NUMBER_OF),
    "drifting": _Kind(uneven.DriftingPatient),
    "factual": _Kind(uneven.FactualPatient),
    "contradicting": _Kind(lambda name, wrong=0.5: uneven.FactualPatient(name, wrong=wrong), *_SHARE),
    "counsellor": _Kind(lambda name, rate=0.1: uneven.OutOfRolePatient(name, rate=rate), *_SHARE),
    "polite": _Kind(lambda name, rate=0.1: uneven.OutOfRolePatient(name, voice="polite", rate=rate), *_SHARE),
    "sheet_reader": _Kind(uneven.SheetReader),
    "emoji": _Kind(uneven.EmojiPatient),
    "length": _Kind(uneven.LengthPatient),
    "judge": _Kind(judges.Judge),
    "judge_noisy": _Kind(judges.NoisyJudge, "a standard deviation from 0 to 4 points", _points),
    "judge_verbose": _Kind(judges.VerboseJudge),
    "judge_halo": _Kind(judges.HaloJudge),
    "judge_lenient": _Kind(judges.LenientJudge),
    "judge_persona": _Kind(judges.PersonaJudge),
    "judge_hiding": _Kind(judges.HidingJudge),
    "judge_liking": _Kind(judges.LikingJudge),
    "judge_drifting": _Kind(judges.DriftingJudge, "points from 0 to 4", _points),
    "judge_null": _Kind(judges.NullJudge, *_SHARE),
    "judge_three": _Kind(judges.ThreeJudge),
    "judge_hallucinated": _Kind(judges.HallucinatedJudge),
    "judge_order": _Kind(judges.OrderJudge),
    "judge_gullible": _Kind(judges.GullibleJudge),
}

NAMES = (*_KINDS, SCRIPTED)
"""Every name without parameters; only `scripted` needs one."""


def make(name: str) -> Respondent:
    """The respondent of that name; `scripted-<path>` and `scripted:<path>` read the file.

    Raises:
        UsageError: the name is unknown, or its parameter or file is wrong; the message lists the alternatives.
    """
    kind_name, dash, parameter = name.partition("-")
    if name.startswith(f"{SCRIPTED}:") or kind_name == SCRIPTED:
        return _scripted(name)
    kind = _KINDS.get(kind_name)
    if kind is None:
        raise UsageError(f"unknown respondent {name!r}; known: {', '.join(_KINDS)} and {SCRIPTED}-<path of a file>")
    if not dash:
        return kind.make(name)
    value = kind.read(parameter)
    if value is None:
        wanted = f"the part after '{kind_name}-' must be {kind.parameter}"
        if not kind.parameter:
            wanted = f"{kind_name!r} has no parameter"
        raise UsageError(f"unknown respondent {name!r}: {wanted}")
    return kind.make(name, value)


def chosen(own: Respondent, body: Mapping[str, Any]) -> Respondent:
    """The respondent for a request on a server whose own respondent is `own`.

    A model `sim-<respondent>` names it. Otherwise it is the server's own, except that patients cannot fill
    rubrics or read, and judges cannot give interviews: `judge` replaces the former, `faithful` the latter.

    Raises:
        UsageError: the model names an unknown respondent, or one that reads a file.
    """
    asks_rubric = requested_rubric(body) is not None or asked_reading(body) is not None
    model = str(body.get("model", ""))
    if model.startswith(MODEL_PREFIX):
        named = _of_model(model)
        return judges.Judge() if asks_rubric and isinstance(named, patients.Patient) else named
    if asks_rubric and isinstance(own, patients.Patient):
        return judges.Judge()
    if not asks_rubric and isinstance(own, judges.Judge):
        return patients.Patient()
    return own


def names_respondent(model: str) -> bool:
    """Whether a model is one of the simulator's respondents, which no provider has."""
    return model.startswith(MODEL_PREFIX) and model.removeprefix(MODEL_PREFIX).partition("-")[0] in _KINDS


def served_model(own: Respondent, model: str, snapshot: str) -> str:
    """The model that an answer names: the snapshot of the requested one, if the server's own is the default.

    Answers of every other respondent name `sim-<respondent>`, so that they are not taken for the default's.
    """
    if model.startswith(MODEL_PREFIX):
        return model
    return snapshot if own.name == DEFAULT else MODEL_PREFIX + own.name


def _of_model(model: str) -> Respondent:
    name = model.removeprefix(MODEL_PREFIX)
    if name.startswith(SCRIPTED):
        raise UsageError(f"model {model!r}: a request cannot name a file on the server; start the server with it")
    return make(name)


def _scripted(name: str) -> Respondent:
    path = name[len(SCRIPTED) + 1 :]
    if not path:
        raise UsageError(f"{SCRIPTED} requires a file of answers, such as {SCRIPTED}-answers.yaml")
    return Scripted.load(name, Path(path))
