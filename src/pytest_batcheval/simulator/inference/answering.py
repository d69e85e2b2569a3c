"""Response bodies from request bodies, in the endpoint's own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.ids import digest
from pytest_batcheval.simulator.inference import response_bodies
from pytest_batcheval.simulator.inference.body_check import check_body, check_length, embedding_inputs, output_limit
from pytest_batcheval.simulator.inference.generate_content import check_generate_length, gemini_form, generated
from pytest_batcheval.simulator.inference.messages_api import asked_form, check_messages_length, message
from pytest_batcheval.simulator.inference.models import Model
from pytest_batcheval.simulator.inference.reasoning import reasoning_tokens
from pytest_batcheval.simulator.inference.token_count import prompt_text, tokens, within
from pytest_batcheval.simulator.respondents.protocol import Respondent, RespondentReply, RespondentRequest
from pytest_batcheval.simulator.respondents.registry import chosen, served_model
from pytest_batcheval.simulator.structured.answer import in_form, requested_form
from pytest_batcheval.simulator.structured.gemini_schema import member, settings
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, GENERATE, MESSAGES
from pytest_batcheval.wire.key import BodyError, canonical, key_in


@dataclass(frozen=True)
class Answering:
    """A respondent and a seed; a body may name another respondent by its model, `sim-…`."""

    respondent: Respondent
    seed: int
    behaviour: Behaviour = field(default_factory=Behaviour)

    def answer(
        self, url: str, body: Mapping[str, Any], custom_id: str = "", *, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """HTTP status and response body, which depend on seed, body and sample only.

        `key` is the result of `known_key(body, custom_id)`, if the caller has it already.
        """
        try:
            model = check_body(url, body, self.behaviour)
            key = key or key_of(body, custom_id)
            if url == EMBEDDINGS:
                return 200, self._embeddings(model, body)
            return 200, self._text(url, model, key, body)
        except BodyError as error:
            text = f"We could not parse the JSON body of your request: {error}"
            return 400, ApiError(400, text).body
        except ApiError as error:
            return error.status, error.body

    def _text(self, url: str, model: Model, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        form = _FORMS.get(url, requested_form)(body)
        prompt = prompt_text(body)
        prompt_tokens = tokens(prompt)
        if url in _LENGTHS:
            _LENGTHS[url](prompt_tokens, model)
        else:
            check_length(prompt_tokens, model, "messages" if url == CHAT else "input")
        respondent, limit = self._respondent(body), output_limit(url, body)
        reasoning = reasoning_tokens(model, self.seed, key, body, limit)
        replies: list[RespondentReply] = []
        choices: list[response_bodies.Choice] = []
        for number in range(_choices(url, body)):
            sample = f"{key}/{number}" if number else key
            reply = respondent.reply(RespondentRequest(prompt, self.seed, sample, body))
            if reply.status_code != 200:
                kind = "server_error" if reply.status_code >= 500 else "invalid_request_error"
                raise ApiError(reply.status_code, reply.text, kind=kind)
            text = in_form(reply.text, form, self.seed, sample) if form and not reply.refused else reply.text
            text, cut = within(text, None if limit is None else limit - reasoning)
            choices.append(response_bodies.Choice(text, "length" if cut else reply.finish_reason, reply.refused))
            replies.append(reply)
        served = replace(model, snapshot=served_model(self.respondent, str(body["model"]), model.snapshot))
        if url == CHAT:
            answer = response_bodies.chat(served, self.seed, key, prompt_tokens, choices, reasoning * len(choices))
        elif url == MESSAGES:
            answer = message(served, self.seed, key, prompt_tokens, choices[0], body)
        elif url == GENERATE:
            answer = generated(served, self.seed, key, prompt_tokens, choices, body, reasoning * len(choices))
        else:
            answer = response_bodies.response(served, self.seed, key, prompt_tokens, choices[0], body, limit, reasoning)
        return {**answer, "x_simulator": self._signature(respondent, replies[0])}

    def _embeddings(self, model: Model, body: Mapping[str, Any]) -> dict[str, Any]:
        size = body.get("dimensions") or model.dimensions
        encoding = body.get("encoding_format") or "float"
        answer = response_bodies.embeddings(model, embedding_inputs(body), size, encoding)
        return {**answer, "x_simulator": {"respondent": self.respondent.name, "seed": self.seed}}

    def _respondent(self, body: Mapping[str, Any]) -> Respondent:
        try:
            return chosen(self.respondent, body)
        except UsageError as error:
            raise ApiError(404, str(error), code="model_not_found", param="model") from None

    def _signature(self, respondent: Respondent, reply: RespondentReply) -> dict[str, Any]:
        return {
            "respondent": respondent.name,
            "seed": self.seed,
            "persona": reply.persona,
            "question": reply.question,
            "planted": dict(sorted(reply.planted.items())),
        }


def key_of(body: Mapping[str, Any], custom_id: str = "") -> str:
    """The key an answer depends on: the request key in the `custom_id` (which includes the sample), else a hash.

    Raises:
        BodyError: the body has no canonical form.
    """
    return key_in(custom_id) or digest(canonical(body))[:40]


def known_key(body: Mapping[str, Any], custom_id: str = "") -> str:
    """The same, but empty for a body without a canonical form, which is answered with a 400."""
    try:
        return key_of(body, custom_id)
    except BodyError:
        return ""


def keyless(custom_id: str = "") -> str:
    """The ledger's key for an execution whose body has no canonical form."""
    return digest("no canonical form", custom_id)[:40]


def _choices(url: str, body: Mapping[str, Any]) -> int:
    if url == GENERATE:
        return member(settings(body), "candidateCount") or 1
    return body.get("n") or 1 if url == CHAT else 1


_FORMS = {MESSAGES: asked_form, GENERATE: gemini_form}
_LENGTHS = {MESSAGES: check_messages_length, GENERATE: check_generate_length}
"""By endpoint, its way to ask for a form, and its refusal of a prompt that is too long, where they are not OpenAI's."""
