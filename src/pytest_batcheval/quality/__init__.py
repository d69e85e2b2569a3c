"""Statistics on tables of answers: do personas differ, do their traits show. Needs numpy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import what_to_install

if TYPE_CHECKING:
    from pytest_batcheval.quality.comparing._compare import Comparison, compare
    from pytest_batcheval.quality.comparing._power import Power, power
    from pytest_batcheval.quality.comparing._regression import Regression, regression
    from pytest_batcheval.quality.gate import QualityGate, quality_gate
    from pytest_batcheval.quality.judging._judge_agreement import JudgeAgreement, judge_agreement
    from pytest_batcheval.quality.judging._rubric import Rubric
    from pytest_batcheval.quality.judging._rubric_request import rubric_request
    from pytest_batcheval.quality.measures._alignment import alignment
    from pytest_batcheval.quality.measures._cell_values import CellValues, cell_values
    from pytest_batcheval.quality.measures._consistency import Consistency, consistency
    from pytest_batcheval.quality.measures._differentiation import Differentiation, differentiation
    from pytest_batcheval.quality.measures._discriminant import Discriminant, discriminant
    from pytest_batcheval.quality.measures._diversity import Diversity, diversity
    from pytest_batcheval.quality.measures._format_checks import FormatChecks, format_checks
    from pytest_batcheval.quality.measures._persona_echo import PersonaEcho, persona_echo
    from pytest_batcheval.quality.measures._trait_reflection import TraitReflection, trait_reflection
    from pytest_batcheval.quality.table import TableError
    from pytest_batcheval.quality.verdicts import Verdict, Verdicts, read_verdict, scores_of, verdicts_of

_HOMES = {
    "CellValues": "measures._cell_values",
    "Comparison": "comparing._compare",
    "Consistency": "measures._consistency",
    "Differentiation": "measures._differentiation",
    "Discriminant": "measures._discriminant",
    "Diversity": "measures._diversity",
    "FormatChecks": "measures._format_checks",
    "JudgeAgreement": "judging._judge_agreement",
    "PersonaEcho": "measures._persona_echo",
    "Power": "comparing._power",
    "QualityGate": "gate",
    "Regression": "comparing._regression",
    "Rubric": "judging._rubric",
    "TableError": "table",
    "TraitReflection": "measures._trait_reflection",
    "Verdict": "verdicts",
    "Verdicts": "verdicts",
    "alignment": "measures._alignment",
    "cell_values": "measures._cell_values",
    "compare": "comparing._compare",
    "consistency": "measures._consistency",
    "differentiation": "measures._differentiation",
    "discriminant": "measures._discriminant",
    "diversity": "measures._diversity",
    "format_checks": "measures._format_checks",
    "judge_agreement": "judging._judge_agreement",
    "persona_echo": "measures._persona_echo",
    "power": "comparing._power",
    "quality_gate": "gate",
    "read_verdict": "verdicts",
    "regression": "comparing._regression",
    "rubric_request": "judging._rubric_request",
    "scores_of": "verdicts",
    "trait_reflection": "measures._trait_reflection",
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
