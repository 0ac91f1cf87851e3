"""2,000,000 steps of Pendulum grow by less than 50 MB after the first minute, the rows of the replay included."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GROWTH = Path(__file__).parents[1] / "support" / "growth.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory from /proc")
@pytest.mark.parametrize("storage", ["ram", "disk"])
def test_two_million_steps(tmp_path: Path, storage: str) -> None:
    program = [sys.executable, str(GROWTH), str(tmp_path / "run"), "2000000", "--after-seconds", "60"]
    program += ["--storage", storage]
    output = subprocess.run(program, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=True).stdout
    grown = json.loads(output)
    assert grown["most"] - grown["first"] < 50.0, grown
