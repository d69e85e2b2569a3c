"""What a verb says where the extra it needs is not installed."""

import subprocess
import sys

import pytest

WITHOUT = "import sys; sys.modules[{module!r}] = None; from pytest_batcheval.cli import main; sys.exit(main({argv!r}))"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("argv", "module", "extra"),
    [
        (["serve"], "uvicorn", "simulator"),
        (["performance-comparison"], "uvicorn", "simulator"),
        (["performance-comparison"], "starlette", "simulator"),
        (["baseline", "save", "main"], "numpy", "quality"),
    ],
)
def test_a_verb_names_the_extra_that_it_needs(tmp_path, argv, module, extra):
    code = WITHOUT.format(module=module, argv=argv)
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 4, ended.stderr
    assert ended.stderr.startswith(f"batcheval {argv[0]}: ")
    assert f"{module}: pip install 'pytest-batcheval[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_missing_library_is_no_matter_of_extras(tmp_path):
    code = WITHOUT.format(module="openai", argv=["status", "batch_1"])
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" in ended.stderr
    assert "pip install" not in ended.stderr


def test_the_statistics_name_their_extra_where_a_test_imports_them(tmp_path):
    code = "import sys; sys.modules['numpy'] = None; from pytest_batcheval.quality import differentiation"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: the package's statistics need numpy: pip install 'pytest-batcheval[quality]'"
    )
