"""promptfoo's configuration (https://www.promptfoo.dev/docs/configuration/reference/)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.foreign.evaluation import PLACE, Evaluation, is_plain, message, objects
from pytest_batcheval.cli.foreign.promptfoo_checks import add_checks
from pytest_batcheval.cli.foreign.yaml_core import read_core_document
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import read_text

_READ = {"description", "prompts", "providers", "targets", "tests", "defaultTest", "tags", "outputPath", "sharing"}
_READ_OF_TEST = {"description", "vars", "assert", "metadata"}
_PARAMETERS = {
    *("temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "stop", "reasoning_effort", "verbosity"),
    *("presence_penalty", "frequency_penalty", "response_format"),
}
"""Members of a provider's `config` that are parameters of the request; no others are copied: some are keys."""

MOST_CASES = 50_000
"""Most combinations of one test's variables: the requests of one batch."""

_BETWEEN = re.compile(r"^---[ \t]*$", re.MULTILINE)

_CHAT = ("chat", "responses")
_OTHER_KINDS = ("completion", "embedding", "embeddings", "realtime", "image", "moderation", "assistant", "video", "tts")


def read_promptfoo(path: Path) -> Evaluation:
    """Read a `promptfooconfig.yaml` or its JSON.

    Raises:
        UsageError: it cannot be read, or a part of it has another shape; names the place.
    """
    data = read_core_document(path, "promptfoo configuration")
    if not isinstance(data, dict) or not {"prompts", "tests"} <= data.keys():
        raise UsageError(f"{path}: a promptfoo configuration has `prompts` and `tests`; this file has not")
    found = Evaluation()
    for member in sorted(map(str, data.keys() - _READ)):
        found.todo[member] += 1
    prompts = data["prompts"]
    for number, prompt in enumerate(prompts if isinstance(prompts, list) else [prompts]):
        _add_templates(path, f"{path}: prompts[{number}]", prompt, found)
        for member in sorted(prompt.keys() - {"raw", "id", "label"}) if isinstance(prompt, dict) else ():
            found.todo[f"{member} of a prompt"] += 1
    providers = data.get("providers", data.get("targets", []))
    for number, provider in enumerate(providers if isinstance(providers, list) else [providers]):
        _add_model(f"{path}: providers[{number}]", provider, found)
    default = data.get("defaultTest") or {}
    if not isinstance(default, dict):
        raise UsageError(f"{path}: defaultTest must be an object here, not {shown(default)}; write it into the file")
    for place, test in objects(f"{path}: tests", _tests(path, data["tests"])):
        _add_cases(place, default, test, found)
    return found


def _add_templates(path: Path, place: str, prompt: Any, found: Evaluation) -> None:
    """Add a prompt; a text file may have several, between lines of three hyphens."""
    given = prompt if isinstance(prompt, dict) else {"raw": prompt}
    raw = given.get("raw", given.get("id"))
    if not isinstance(raw, str):
        raise UsageError(f"{place} must be a text, or an object with `raw`; found {shown(prompt)}")
    name = given.get("label") or (given.get("id") if "raw" in given else None)
    texts = [raw]
    if raw.startswith("file://"):
        named = _beside(path, place, raw, (".txt", ".md", ".json"))
        whole = read_text(named, "prompt")
        texts = [text.strip() for text in _BETWEEN.split(whole)] if named.suffix.lower() == ".txt" else [whole]
    for text in filter(None, texts):
        identifier = name if name and len(texts) == 1 else f"{name or 'prompt'}-{len(found.templates) + 1}"
        found.templates.append({"id": identifier, "messages": _messages(place, text)})


def _messages(place: str, raw: str) -> list[dict[str, str]]:
    """The messages of a chat in JSON, or one of the user."""
    if raw.lstrip().startswith("["):
        try:
            chat = json.loads(raw)
        except (ValueError, RecursionError):
            chat = None
        if isinstance(chat, list) and chat and all(isinstance(entry, dict) and "role" in entry for entry in chat):
            return [message(where, entry["role"], entry.get("content")) for where, entry in objects(place, chat)]
    return [message(place, "user", raw)]


