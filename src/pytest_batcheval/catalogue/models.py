"""The models that examples, documents and tests name, and the days on which OpenAI shuts models down.

Names and days are those of OpenAI's model and deprecation pages (developers.openai.com/api/docs/models,
…/deprecations) as copies of October and November 2026 have them; the snapshot is one that answers were seen to name.
CONTRIBUTING.md says how to change to later models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

MODEL = "gpt-6-luna"
"""The model of the examples: small, with a batch price, and able to answer without reasoning."""

SNAPSHOT = "gpt-6-luna-2026-09-22"
"""The name in its answers."""

LARGER = "gpt-6.1-terra"
"""A larger model that can do the same: a judge, or the other side of a comparison."""

_BY_DAY = {
    "2026-10-23": "gpt-3.5-turbo gpt-4 gpt-4-turbo gpt-4o-2024-05-13 gpt-4.1-nano o1 o1-pro o3-mini o4-mini",
    "2026-12-11": "gpt-5 gpt-5-mini gpt-5-nano gpt-5-pro o3 o3-pro",
    "2027-01-14": "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini",
    "2027-04-01": "gpt-5.1 gpt-5.3-codex gpt-5.4-nano",
}
SHUTDOWN: Mapping[str, date] = MappingProxyType(
    {name: date.fromisoformat(day) for day, names in _BY_DAY.items() for name in names.split()}
)
"""The day from which a model no longer answers, by name; a snapshot is here only if it has a day of its own."""

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4})\Z")


@dataclass(frozen=True)
class ModelEnd:
    """The end of a model, as its provider announced it.

    Attributes:
        day: from which it applies (UTC).
        word: `shut down`, after which it no longer answers, or `deprecated`.
        by: who says so, as a text shows it.
    """

    day: date
    word: str = "shut down"
    by: str = "OpenAI"


def end_of(model: str, listed: Mapping[str, ModelEnd]) -> ModelEnd | None:
    """The end of a model, a snapshot or a model tuned from it; `None` if none is known.

    A provider's own list, `listed`, counts before OpenAI's pages.
    """
    base = model.split(":")[1] if model.startswith("ft:") else model
    names = (model, base, _SNAPSHOT.sub("", base))
    said = next((listed[name] for name in names if name in listed), None)
    day = SHUTDOWN.get(base) or SHUTDOWN.get(names[-1])
    return said or (ModelEnd(day) if day else None)
