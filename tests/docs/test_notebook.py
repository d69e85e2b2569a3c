"""The notebook: it runs offline from its first cell to its last, and shows what is stored in it."""

import json
import subprocess
import sys

import notebook
import pytest

LARGEST = 500_000
"""Bytes of the file at most, so that GitHub shows it."""

PICTURE = "image/svg+xml"


def shown(text):
    """The sources of the cells with what they show: texts, and of a picture that there is one."""
    cells = json.loads(text)["cells"]
    return [("".join(cell["source"]), [_output(one) for one in cell.get("outputs", ())]) for cell in cells]


def _output(output):
    if output["output_type"] == "stream":
        return "".join(output["text"])
    found = {kind: "".join(part) for kind, part in output["data"].items()}
    if PICTURE in found:  # axes of a map may be turned by another version of numpy
        assert found[PICTURE].startswith("<svg")
        found[PICTURE] = "a picture"
    return found


def test_it_is_stored_with_pictures_and_small():
    text = notebook.NOTEBOOK.read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST
    outputs = [output for _, outputs in shown(text) for output in outputs]
    assert sum(PICTURE in output for output in outputs) >= 5
    assert "시뮬레이터" in shown(text)[0][0]


@pytest.mark.sampled
def test_it_shows_what_is_stored_in_it(tmp_path, monkeypatch):
    pytest.importorskip("nbclient", reason="the notebook is executed with pip install '.[notebook]'")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")  # nobody is there
    output = tmp_path / "executed.ipynb"
    command = [sys.executable, notebook.__file__, str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert shown(output.read_text(encoding="utf-8")) == shown(notebook.NOTEBOOK.read_text(encoding="utf-8"))
