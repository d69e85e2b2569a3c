"""`batcheval certify` as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.sampled
def test_the_simulator_scores_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SimulatorServer(clock="per-poll", behaviour=Behaviour()) as server:
        options = ["--embedding-model", "text-embedding-3-small", "--json", str(tmp_path / "c.json")]
        status = main(["certify", server.base_url, *options, "--markdown", str(tmp_path / "c.md")])
    shown = capsys.readouterr()
    assert status == 0, shown.out
    assert shown.out.startswith("100% of http://127.0.0.1:")
    assert shown.err.count("passed: ") == len(shown.err.splitlines())
    assert json.loads((tmp_path / "c.json").read_text("utf-8"))["score"] == 1
    assert (tmp_path / "c.md").read_text("utf-8").startswith("| chapter | passed | failed | skipped |")


def test_a_server_that_is_not_there_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", "http://127.0.0.1:9/v1", "--patience", "1"]) == 1
    assert "0% of http://127.0.0.1:9/v1" in capsys.readouterr().out


@pytest.mark.parametrize("options", [(), ("--yes",)])
def test_another_host_is_not_asked_without_consent_and_key(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", "https://api.invalid/v1", *options]) == 4
    assert "requests at most, of 40 tokens at most" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["api.example.com", "http://api.example.com/v1", "https://api.example.com/v1?key=1"])
def test_a_url_that_cannot_be_asked_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", url, "--yes"]) == 4
    assert "Traceback" not in capsys.readouterr().err


def test_a_patience_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["certify", "http://127.0.0.1:9/v1", "--patience", "nan"])
    assert "must be a number of seconds" in capsys.readouterr().err
