"""OpenAI's hosted Evals: an eval, its runs and its data (https://platform.openai.com/docs/api-reference/evals)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.foreign.evaluation import PLACE, Evaluation, has_value, is_plain, message, objects
from pytest_batcheval.cli.foreign.lines import json_lines
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import parse_json, read_text

_ANSWER = "sample.output_text"
_OPERATIONS = {
    "eq": ("equals", False),
    "ne": ("equals", True),
    "like": ("contains", False),
    "ilike": ("icontains", False),
}
"""The operations of a string check, by the check that is its equal and whether it is negated."""

_PARAMETERS = ("temperature", "max_completion_tokens", "top_p", "seed", "reasoning_effort", "response_format")


def read_openai_evals(paths: Sequence[Path]) -> Evaluation:
    """Read the JSON of an eval and of its runs (or a list of them), and the lines of its data (`.jsonl`).

    Raises:
        UsageError: one of them cannot be read, the eval or all runs are missing, or a part has another shape.
    """
    found = Evaluation()
    evals: list[tuple[Path, Mapping[str, Any]]] = []
    runs: list[tuple[Path, Mapping[str, Any]]] = []
    items: list[tuple[str, dict[str, Any]]] = []
    for path in paths:
        if path.suffix.lower() == ".jsonl":
            items += json_lines(path)
            continue
        for entry in _entries(path):
            (evals if "testing_criteria" in entry else runs).append((path, entry))
    if len(evals) != 1:
        raise UsageError(f"{paths[0]}: {len(evals)} evals are named (JSON with `testing_criteria`); name one")
    if not runs:
        raise UsageError(
            f"{paths[0]}: a hosted eval has its prompt and model in its runs; name the JSON of one too "
            "(GET /v1/evals/EVAL/runs)"
        )
    given = bool(items)
    for path, run in runs:
        _add_run(path, run, found, None if given else items)
    for place, line in items:
        _add_case(place, line, found)
    _add_checks(*evals[0], found)
    return found


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    data = parse_json(path, read_text(path, "export of an eval"))
    entries = data["data"] if isinstance(data, dict) and data.get("object") == "list" else [data]
    for place, entry in objects(str(path), entries):
        if not entry.keys() & {"testing_criteria", "data_source"}:
            raise UsageError(f"{place} is neither an eval (`testing_criteria`) nor a run of one (`data_source`)")
        yield entry


def _add_run(
    path: Path, run: Mapping[str, Any], found: Evaluation, items: list[tuple[str, dict[str, Any]]] | None
) -> None:
    """Add a run's prompt and model, and its data to `items` unless they are given otherwise."""
    source = run["data_source"]
    prompt = source.get("input_messages") if isinstance(source, dict) else None
    if not isinstance(prompt, dict) or prompt.get("type") != "template":
        raise UsageError(f"{path}: data_source.input_messages is no template, so the run's prompt is not in the file")
    where = f"{path}: data_source.input_messages.template"
    messages = [
        message(place, entry.get("role"), _text(entry.get("content")))
        for place, entry in objects(where, prompt.get("template"))
    ]
    if messages not in [template["messages"] for template in found.templates]:
        found.templates.append({"id": f"prompt-{len(found.templates) + 1}", "messages": messages})
    _add_model(path, source, found)
    rows = source.get("source")
    if items is None or not isinstance(rows, dict):
        return
    if rows.get("type") != "file_content":
        raise UsageError(
            f"{path}: the run's data are not in the file ({shown(rows.get('type'))}); name their JSONL too"
        )
    seen = [line for _, line in items]
    items += [(place, line) for place, line in objects(f"{path}: content", rows.get("content")) if line not in seen]


def _text(content: Any) -> Any:
    """The text of a message's content, which may be an object or a list of one."""
    if isinstance(content, list) and len(content) == 1:
        (content,) = content
    return content.get("text") if isinstance(content, dict) else content


def _add_model(path: Path, source: Mapping[str, Any], found: Evaluation) -> None:
    name, given = source.get("model"), source.get("sampling_params") or {}
    if not isinstance(given, dict):
        raise UsageError(f"{path}: data_source.sampling_params must be an object; found {shown(given)}")
    if not isinstance(name, str):
        return
    known = {member: value for member, value in given.items() if member in _PARAMETERS and value is not None}
    for member, value in given.items():
        if member not in _PARAMETERS and value is not None:
            found.todo[f"model {name}, sampling_params.{member}"] += 1
    if (name, known) not in [(model["name"], model["body"]) for model in found.models]:
        again = sum(model["name"] == name for model in found.models)
        found.models.append({"id": f"{name}-{again + 1}" if again else name, "name": name, "body": known})


def _add_case(place: str, line: Mapping[str, Any], found: Evaluation) -> None:
    item = line.get("item")
    if not isinstance(item, dict):
        raise UsageError(f"{place}: a line of data has an object `item`; found {shown(line)}")
    identifier = item.get("id", f"case-{len(found.cases) + 1}")
    identifier = str(identifier) if isinstance(identifier, int) else identifier
    found.cases.append({"id": identifier, "vars": {"item": item}, "checks": [], "todo": []})


def _add_checks(path: Path, evaluation: Mapping[str, Any], found: Evaluation) -> None:
    for place, grader in objects(f"{path}: testing_criteria", evaluation["testing_criteria"]):
        check = _check(grader)
        if check is None:
            found.todo[f"{grader.get('type')} {grader.get('name')}"] += 1
            continue
        for case in found.cases:
            for name in PLACE.findall(check["value"]):
                if not has_value(case["vars"], name):
                    raise UsageError(f"{place} takes {{{{{name}}}}}, which case {shown(case['id'])} does not give")
            case["checks"].append(check)


def _check(grader: Mapping[str, Any]) -> dict[str, Any] | None:
    """A string check of the answer as a check here; `None` for every other grader."""
    taken, reference = grader.get("input"), grader.get("reference")
    if grader.get("type") != "string_check" or not isinstance(taken, str) or not isinstance(reference, str):
        return None
    if grader.get("operation") in ("eq", "ne") and not _is_answer(taken):  # either side may be the answer
        taken, reference = reference, taken
    if (
        not _is_answer(taken)
        or not is_plain(reference)
        or any(name.startswith("sample.") for name in PLACE.findall(reference))
    ):
        return None
    name, negated = _OPERATIONS.get(str(grader.get("operation")), (None, False))
    return None if name is None else {"check": name, "value": reference, "negated": negated}


def _is_answer(text: str) -> bool:
    whole = PLACE.fullmatch(text.strip())
    return whole is not None and whole[1] == _ANSWER
