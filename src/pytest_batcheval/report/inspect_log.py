"""A run of tests as an Inspect log: the zip of JSON that `inspect view` and inspect-ai's `read_eval_log` open.

The members and their names are those of inspect-ai's `EvalLog`, version 2:
https://inspect.aisi.org.uk/reference/inspect_ai.log.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.inspect_sample import (
    UNSCORED,
    Plain,
    by_function,
    is_of_one_cell,
    model_of,
    sample_of,
    sample_without_answer,
)
from pytest_batcheval.text.sanitize import storable
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import describe, is_simulator

LONGEST_IN_SUMMARY = 1_000
"""Characters of a text in the list of all samples, as in inspect-ai's own summaries."""


def inspect_log(run: str, started: float, tests: Sequence[Outcome], answers: Sequence[ListedAnswer]) -> Plain:
    """The run as an `EvalLog`: a sample for each answer that its tests used, or have none of.

    A test of one cell scores its answers, and a judge's verdict itself; every test function, one of tables too, is a
    score of the whole run, whose `accuracy` is the share of its tests that passed.

    Args:
        run: the id of the run.
        started: its start, in Unix seconds.
        tests: its outcomes.
        answers: all stored answers.

    Raises:
        ImportError: a judge's verdict is among them, and numpy is not installed.
    """
    used = _used(tests, answers)
    names = _score_names(tests)
    samples = _samples(tests, used, names)
    took = sum(test.seconds for test in tests)  # at least, since nobody has kept the end of the run
    plan = {"name": "pytest", "steps": [], "config": {}}
    return {
        "version": 2,
        "status": "success",
        "eval": _spec(run, started, tests, used, samples) | {"scorers": [{"name": name} for name in names.values()]},
        "plan": plan,
        "results": {
            "total_samples": len(samples),
            "completed_samples": sum("error" not in sample for sample in samples),
            "scores": [_score_of_run(names[one], found, samples) for one, found in by_function(tests).items()],
        },
        "stats": {
            "started_at": _time(started),
            "completed_at": _time(started + took),
            "model_usage": _usage_of(samples),
            "role_usage": {},
            "connection_limit_history": [],
        },
        "invalidated": False,
        "tags": [],
        "metadata": {"quality": _quality(tests)},
        "samples": samples,
    }


def write_log(log: Plain, stream: IO[bytes]) -> None:
    """Write the log in the `.eval` format; the same log is the same bytes."""
    head = {name: value for name, value in log.items() if name != "samples"}
    members = {
        "_journal/start.json": {name: log[name] for name in ("version", "eval", "plan")},
        **{f"samples/{sample['id']}_epoch_{sample['epoch']}.json": sample for sample in log["samples"]},
        "summaries.json": [_summary(sample) for sample in log["samples"]],
        "header.json": head,
    }
    with ZipFile(stream, "w", ZIP_DEFLATED) as file:
        for name, data in members.items():
            member = ZipInfo(name)
            member.compress_type = ZIP_DEFLATED
            file.writestr(member, storable(json.dumps(data, ensure_ascii=False)).encode())


def _quality(tests: Sequence[Outcome]) -> list[Plain]:
    """The quality results that the tests computed."""
    return [
        {"test": test.test, "kind": one.kind, "summary": storable(one.summary), "figures": one.figures}
        for test in tests
        for one in test.results
    ]


def _used(tests: Iterable[Outcome], answers: Iterable[ListedAnswer]) -> dict[str, ListedAnswer]:
    """By key the answers that the tests used, with their outcomes in this run."""
    uses: dict[str, list[Outcome]] = {}
    for test in tests:
        for key in test.cells:
            uses.setdefault(key, []).append(test)
    found: dict[str, ListedAnswer] = {}
    for one in answers:
        key = one.answer.custom_id
        if key in uses and key not in found:
            cell = one.answer.cell or uses[key][0].cells[key]
            found[key] = replace(one, answer=replace(one.answer, cell=cell), tests=tuple(uses[key]))
    return found


def _samples(tests: Iterable[Outcome], used: Mapping[str, ListedAnswer], scores: Mapping[str, str]) -> list[Plain]:
    first = {key: _first_key(one.answer.request) for key, one in used.items()}
    names = Counter(_name(used[key].answer.cell) for key in {first[key]: key for key in used}.values())
    samples = [sample_of(one, _identifier(one.answer.cell, first[key], names), scores) for key, one in used.items()]
    missing = {key: cell for test in tests for key, cell in test.cells.items() if key not in used}
    return [*samples, *(sample_without_answer(key, cell, _identifier(cell, key, {})) for key, cell in missing.items())]


