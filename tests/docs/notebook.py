"""Executes the notebook from its first cell to its last: `python tests/docs/notebook.py` stores what it shows anew."""

import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "create_patients_answer.ipynb"


def executed():
    """The notebook with the outputs of an execution.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    metadata = dict(notebook.metadata)  # an execution adds the version of Python
    stable = {"record_timing": False, "coalesce_streams": True}  # a kernel sends what is printed in parts, by the clock
    NotebookClient(notebook, resources={"metadata": {"path": str(NOTEBOOK.parent)}}, **stable).execute()
    notebook.metadata = nbformat.from_dict(metadata)
    return notebook


if __name__ == "__main__":
    import nbformat

    nbformat.write(executed(), sys.argv[1] if sys.argv[1:] else NOTEBOOK)
