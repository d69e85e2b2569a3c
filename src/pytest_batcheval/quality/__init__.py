"""Statistics on tables of answers: do personas differ, do their traits show. Needs numpy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import what_to_install

if TYPE_CHECKING:
    from pytest_batcheval.quality.axes import TableError as TableError
    from pytest_batcheval.quality.comparing._compare import Comparison as Comparison
    from pytest_batcheval.quality.comparing._compare import compare as compare
    from pytest_batcheval.quality.comparing._power import Power as Power
    from pytest_batcheval.quality.comparing._power import power as power
    from pytest_batcheval.quality.comparing._regression import Regression as Regression
    from pytest_batcheval.quality.comparing._regression import regression as regression
    from pytest_batcheval.quality.gate import QualityGate as QualityGate
    from pytest_batcheval.quality.gate import quality_gate as quality_gate
    from pytest_batcheval.quality.judging._judge_agreement import JudgeAgreement as JudgeAgreement
    from pytest_batcheval.quality.judging._judge_agreement import judge_agreement as judge_agreement
    from pytest_batcheval.quality.judging._judge_variance import JudgeVariance as JudgeVariance
    from pytest_batcheval.quality.judging._judge_variance import judge_variance as judge_variance
    from pytest_batcheval.quality.judging._rubric import Rubric as Rubric
    from pytest_batcheval.quality.judging._rubric_request import rubric_request as rubric_request
    from pytest_batcheval.quality.measures._alignment import alignment as alignment
    from pytest_batcheval.quality.measures._cell_values import CellValues as CellValues
    from pytest_batcheval.quality.measures._cell_values import cell_values as cell_values
    from pytest_batcheval.quality.measures._consistency import Consistency as Consistency
    from pytest_batcheval.quality.measures._consistency import consistency as consistency
    from pytest_batcheval.quality.measures._coverage import Coverage as Coverage
    from pytest_batcheval.quality.measures._coverage import coverage as coverage
    from pytest_batcheval.quality.measures._differentiation import Differentiation as Differentiation
    from pytest_batcheval.quality.measures._differentiation import differentiation as differentiation
    from pytest_batcheval.quality.measures._discriminant import Discriminant as Discriminant
    from pytest_batcheval.quality.measures._discriminant import discriminant as discriminant
    from pytest_batcheval.quality.measures._diversity import Diversity as Diversity
    from pytest_batcheval.quality.measures._diversity import diversity as diversity
    from pytest_batcheval.quality.measures._drift import Drift as Drift
    from pytest_batcheval.quality.measures._drift import drift as drift
    from pytest_batcheval.quality.measures._format_checks import FormatChecks as FormatChecks
    from pytest_batcheval.quality.measures._format_checks import format_checks as format_checks
    from pytest_batcheval.quality.measures._group_difference import GroupDifference as GroupDifference
    from pytest_batcheval.quality.measures._group_difference import group_difference as group_difference
    from pytest_batcheval.quality.measures._persona_echo import PersonaEcho as PersonaEcho
    from pytest_batcheval.quality.measures._persona_echo import persona_echo as persona_echo
    from pytest_batcheval.quality.measures._relevance import Relevance as Relevance
    from pytest_batcheval.quality.measures._relevance import relevance as relevance
    from pytest_batcheval.quality.measures._trait_reflection import TraitReflection as TraitReflection
    from pytest_batcheval.quality.measures._trait_reflection import trait_reflection as trait_reflection
    from pytest_batcheval.quality.verdicts import Verdict as Verdict
    from pytest_batcheval.quality.verdicts import Verdicts as Verdicts
    from pytest_batcheval.quality.verdicts import at_turn as at_turn
    from pytest_batcheval.quality.verdicts import read_verdict as read_verdict
    from pytest_batcheval.quality.verdicts import scores_of as scores_of
    from pytest_batcheval.quality.verdicts import verdicts_of as verdicts_of

_HOMES = {
    "CellValues": "measures._cell_values",
    "Comparison": "comparing._compare",
    "Consistency": "measures._consistency",
    "Coverage": "measures._coverage",
    "Differentiation": "measures._differentiation",
    "Discriminant": "measures._discriminant",
    "Diversity": "measures._diversity",
    "Drift": "measures._drift",
    "FormatChecks": "measures._format_checks",
    "GroupDifference": "measures._group_difference",
    "JudgeAgreement": "judging._judge_agreement",
    "JudgeVariance": "judging._judge_variance",
    "PersonaEcho": "measures._persona_echo",
    "Power": "comparing._power",
    "QualityGate": "gate",
    "Regression": "comparing._regression",
    "Relevance": "measures._relevance",
    "Rubric": "judging._rubric",
    "TableError": "axes",
    "TraitReflection": "measures._trait_reflection",
    "Verdict": "verdicts",
    "Verdicts": "verdicts",
    "alignment": "measures._alignment",
    "at_turn": "verdicts",
    "cell_values": "measures._cell_values",
    "compare": "comparing._compare",
    "consistency": "measures._consistency",
    "coverage": "measures._coverage",
    "differentiation": "measures._differentiation",
    "discriminant": "measures._discriminant",
    "diversity": "measures._diversity",
    "drift": "measures._drift",
    "format_checks": "measures._format_checks",
    "group_difference": "measures._group_difference",
    "judge_agreement": "judging._judge_agreement",
    "judge_variance": "judging._judge_variance",
    "persona_echo": "measures._persona_echo",
    "power": "comparing._power",
    "quality_gate": "gate",
    "read_verdict": "verdicts",
    "regression": "comparing._regression",
    "relevance": "measures._relevance",
    "rubric_request": "judging._rubric_request",
    "scores_of": "verdicts",
    "trait_reflection": "measures._trait_reflection",
    "verdicts_of": "verdicts",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a measure when it is first used, so that importing the package does not need numpy."""
    # no module has the name of a function in it: importing the module would replace the function
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        needed = what_to_install(error)
        if needed is None:
            raise
        raise ModuleNotFoundError(needed, name=error.name) from None
