"""Change to other models: edit `catalogue/models.py`, then `python tests/docs/models.py` renames and records anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
FILE = "src/pytest_batcheval/catalogue/models.py"
LEFT = ("cassettes", "CHANGELOG.md", FILE)
"""What has names of its own, or is recorded anew."""

RECORDING = "cassettes/answers/tests/evaluation/test_interview.jsonl"
TEMPLATE = ROOT / "src/pytest_batcheval/cli/init_files/test_interview.jsonl.template"
RECORD = ("-m", "pytest", "-q", "-m", "batch", "--batch=record", "--batch-backend=simulator")


def names(source: str) -> list[str]:
    """The names of the examples in a version of the file: the longest first, since one may begin another."""
    found: dict[str, str] = {}
    exec(source, found)
    return [found[name] for name in ("SNAPSHOT", "LARGER", "MODEL")]


def rename() -> None:
    """Write the names of the file in place of those that the last commit has."""
    before, after = names(run("git", "show", f"HEAD:{FILE}")), names((ROOT / FILE).read_text(encoding="utf-8"))
    for path in run("git", "ls-files").splitlines():
        if not path.startswith(LEFT):
            text = renamed = (ROOT / path).read_bytes()
            for old, new in zip(before, after, strict=True):
                renamed = renamed.replace(old.encode(), new.encode())
            if renamed != text:
                (ROOT / path).write_bytes(renamed)


def record() -> None:
    """Record the suite, the answers that `batcheval init` writes and what README and notebook show."""
    shutil.rmtree(ROOT / "cassettes")
    for first in (["tests/scenarios/test_full_matrix.py"], []):  # the documents read its answers by its name
        run(sys.executable, *RECORD, *first)
    with TemporaryDirectory() as folder:
        run(sys.executable, "-m", "pytest_batcheval.cli", "init", folder)
        (Path(folder) / RECORDING).unlink()
        run(sys.executable, *RECORD, folder=folder)
        shutil.copy(Path(folder) / RECORDING, TEMPLATE)
    for script in ("readme", "notebook"):
        run(sys.executable, f"tests/docs/{script}.py")


def run(*command: str, folder: str | Path = ROOT) -> str:
    """The output of a command that must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    rename()
    record()
