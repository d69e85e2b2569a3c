"""The wheel that users install: all of its files are in it, and it works without extras."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "pytest_batcheval"
pytestmark = pytest.mark.sampled  # builds, and installs from the package index
EVALUATION = """
import pytest
from interview import interview

@pytest.mark.batch(prompt=interview)
def test_answers(answer):
    assert answer.text
"""
USERS_MODULE = """
from pytest_batcheval import Answer

def words(answer: Answer) -> int:
    return answer.text
"""


def run(*words, cwd):
    """A command away from this repository's source, configuration and key."""
    ours = ("PYTHONPATH", "MYPYPATH", "OPENAI_API_KEY", "OPENAI_BASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in ours and "PYTEST" not in name}
    return subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory):
    """The commands of a new virtual environment; skips where its pip reaches no package index."""
    folder = tmp_path_factory.mktemp("wheel")
    assert run(sys.executable, "-m", "venv", folder / "venv", cwd=folder).returncode == 0
    if pip(folder / "venv" / "bin", "download", "--no-deps", "hatchling").returncode:
        pytest.skip("pip reaches no package index")
    return folder / "venv" / "bin"


def pip(bin_folder, *words):
    return run(bin_folder / "pip", "--disable-pip-version-check", *words, cwd=bin_folder)


@pytest.fixture(scope="module")
def wheel(bin_folder):
    ended = pip(bin_folder, "wheel", "--no-deps", "--wheel-dir", bin_folder / "dist", ROOT)
    assert ended.returncode == 0, ended.stderr
    (built,) = (bin_folder / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(bin_folder, wheel):
    """The commands of an environment that has the wheel, without extras."""
    ended = pip(bin_folder, "install", wheel)
    assert ended.returncode == 0, ended.stderr
    return bin_folder


def test_it_has_every_file_of_the_package(wheel):
    ours = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if path.is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name for name in ours if "__pycache__" not in name}
    assert "pytest_batcheval/py.typed" in packed


def test_the_index_shows_no_link_that_leads_nowhere(wheel):
    packed = zipfile.ZipFile(wheel)
    (name,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
    _, _, description = packed.read(name).decode().partition("\n\n")
    targets = re.findall(r"\]\(([^)]+)\)", description)
    assert len(targets) > 20
    assert [target for target in targets if not target.startswith("https://")] == []


def test_without_extras_it_imports_has_its_command_and_replays(installed, tmp_path):
    assert run(installed / "python", "-W", "error", "-c", "import pytest_batcheval", cwd=tmp_path).returncode == 0
    assert "performance-comparison" in run(installed / "batcheval", "--help", cwd=tmp_path).stdout
    begun = run(installed / "batcheval", "init", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    (tmp_path / "tests/evaluation/test_interview.py").write_text(EVALUATION, encoding="utf-8")  # init's wants numpy
    replayed = run(installed / "pytest", "-m", "batch", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stdout
    assert "32 answers recorded from the simulator" in replayed.stdout


def test_a_users_mypy_sees_its_types(installed, tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "module.py").write_text(USERS_MODULE, encoding="utf-8")
    python = installed / "python"
    seen = run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "module.py", cwd=tmp_path)
    assert 'expected "int"' in seen.stdout
    assert "py.typed" not in seen.stdout