def _beside(path: Path, place: str, reference: str, endings: tuple[str, ...]) -> Path:
    """The file that a `file://` reference names, in the folder of the configuration or below it."""
    named = path.parent / reference.removeprefix("file://")
    if named.suffix.lower() not in endings:
        raise UsageError(f"{place} is {shown(reference)}; only {', '.join(endings)} can be read from a file")
    if not named.resolve().is_relative_to(path.parent.resolve()):
        raise UsageError(f"{place} is {shown(reference)}, outside of the folder of {path}; copy it there")
    return named


def _tests(path: Path, tests: Any) -> Any:
    if isinstance(tests, str):
        return read_core_document(_beside(path, f"{path}: tests", tests, (".yaml", ".yml", ".json")), "tests")
    return tests


def _add_model(place: str, provider: Any, found: Evaluation) -> None:
    """Add a provider that is a chat model of OpenAI's; what else it is goes to the list of TODOs."""
    if isinstance(provider, str):
        provider = {"id": provider}
    elif isinstance(provider, dict) and "id" not in provider and len(provider) == 1:
        ((identifier, options),) = provider.items()
        provider = {"id": identifier, **(options if isinstance(options, dict) else {})}
    if not isinstance(provider, dict) or not isinstance(provider.get("id"), str):
        raise UsageError(f"{place} must be a text, or an object with `id`; found {shown(provider)}")
    vendor, _, name = provider["id"].partition(":")
    kind, _, rest = name.partition(":")
    if vendor != "openai" or not name or kind in _OTHER_KINDS:
        found.todo[f"provider {provider['id']}"] += 1
        return
    if kind in _CHAT:
        name = rest
    for member in sorted(map(str, provider.keys() - {"id", "label", "config"})):
        found.todo[f"provider {provider['id']}, {member}"] += 1
    config = provider.get("config")
    config = config if isinstance(config, dict) else {}
    for member in config.keys() - _PARAMETERS:
        found.todo[f"provider {provider['id']}, config.{member}"] += 1
    body = {member: value for member, value in config.items() if member in _PARAMETERS}
    found.models.append({"id": provider.get("label") or name, "name": name, "body": body})


def _add_cases(place: str, default: Mapping[str, Any], test: Mapping[str, Any], found: Evaluation) -> None:
    """Add a test, as several cases where a variable has a list: promptfoo runs all combinations."""
    for member in [*(default.keys() - _READ_OF_TEST), *(test.keys() - _READ_OF_TEST)]:
        found.todo[f"{member} of a test"] += 1
    values = {**_vars(f"{place}, defaultTest", default), **_vars(place, test)}
    asserted = [*objects(f"{place}, defaultTest.assert", default.get("assert") or [])]
    asserted += objects(f"{place}.assert", test.get("assert") or [])
    for combination in _combinations(place, values):
        case = {"id": f"case-{len(found.cases) + 1}", "description": test.get("description", ""), "vars": combination}
        add_checks(case, asserted, found)
        found.cases.append(case)


def _vars(place: str, test: Mapping[str, Any]) -> dict[str, Any]:
    values = test.get("vars") or {}
    if not isinstance(values, dict):
        raise UsageError(f"{place}: vars must be an object here, not {shown(values)}; write them into the file")
    for name, value in values.items():
        if isinstance(value, str) and value.startswith("file://"):
            raise UsageError(f"{place}: vars.{name} is {shown(value)}; write the content of that file here")
    return {str(name): value for name, value in values.items()}


def _combinations(place: str, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of one text from each list of texts; in a text, other variables of the case are put in."""
    several = [isinstance(value, list) and value and isinstance(value[0], str) for value in values.values()]
    choices = [value if many else [value] for many, value in zip(several, values.values(), strict=True)]
    if (count := prod(map(len, choices))) > MOST_CASES:
        raise UsageError(f"{place}: the lists in vars give {count:,} combinations; at most {MOST_CASES:,} are made")
    for chosen in product(*choices):
        case = dict(zip(values, chosen, strict=True))
        yield {name: _rendered(f"{place}: vars.{name}", value, case) for name, value in case.items()}


def _rendered(place: str, value: Any, case: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    if not is_plain(value):
        raise UsageError(f"{place}: only values such as {{{{name}}}} can be put into a text; write {shown(value)} out")
    return PLACE.sub(lambda found: str(case.get(found[1], found[0])), value)
