"""Output whose reader goes away."""

import subprocess
import sys
from pathlib import Path

WORDS = [
    *("train", "Pendulum-v1", "--steps", "150", "--hidden", "4", "--learning-starts", "500", "--log-every", "10"),
    *("--eval-every", "0", "--compile", "off", "--run-dir", "run"),
]


def test_a_run_goes_on_to_its_end_when_nobody_reads_its_output(tmp_path: Path) -> None:
    """As with `maxent train … | head`: the folder is whole, the code is 0, and standard error says what happened."""
    run = subprocess.Popen(
        [sys.executable, "-m", "maxent", *WORDS],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stderr is not None
    assert run.stdout.readline().startswith("Recipe for sac on Pendulum-v1")
    run.stdout.close()
    said = run.stderr.read()
    run.stderr.close()
    assert run.wait() == 0
    assert said == "maxent: nobody reads the output any more; the run goes on quietly.\n"
    assert (tmp_path / "run" / "metrics.csv").read_text().splitlines()[-1].startswith("150,")
    assert (tmp_path / "run" / "last" / "policy.json").exists()
