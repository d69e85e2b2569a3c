"""The public names: what a type checker sees is what a program gets."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "pytest_batcheval"

PUBLIC = {
    "pytest_batcheval": (
        "Answer Answers AxisValue BatchClient BatchEvalError BatchRun BatchStatus ImportedLine InputFileError Persona "
        "PersonaMatrix Question Request charts check_batch_status download_batch_results"
    ),
    "pytest_batcheval.quality": (
        "CellValues Comparison Consistency Coverage Differentiation Discriminant Diversity FormatChecks GroupDifference JudgeAgreement JudgeVariance PersonaEcho "
        "Drift Power QualityGate Regression Relevance Rubric TableError TraitReflection Verdict Verdicts alignment at_turn cell_values "
        "compare consistency coverage differentiation discriminant diversity drift format_checks group_difference judge_agreement judge_variance persona_echo power "
        "quality_gate read_verdict regression relevance rubric_request scores_of trait_reflection verdicts_of"
    ),
}


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_is_there_for_programs_and_type_checkers(package):
    module = importlib.import_module(package)
    names = PUBLIC[package].split()
    assert module.__all__ == sorted(names)
    assert all(getattr(module, name).__name__ == name for name in names)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert sorted(alias.asname for node in block.body for alias in node.names) == sorted(names)


def test_public_modules_can_be_imported_by_their_names():
    from pytest_batcheval.quality import ladder
    from pytest_batcheval.quality.labels import Labels
    from pytest_batcheval.quality.ladder import known_groups
    from pytest_batcheval.quality.verdicts import at_turn

    assert ladder.known_groups is known_groups
    assert Labels.__name__ == "Labels"
    assert at_turn.__name__ == "at_turn"