def _first_key(request: Request) -> str:
    """The key of sample 0 of the same body: Inspect's samples with one id are the epochs of one input."""
    return replace(request, sample=0).custom_id if request.sample else request.custom_id


def _name(cell: Mapping[str, str]) -> str:
    return " × ".join(cell.values()).replace("/", "_")  # it becomes the name of a file


def _identifier(cell: Mapping[str, str], key: str, names: Mapping[str, int]) -> str:
    """The ids of a cell, with the beginning of the key where several requests have the same."""
    name = _name(cell)
    return name if name and names.get(name, 0) == 1 else f"{name} {key[:KEY_SHOWN]}".strip()


def _score_names(tests: Iterable[Outcome]) -> dict[str, str]:
    """By the id of each test function its own name, or the id where several have the same."""
    short = {function: function.rpartition("::")[2] for function in by_function(tests)}
    several = Counter(short.values())
    return {function: name if several[name] == 1 else function for function, name in short.items()}


def _score_of_run(name: str, tests: Sequence[Outcome], samples: Sequence[Plain]) -> Plain:
    counted = [test for test in tests if test.outcome not in UNSCORED]
    scored = sum(name in sample["scores"] for sample in samples)
    share = sum(test.passed for test in counted) / len(counted) if counted else 0.0
    return {
        "name": name,
        "scorer": name,
        "scored_samples": scored,
        "unscored_samples": len(samples) - scored,
        "params": {},
        "metrics": {"accuracy": {"name": "accuracy", "value": share, "params": {}}},
        "metadata": {test.test: test.message or test.outcome for test in tests if not is_of_one_cell(test)},
    }


def _spec(
    run: str, started: float, tests: Sequence[Outcome], used: Mapping[str, ListedAnswer], samples: Sequence[Plain]
) -> Plain:
    """The head of the log; a simulator is named in model, tags and metadata."""
    answers = [one.answer for one in used.values()]
    origins = sorted({answer.origin for answer in answers})
    simulated = [origin for origin in origins if is_simulator(origin)]
    note = f"answers of {', '.join(map(describe, simulated))}: they say nothing about any model"
    identifiers = list(dict.fromkeys(sample["id"] for sample in samples))
    epochs = max((sample["epoch"] for sample in samples), default=1)
    modules = sorted({test.module for test in tests})
    return {
        **dict.fromkeys(("eval_id", "run_id", "task_id"), run),
        "created": _time(started),
        "task": modules[0] if len(modules) == 1 else f"{len(modules)} test files",
        "task_version": 0,
        **{name: {} for name in ("task_attribs", "task_args", "task_args_passed")},
        "dataset": {"name": "pytest", "samples": len(identifiers), "sample_ids": identifiers, "shuffled": False},
        "model": ", ".join(sorted({model_of(answer) for answer in answers})) or "none/none",
        **{name: {} for name in ("model_generate_config", "model_args")},
        "config": {"epochs": epochs} if len(samples) == epochs * len(identifiers) else {},
        "packages": {"pytest-batcheval": version("pytest-batcheval")},
        "tags": ["simulator"] if simulated else [],
        "metadata": {"origins": origins} | ({"simulator": note} if simulated else {}),
    }


def _usage_of(samples: Iterable[Plain]) -> Plain:
    total: dict[str, Counter[str]] = {}
    for sample in samples:
        for model, usage in sample["model_usage"].items():
            total.setdefault(model, Counter()).update(usage)
    return {model: dict(usage) for model, usage in total.items()}


def _summary(sample: Plain) -> Plain:
    """A sample without its output, and with texts of at most `LONGEST_IN_SUMMARY` characters."""
    kept = ("id", "epoch", "input", "target", "metadata", "scores", "model_usage", "role_usage")
    error = {"error": sample["error"]["message"]} if "error" in sample else {}
    summary = {name: sample[name] for name in kept} | error
    return {**_shortened(summary), "completed": True, "message_count": len(sample["messages"])}


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST_IN_SUMMARY]
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
