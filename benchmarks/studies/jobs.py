"""Runs of a study: each is trained in a process of its own and leaves one small file, so a study can be interrupted.

Several processes may work on one study: each claims the runs that nobody has claimed yet.
"""

import csv
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "runs" / "studies"
RESULTS = ROOT / "benchmarks" / "results" / "studies"
COLUMNS = ("group", "env", "seed", "step", "return", "seconds", "settings")


@dataclass(frozen=True)
class Job:
    """One run: an agent with settings, whose members are seeds.

    Args:
        name: unique within the study.
        group: what a figure draws as one line, such as the algorithm.
        agent: class of `maxent`.
        env: the environment.
        settings: keyword arguments of the agent.
    """

    name: str
    group: str
    agent: str
    env: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A member's evaluation."""

    group: str
    env: str
    seed: int
    step: int
    value: float
    seconds: float
    settings: Mapping[str, Any]


def measure(study: str, jobs: Sequence[Job], parts: Path = PARTS) -> None:
    """Make the runs of a study that are missing; each in a process of its own."""
    folder = parts / study
    folder.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        if not (folder / f"{job.name}.csv").exists() and claim(folder / f"{job.name}.claim"):
            started = time.monotonic()
            command = [sys.executable, str(Path(__file__).parent), study, "--job", job.name, "--parts", str(parts)]
            done = subprocess.run(command, cwd=ROOT, check=False)
            print(f"{job.name}: exit code {done.returncode}, {time.monotonic() - started:.0f} s", flush=True)
            (folder / f"{job.name}.claim").unlink()


def claim(path: Path) -> bool:
    """Return whether this process has got a run: no other that is alive has claimed it."""
    if path.exists() and not alive(int(path.read_text() or "0")):
        path.unlink()
    try:
        with path.open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True


def alive(process: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return process > 0


def run(job: Job, study: str, parts: Path = PARTS) -> None:
    """Train one run, and write its evaluations. A run that diverges has a last one of NaN, which counts as failed."""
    import maxent
    from maxent.runs.observer import Evaluation, Observer

    start, rows = time.monotonic(), list[list[object]]()
    first = int(job.settings.get("seed", 0))

    def add(step: int, values: Sequence[float]) -> None:
        seconds = round(time.monotonic() - start, 1)
        plain = json.dumps(dict(job.settings), sort_keys=True)
        for member, value in enumerate(values):
            rows.append([job.group, job.env, first + member, step, round(float(value), 3), seconds, plain])

    class Evaluations(Observer):
        def on_evaluation(self, evaluation: Evaluation) -> None:
            add(evaluation.step, evaluation.returns.mean(1))

    settings = dict(job.settings)
    steps, members = int(settings.pop("steps")), int(settings.get("seeds", 1))
    agent = getattr(maxent, job.agent)(job.env, recipe=False, verbose=False, **settings)
    try:
        agent.learn(steps, observers=[Evaluations()])
    except maxent.UserError as error:
        if "diverged" not in str(error):
            raise
        add(steps, [float("nan")] * members)
    path = parts / study / f"{job.name}.csv"
    with path.with_suffix(".new").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    path.with_suffix(".new").replace(path)


def collect(study: str, jobs: Sequence[Job], parts: Path = PARTS, results: Path = RESULTS) -> int:
    """Write the runs that there are as one CSV, with the machine beside it; return their number."""
    found = [path for job in jobs if (path := parts / study / f"{job.name}.csv").exists()]
    results.mkdir(parents=True, exist_ok=True)
    with (results / f"{study}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for path in found:
            with path.open(newline="") as part:
                writer.writerows(list(csv.reader(part))[1:])
    about = {"runs": len(found), "planned": len(jobs), **machine()}
    (results / f"{study}.json").write_text(json.dumps(about, indent=1) + "\n")
    return len(found)


def results_of(study: str, results: Path = RESULTS) -> list[Result]:
    """Return the evaluations of a study."""
    with (results / f"{study}.csv").open(newline="") as file:
        return [
            Result(
                row["group"], row["env"], int(row["seed"]), int(row["step"]), float(row["return"]),
                float(row["seconds"]), json.loads(row["settings"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def machine() -> dict[str, str]:
    """Return the processor and the versions."""
    import gymnasium
    import numpy
    import torch

    import maxent

    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    wide = ", AVX-512" if " avx512f " in text else ""
    return {
        "processor": (names[0] if names else platform.machine()) + wide,
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "python": platform.python_version(),
        "maxent": maxent.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "gymnasium": gymnasium.__version__,
    }
