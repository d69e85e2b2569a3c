"""Moderations: `results`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import BodyForm, no_answer
from pytest_batcheval.wire.plain import mappings


class ModerationsBody(BodyForm):
    """Verdicts on texts and images, or their classes, which have no words; read them in `Answer.body`."""

    urls = ("/v1/moderations", "/v1/chat/moderations", "/v1/classifications", "/v1/chat/classifications")

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether its `results` say what was flagged."""
        return any(result.keys() & {"flagged", "categories"} for result in mappings(body.get("results")))

    @property
    def failure(self) -> ErrorReport | None:
        """That it has no results."""
        return None if mappings(self.body.get("results")) else no_answer("the body has no results")
