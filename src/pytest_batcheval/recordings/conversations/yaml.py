r"""The YAML of a recorded conversation: readable when written, safe when read.

It is not written by PyYAML, whose output depends on the presence of its C library, and which escapes emoji and
leaves bidirectional characters as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 12
"""Most levels of nesting in a file; a conversation has seven."""

_NOT_AS_IT_IS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_NOT_IN_BLOCK = re.compile(f"{_NOT_AS_IT_IS.pattern}|[ \t](?:\n|$)")


class YamlError(ValueError):
    """A file is not a recorded conversation; `line` is the line of the error."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def lines_of(value: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The lines of YAML for a mapping of texts, numbers, lists and mappings; each list is on one line."""
    pad = "  " * depth
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield f"{pad}{name}:"
            yield from lines_of(inner, depth + 1)
        elif isinstance(inner, str) and _stands_as_block(inner):
            yield f"{pad}{name}: {'|' if inner.endswith(chr(10)) else '|-'}"
            for line in inner.removesuffix("\n").split("\n"):
                yield f"{pad}  {line}" if line else ""
        else:
            yield f"{pad}{name}: {_in_line(inner)}"


def _stands_as_block(text: str) -> bool:
    """Whether a literal block is more readable, and survives editors that strip trailing whitespace."""
    shown = "\n" in text or '"' in text
    return shown and not (text[0] in " \t\n" or text.endswith("\n\n") or _NOT_IN_BLOCK.search(text))


def _in_line(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_AS_IT_IS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def load(text: str) -> tuple[Any, list[int]]:
    """The plain data of a document, and the line of each item of a list directly under its top mapping.

    Raises:
        YamlError: the text is not valid YAML, or uses features that no recording needs.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        lines = _checked(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlError(line, f"the file is not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlError(1, f"the file is not valid YAML: {error}") from None


def _checked(events: Iterator[Any]) -> list[int]:
    """The lines of the items.

    Raises:
        YamlError: there is an alias, which lets a small file fill the memory, a tag, which names a type, or too deep
            nesting.
    """
    import yaml

    inside: list[bool] = []  # of each open collection, whether it is a list
    lines: list[int] = []
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlError(line, "the file has a YAML alias or anchor, which no recording needs")
        if getattr(event, "tag", None):
            raise YamlError(line, f"the file has the YAML tag {event.tag}, which no recording needs")
        if len(inside) == 2 and inside[-1] and not isinstance(event, yaml.SequenceEndEvent):
            lines.append(line)
        if isinstance(event, yaml.CollectionStartEvent):
            inside.append(isinstance(event, yaml.SequenceStartEvent))
        elif isinstance(event, yaml.CollectionEndEvent):
            inside.pop()
        if len(inside) > MAX_DEPTH:
            raise YamlError(line, f"the file is nested more than {MAX_DEPTH} levels deep")
    return lines
