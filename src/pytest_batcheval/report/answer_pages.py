"""The answers of a run in pages: a live report shows the texts of some, and leads to those of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.text.natural import natural

PAGE = 100
"""Answers on a page: few enough that it is made in a tenth of a second."""


@dataclass(frozen=True)
class AnswerPages:
    """The pages of a run's answers, and the one that is shown.

    Attributes:
        keys: of all answers in their order.
        models: (requested model, origin) of each of them.
        wanted: the number of the page, from 1; beyond the last one the last is shown.
        address: of a page, without its number.
    """

    keys: Sequence[str]
    models: Mapping[str, tuple[str, str]]
    wanted: int
    address: str

    @property
    def count(self) -> int:
        """The number of pages."""
        return max(1, -(-len(self.keys) // PAGE))

    @property
    def number(self) -> int:
        """The page that is shown."""
        return min(self.wanted, self.count)

    @property
    def first(self) -> int:
        """The place of its first answer among all, from 0."""
        return (self.number - 1) * PAGE

    @property
    def shown(self) -> Sequence[str]:
        """The keys of its answers."""
        return self.keys[self.first : self.first + PAGE]

    @cached_property
    def links(self) -> dict[str, str]:
        """By key the address of each answer."""
        pages = ("" if place // PAGE + 1 == self.number else f"{self.address}{place // PAGE + 1}"
                 for place in range(len(self.keys)))  # fmt: skip
        return {key: f"{page}#a-{key}" for key, page in zip(self.keys, pages, strict=True)}


def in_order(keys: Mapping[str, object], outcomes: Sequence[Outcome]) -> list[str]:
    """The keys of answers in the order of pages: those of failing tests first, then by the ids of their cells."""
    cells = {key: cell for one in reversed(outcomes) for key, cell in one.cells.items()}
    bad = {key for one in outcomes if one.failing and len(one.cells) == 1 for key in one.cells}
    place = cache(natural)  # of the same ids again and again
    return sorted(keys, key=lambda key: (key not in bad, [place(name) for name in cells[key].values()], key))
