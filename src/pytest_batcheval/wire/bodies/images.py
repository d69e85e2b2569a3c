"""Images: `data[].b64_json` or `data[].url`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import BodyForm, no_answer
from pytest_batcheval.wire.plain import mappings


class ImagesBody(BodyForm):
    """Images, which have no words; read them in `Answer.body`."""

    urls = ("/v1/images/generations", "/v1/images/edits")

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether an item of its `data` is an image."""
        return any(item.keys() & {"b64_json", "url"} for item in mappings(body.get("data")))

    @property
    def failure(self) -> ErrorReport | None:
        """That it has no image."""
        return None if mappings(self.body.get("data")) else no_answer("the body has no images")
