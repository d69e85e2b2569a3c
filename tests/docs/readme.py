"""The outputs in both READMEs: `python tests/docs/readme.py` runs their commands and writes them."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

README = Path(__file__).parents[2] / "README.md"
PIP = "$ pip install 'pytest-batcheval[all]'\n"
"""Taken as done: the package is installed where this runs."""

UNSET = ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p pytest_batcheval.plugin -p no:cacheprovider"}
"""Settings under which other plugins print no lines of their own."""


def begun() -> str:
    """The commands of a new user, in an empty folder, with what they print; `…` for lines left out."""
    with TemporaryDirectory() as folder:
        wrote, _, _ = _output(["batcheval", "init"], folder).partition("\nnext:")
        tested = _from_collected(_output(["pytest", "-m", "batch", "--color=no"], folder, ALONE))
    return f"{PIP}$ batcheval init\n{wrote}…\n$ pytest -m batch\n…\n{tested}"


def shown() -> str:
    """The output of `pytest -m batch` in this repository, from the number of collected tests on."""
    return _from_collected(_output(["pytest", "-m", "batch", "-p", "no:cacheprovider", "--color=no"], README.parent))


def _output(command, folder, settings=()) -> str:
    given = {name: value for name, value in os.environ.items() if name not in UNSET}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    environment = {**given, "COLUMNS": "80", "PATH": path, **dict(settings)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def _from_collected(output) -> str:
    return output[output.index("collected ") :]


def main() -> None:
    for page in (README, README.with_name("README.ko.md")):
        text = page.read_text(encoding="utf-8")
        for start, output in ((re.escape(PIP), begun()), ("collected ", shown())):
            block = re.compile(rf"(^```\w+\n){start}.*?(?=^```$)", re.MULTILINE | re.DOTALL)
            text = block.sub(lambda match, output=output: match[1] + output, text, count=1)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
