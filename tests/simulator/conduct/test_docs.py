"""docs/certify.md shows the report of usual batch code after a lost reply, and has a row for each kind of finding."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from naive import Naive

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.conduct.judge import CHECKS
from pytest_batcheval.simulator.server import SimulatorServer

PAGE = (Path(__file__).parents[3] / "docs" / "certify.md").read_text(encoding="utf-8")


def test_the_page_shows_the_report_of_usual_code(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with SimulatorServer(clock="per-poll", behaviour=Behaviour(strict=True)) as server:
        server.faults.drop_create_reply()
        run = Naive(server.base_url).run([json.dumps(line(number)).encode() for number in range(3)])
        assert run.error is None
        server.forward(86_400)
        assert f"```text\n{server.conduct()}\n```" in PAGE


def test_the_page_knows_every_kind() -> None:
    kinds = set()
    for module in {inspect.getmodule(check) for check in CHECKS}:
        assert module is not None
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Finding", "_refused", "_failed"):
                words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                kinds.update(words[:1])
    assert len(kinds) >= 12
    assert {kind for kind in kinds if not re.search(f"`{kind}`", PAGE)} == set()
