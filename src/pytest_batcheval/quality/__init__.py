"""Statistics on tables of answers: do personas differ, do their traits show. Needs numpy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_batcheval.quality.persona_difference import Differentiation, differentiation
    from pytest_batcheval.quality.traits import TraitReflection, trait_reflection

__all__ = ["Differentiation", "TraitReflection", "differentiation", "trait_reflection"]

_HOMES = {
    "Differentiation": "persona_difference",
    "TraitReflection": "traits",
    "differentiation": "persona_difference",
    "trait_reflection": "traits",
}


def __getattr__(name: str) -> Any:
    """Metrics are imported when first used, so that importing the package costs no numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
