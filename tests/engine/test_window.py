"""Requests that are too long for their model, as far as an estimate can tell."""

import pytest

from pytest_batcheval.engine import window
from pytest_batcheval.engine.window import Excess, excess_of
from pytest_batcheval.wire.endpoints import EMBEDDINGS
from pytest_batcheval.wire.objects import Request

TOKEN = "a" * 100
"""A text of 23 tokens, as they are estimated."""


def chat(tokens, limit=0, model="gpt-4o", **members):
    content = "a" * round(tokens / 0.23)
    body = {"model": model, "messages": [{"role": "user", "content": content}], **members}
    return Request({**body, "max_completion_tokens": limit} if limit else body)


@pytest.mark.parametrize(
    ("tokens", "limit", "clear"),
    [
        (100, 0, None),
        (127_000, 0, None),
        (127_000, 2_000, False),
        (152_000, 1_000, False),
        (154_000, 0, True),
        (1_000, 200_000, True),
    ],
)
def test_texts_and_the_longest_answer_share_the_window(tokens, limit, clear):
    excess = excess_of(chat(tokens, limit))
    assert (None if excess is None else excess.clear) == clear


def test_choices_share_no_window():
    assert excess_of(chat(1_000, 100_000, n=4)) is None


def test_a_model_whose_window_nobody_knows_takes_anything():
    assert excess_of(chat(10**6, model="nobody-knows-this-model")) is None


def test_what_the_provider_cuts_by_itself_fits():
    assert excess_of(Request({"model": "gpt-4o", "input": "a" * 10**6, "truncation": "auto"}, "/v1/responses")) is None


def test_an_image_is_no_text():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    content = [{"type": "text", "text": "What is it?"}, image]
    assert excess_of(Request({"model": "gpt-4o", "messages": [{"role": "user", "content": content}]})) is None


def test_each_text_to_embed_has_the_window_for_itself():
    def embed(*tokens):
        texts = ["a" * round(number / 0.23) for number in tokens]
        return Request({"model": "text-embedding-3-small", "input": texts}, EMBEDDINGS)

    assert excess_of(embed(*[8_000] * 20)) is None
    assert excess_of(embed(10, 9_000)) == Excess(9_000, 0, 8_192)


@pytest.mark.parametrize("text", ["a", "가", "漢", "か", "é", "😀", "1"])
def test_short_requests_ask_no_table(monkeypatch, text):
    """The bound by bytes is one: no text has more tokens than it says, by our own estimate."""
    assert window.estimate_tokens(text * 10_000) <= len((text * 10_000).encode()) * window.MOST_A_BYTE
    monkeypatch.setattr(window, "context_window", lambda model: 1 / 0)
    assert excess_of(chat(1_000, 1_000)) is None
