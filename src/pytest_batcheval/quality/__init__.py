"""Statistics on tables of answers: do personas differ, do their traits show. Needs numpy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_batcheval.wire.extras import what_to_install

if TYPE_CHECKING:
    from pytest_batcheval.quality.against_baseline import Regression, regression
    from pytest_batcheval.quality.agreement import JudgeAgreement, judge_agreement
    from pytest_batcheval.quality.crosstalk import Discriminant, discriminant
    from pytest_batcheval.quality.detectable import Power, power
    from pytest_batcheval.quality.echo import PersonaEcho, persona_echo
    from pytest_batcheval.quality.form import FormatChecks, format_checks
    from pytest_batcheval.quality.gate import QualityGate, quality_gate
    from pytest_batcheval.quality.judging import rubric_request
    from pytest_batcheval.quality.per_answer import alignment
    from pytest_batcheval.quality.per_cell import CellValues, cell_values
    from pytest_batcheval.quality.persona_difference import Differentiation, differentiation
    from pytest_batcheval.quality.repeatability import Consistency, consistency
    from pytest_batcheval.quality.rubric import Rubric
    from pytest_batcheval.quality.table import TableError
    from pytest_batcheval.quality.traits import TraitReflection, trait_reflection
    from pytest_batcheval.quality.two_runs import Comparison, compare
    from pytest_batcheval.quality.variety import Diversity, diversity
    from pytest_batcheval.quality.verdicts import Verdict, Verdicts, read_verdict, scores_of, verdicts_of

_HOMES = {
    "CellValues": "per_cell",
    "Comparison": "two_runs",
    "Consistency": "repeatability",
    "Differentiation": "persona_difference",
    "Discriminant": "crosstalk",
    "Diversity": "variety",
    "FormatChecks": "form",
    "JudgeAgreement": "agreement",
    "PersonaEcho": "echo",
    "Power": "detectable",
    "QualityGate": "gate",
    "Regression": "against_baseline",
    "Rubric": "rubric",
    "TableError": "table",
    "TraitReflection": "traits",
    "Verdict": "verdicts",
    "Verdicts": "verdicts",
    "alignment": "per_answer",
    "cell_values": "per_cell",
    "compare": "two_runs",
    "consistency": "repeatability",
    "differentiation": "persona_difference",
    "discriminant": "crosstalk",
    "diversity": "variety",
    "format_checks": "form",
    "judge_agreement": "agreement",
    "persona_echo": "echo",
    "power": "detectable",
    "quality_gate": "gate",
    "read_verdict": "verdicts",
    "regression": "against_baseline",
    "rubric_request": "judging",
    "scores_of": "verdicts",
    "trait_reflection": "traits",
    "verdicts_of": "verdicts",
}

__all__ = [
    "CellValues",
    "Comparison",
    "Consistency",
    "Differentiation",
    "Discriminant",
    "Diversity",
    "FormatChecks",
    "JudgeAgreement",
    "PersonaEcho",
    "Power",
    "QualityGate",
    "Regression",
    "Rubric",
    "TableError",
    "TraitReflection",
    "Verdict",
    "Verdicts",
    "alignment",
    "cell_values",
    "compare",
    "consistency",
    "differentiation",
    "discriminant",
    "diversity",
    "format_checks",
    "judge_agreement",
    "persona_echo",
    "power",
    "quality_gate",
    "read_verdict",
    "regression",
    "rubric_request",
    "scores_of",
    "trait_reflection",
    "verdicts_of",
]


def __getattr__(name: str) -> Any:
    """Metrics are imported when first used, so that importing the package costs no numpy."""
    # no module has the name of a function in it: importing it would put the module in the function's place
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        needed = what_to_install(error)
        if needed is None:
            raise
        raise ModuleNotFoundError(needed, name=error.name) from None
