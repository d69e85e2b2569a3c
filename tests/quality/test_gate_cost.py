"""The gate's promise of memory: 825 answers in 200 MB. That of time, 3 s of CPU, is in tests/benchmarks/goals.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[1] / "benchmarks" / "quality_speed.py"
MEMORY = 200.0


@pytest.mark.sampled
def test_the_gate_on_825_answers_takes_no_more_memory_than_promised():
    ran = subprocess.run([sys.executable, SPEED, "--one", "825"], capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert found["answers"] == 825
    assert found["peak"] <= MEMORY
