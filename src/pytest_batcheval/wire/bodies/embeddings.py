"""Embeddings: `data[].embedding`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import BodyForm, no_answer
from pytest_batcheval.wire.endpoints import EMBEDDINGS
from pytest_batcheval.wire.plain import mappings, whole_number


class EmbeddingsBody(BodyForm):
    """Vectors, which have no text."""

    urls = (EMBEDDINGS,)

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether an item of its `data` has an `embedding`."""
        return any("embedding" in item for item in mappings(body.get("data")))

    @property
    def failure(self) -> ErrorReport | None:
        """That it has no vector."""
        return None if any(self.embeddings) else no_answer("the body has no embeddings")

    @property
    def embeddings(self) -> list[Any]:
        """The vectors by their `index`."""
        items = [item for item in mappings(self.body.get("data")) if "embedding" in item]
        places = [whole_number(item.get("index")) for item in items]
        if None not in places:
            items = [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0] or 0)]
        return [item["embedding"] for item in items]


def vector(embedding: object) -> list[float]:
    """The numbers of an embedding: a list of them, or little-endian 32-bit floats in base64.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(embedding, list) and embedding and all(type(number) in (int, float) for number in embedding):
        return [float(number) for number in embedding]
    if not isinstance(embedding, str):
        raise ValueError("an embedding must be a list of numbers, or base64")
    import struct
    from base64 import b64decode

    data = b64decode(embedding, validate=True)
    if len(data) % 4:
        raise ValueError(f"{len(data)} bytes are not 32-bit floats")
    return list(struct.unpack(f"<{len(data) // 4}f", data))
