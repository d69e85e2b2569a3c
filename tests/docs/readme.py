"""The output of `pytest -m batch` in this repository: `python tests/docs/readme.py` writes it into both READMEs."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"(?<=^```text\n)collected .*?(?=^```$)", re.MULTILINE | re.DOTALL)


def shown() -> str:
    """The output from the number of collected tests on."""
    command = [sys.executable, "-m", "pytest", "-m", "batch", "-p", "no:cacheprovider", "--color=no"]
    unset = ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY")
    environment = {**{name: value for name, value in os.environ.items() if name not in unset}, "COLUMNS": "80"}
    ended = subprocess.run(command, cwd=README.parent, env=environment, capture_output=True, text=True, check=True)
    return ended.stdout[ended.stdout.index("collected ") :]


if __name__ == "__main__":
    output = shown()
    for page in (README, README.with_name("README.ko.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(BLOCK.sub(lambda _: output, text, count=1), encoding="utf-8")
