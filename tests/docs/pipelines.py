"""Checks YAML files against the JSON Schemas that their makers publish, as check-jsonschema has them."""

import json
from importlib.resources import files

import jsonschema_rs
import yaml

SCHEMAS = {
    "github": "github-workflows.json",
    "gitlab": "gitlab-ci.json",
    "issue form": "github-issue-forms.json",
    "issue config": "github-issue-config.json",
    "citation": "citation-file-format.json",
}


def valid(text, ci):
    """A pipeline, once its schema has nothing to say against it.

    Raises:
        jsonschema_rs.ValidationError: it has.
    """
    schema = files("check_jsonschema").joinpath("builtin_schemas", "vendor", SCHEMAS[ci]).read_bytes()
    pipeline = typed(yaml.load(text, yaml.BaseLoader))  # to YAML 1.1 the key `on` is a truth value
    jsonschema_rs.validator_for(json.loads(schema)).validate(pipeline)
    return pipeline


def typed(value):
    """The value with numbers, truth values and nothing for the words of them."""
    if isinstance(value, dict):
        return {name: typed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [typed(part) for part in value]
    return int(value) if value.isdecimal() else {"true": True, "false": False, "": None}.get(value, value)
