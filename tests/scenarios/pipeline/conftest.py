"""What the scenarios of the pipeline share: further axes, requests of their own, and what was sent."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from interview import MODEL

from pytest_batcheval import AxisValue, Request

_KEY = re.compile(rb'"custom_id":\s*"([0-9a-f]{40})"')
AGES = (20, 45, 70)
SYMPTOMS = [
    AxisValue("insomnia", {"text": "불면"}),
    AxisValue("anxiety", {"text": "불안"}),
    AxisValue("appetite", {"text": "식욕 저하"}),
]


def pytest_batch_axes(config):
    return {"age": AGES, "symptom": SYMPTOMS}


def interview(persona, question):
    """One question to one patient, in few words: these scenarios are about the way there and back."""
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": f"환자로서 대답하세요. 페르소나: {persona.description}"},
            {"role": "user", "content": question.text},
        ],
        "reasoning_effort": "none",
        "max_completion_tokens": 300,
    }


class Sent:
    """What a test has sent: told by its own requests, and by the ledger too where that is in this process."""

    def __init__(self, conversation):
        self._conversation = conversation

    def calls(self, method, path):
        """How many requests of a kind there were."""
        return sum(asked.method == method and asked.path.startswith(path) for asked in self._conversation.requests)

    @property
    def uploads(self):
        """The keys of each input file that was uploaded."""
        return [
            [key.decode() for key in _KEY.findall(asked.body)]
            for asked in self._conversation.requests
            if (asked.method, asked.path) == ("POST", "/v1/files")
        ]

    @property
    def times(self):
        """How often each key was sent. The ledger must have executed none more often."""
        sent = Counter(key for keys in self.uploads for key in keys)
        server = self._conversation.simulator
        if server is not None:
            executed = Counter(execution.custom_id for execution in server.ledger.executions)
            assert executed <= sent
            assert set(server.ledger.billed().values()) <= {1}
        return sent


@pytest.fixture
def sent(batch_conversation):
    """What this test has sent so far."""
    return Sent(batch_conversation)


@pytest.fixture
def simulator(batch_conversation, request):
    """The server to be disturbed while a scenario is recorded; in a replay the disturbance is in the recording."""
    chosen = request.config.getoption("batch")
    if batch_conversation.simulator is None and chosen not in (None, "replay"):
        pytest.skip("a provider does not go wrong on demand; run it with --batch-backend=simulator")
    return batch_conversation.simulator


@pytest.fixture
def ask(persona_matrix, request):
    """`ask()`: the 275 requests of this scenario, which no other scenario asks; `ask(question="x")` those of one."""
    scenario = request.node.name

    def build(prompt=interview, **fixed):
        chosen = {axis: value for axis, value in fixed.items() if value is not None}
        requests = persona_matrix.requests(prompt) if not chosen else _some(persona_matrix, prompt, chosen)
        return [Request(dict(asked.body) | {"metadata": {"scenario": scenario}}, asked.url) for asked in requests]

    return build


def _some(matrix, prompt, chosen):
    axes = {name: [v for v in matrix.axes[name] if v.id in ids] for name, ids in chosen.items()}
    return type(matrix)({**matrix.axes, **axes}).requests(prompt)
