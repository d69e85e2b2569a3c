"""Follow a Markdown page as a reader does: write the files it shows, run its commands, compare its output."""

import re
from dataclasses import dataclass

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"`([\w/.-]+\.(?:csv|ini|py|ya?ml|json))`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its section's heading, language, text, and the paragraph before it."""

    heading: str
    language: str
    text: str
    before: str

    @property
    def file_name(self):
        """The file it shows: the last one named in the paragraph before it."""
        names = FILE_NAME.findall(self.before)
        return names[-1] if names else None


def blocks(page):
    """The fenced blocks of a Markdown text, in order."""
    found = []
    for match in FENCE.finditer(page):
        above = page[: match.start()]
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", above), re.MULTILINE)
        indent = match["indent"]
        text = "".join(line.removeprefix(indent) for line in match["body"].splitlines(keepends=True))
        before = above.rstrip().rsplit("\n\n", 1)[-1]
        found.append(Block(headings[-1] if headings else "", match["language"], text, before))
    return found


def section(page, heading):
    """The blocks below one heading."""
    return [block for block in blocks(page) if block.heading == heading]
