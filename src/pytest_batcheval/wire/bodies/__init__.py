"""Response bodies: a file for each form, and the choice among them.

To add a provider's form, write a file with a subclass of `BodyForm` and list it in `FORMS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.bodies.chat import ChatBody
from pytest_batcheval.wire.bodies.completions import CompletionsBody
from pytest_batcheval.wire.bodies.embeddings import EmbeddingsBody
from pytest_batcheval.wire.bodies.error_report import ErrorReport, error_in
from pytest_batcheval.wire.bodies.form import NO_ANSWER, BodyForm
from pytest_batcheval.wire.bodies.generate_content import GenerateContentBody
from pytest_batcheval.wire.bodies.images import ImagesBody
from pytest_batcheval.wire.bodies.messages import MessagesBody
from pytest_batcheval.wire.bodies.moderations import ModerationsBody
from pytest_batcheval.wire.bodies.responses import ResponsesBody

FORMS: tuple[type[BodyForm], ...] = (
    CompletionsBody,
    ChatBody,
    ResponsesBody,
    MessagesBody,
    GenerateContentBody,
    EmbeddingsBody,
    ModerationsBody,
    ImagesBody,
)
"""All forms; the first that recognises a body reads it."""


def form_of(body: Mapping[str, Any], url: str = "") -> BodyForm:
    """The reader of a body: by its own form, else by its endpoint's; one that reads only usage if neither is known."""
    for form in FORMS:
        if form.recognises(body):
            return form(body)
    return next((form for form in FORMS if url in form.urls), BodyForm)(body)


def is_known(body: Mapping[str, Any]) -> bool:
    """Whether a body has one of the forms."""
    return any(form.recognises(body) for form in FORMS)


def failure_in(body: object, url: str = "") -> ErrorReport | None:
    """The failure that a body of status 200 holds; `None` for an answer.

    A body is an answer if it reports no error and has a result: a choice, an output item, a vector … A refusal, a
    tool call and an answer that was cut off are answers. `url` is the endpoint's path, where it is known.
    """
    if not isinstance(body, Mapping):
        return ErrorReport(NO_ANSWER, "the response has no body that is a JSON object")
    report = error_in(body)
    if report is not None:
        return ErrorReport(report.code or NO_ANSWER, report.message)
    return form_of(body, url).failure
