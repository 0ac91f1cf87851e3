"""Run the workers, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from plan import MAXENT, Measurement

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE.parent / "results"
OURS = Path(sys.executable)
PEERS = ROOT / ".venv-peers" / "bin" / "python"

Figure = dict[str, float]


def measure(plan: Measurement, seconds: float, peers: Path = PEERS) -> Figure:
    """Return one measurement, made in processes of its own beside its neighbours; rates of several add up."""
    python = OURS if plan.worker == MAXENT else peers
    script = HERE / "workers" / f"{plan.worker}.py"
    command = [str(python), str(script), plan.name, str(seconds), *plan.arguments]
    count = {"none": 0, "one": 1, "cores": os.cpu_count() or 1}[plan.neighbours]
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        processes = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(plan.at_once)
        ]
        results = [process.communicate() for process in processes]
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    for process, (_, errors) in zip(processes, results, strict=True):
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{errors}")
    figures = [json.loads(output.strip().splitlines()[-1]) for output, _ in results]
    return {name: sum(figure[name] for figure in figures) for name in figures[0]}
