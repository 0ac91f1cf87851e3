"""Measure maxent and its peers: one process per measurement, libraries in turn, medians and ratios within each round.

    python benchmarks/speed.py [--rounds 5] [--seconds 8] [--quick]

See README.md in this folder.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "workers"))

from common import processor  # noqa: E402 - found through the line above

OURS = Path(sys.executable)
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"

# (task, library, worker, its task, further arguments)
MEASUREMENTS = [
    ("updates", "limit", "run_maxent", "limit", []),
    ("updates", "maxent", "run_maxent", "updates", ["on"]),
    ("updates", "maxent eager", "run_maxent", "updates", ["off"]),
    ("updates", "SB3", "run_sb3", "updates", []),
    ("updates", "SBX", "run_sbx", "updates", []),
    ("updates", "SBX scanned", "run_sbx", "scanned", []),
    ("training", "maxent", "run_maxent", "training", ["on"]),
    ("training", "SB3", "run_sb3", "training", []),
    ("training", "SBX", "run_sbx", "training", []),
    ("small", "maxent", "run_maxent", "small", ["on"]),
    ("small", "maxent, 5 members", "run_maxent", "small5", ["on"]),
    ("small", "SB3", "run_sb3", "small", []),
    ("small", "SBX", "run_sbx", "small", []),
    ("startup", "maxent eager", "run_maxent", "startup", ["off"]),
    ("startup", "maxent compiled", "run_maxent", "startup", ["on"]),
    ("startup", "SB3", "run_sb3", "startup", []),
    ("startup", "SBX", "run_sbx", "startup", []),
    ("acting", "maxent", "run_maxent", "acting", []),
    ("memory", "maxent", "run_maxent", "memory", ["on"]),
]
QUICK = {("updates", "limit"), ("updates", "maxent"), ("updates", "SB3"), ("updates", "SBX")}
QUICK |= {("training", "maxent"), ("training", "SB3"), ("training", "SBX")}
UNITS = {"updates": "updates/s", "training": "steps/s", "small": "member-updates/s", "startup": "s"}

# (what, task, numerator, denominator, goal)
RATIOS = [
    ("updates, maxent / SB3", "updates", "maxent", "SB3", 3.3),
    ("updates, maxent / SBX", "updates", "maxent", "SBX", 2.0),
    ("updates, maxent / limit", "updates", "maxent", "limit", 0.75),
    ("training, maxent / SB3", "training", "maxent", "SB3", 3.3),
    ("training, maxent / SBX", "training", "maxent", "SBX", 2.0),
    ("64 units, 5 members / 1", "small", "maxent, 5 members", "maxent", 2.0),
]


def measure(
    worker: str, task: str, seconds: float, arguments: list[str], python: Path | None = None
) -> dict[str, float]:
    """Return one measurement, made in a process of its own."""
    if python is None:
        python = OURS if worker == "run_maxent" else PEERS
    command = [str(python), str(HERE / "workers" / f"{worker}.py"), task, str(seconds), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(figures: dict[str, dict[str, list[dict[str, float]]]]) -> list[str]:
    """Return the medians as a Markdown table, then the ratios with their goals."""
    lines = ["| task | library | median | lowest to highest |", "|---|---|---|---|"]
    for task, libraries in figures.items():
        for library, rounds in libraries.items():
            for name in rounds[0]:
                if (name == "peak_mb") != (task == "memory"):
                    continue
                values = [figure[name] for figure in rounds]
                unit = {"peak_mb": "MB", "act_us": "µs an action", "sample_us": "µs a sample", "gflops": "GFLOP/s"}
                text = unit.get(name, UNITS.get(task, ""))
                low, high = (f"{value:,.4g}" for value in (min(values), max(values)))
                lines.append(f"| {task} | {library} | {statistics.median(values):,.4g} {text} | {low} to {high} |")
    lines += ["", "| ratio | median | goal |", "|---|---|---|"]
    for what, task, above, below, goal in RATIOS:
        pair = figures.get(task, {})
        if above in pair and below in pair:
            ratios = [a["rate"] / b["rate"] for a, b in zip(pair[above], pair[below], strict=True)]
            lines.append(f"| {what} | {statistics.median(ratios):.2f} | ≥ {goal} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--quick", action="store_true", help="two short rounds of the main tasks; writes nothing")
    parser.add_argument("--only", default="", help="regular expression on `task library`")
    options = parser.parse_args()
    rounds, seconds = (2, 4.0) if options.quick else (options.rounds, options.seconds)
    chosen = [
        measurement
        for measurement in MEASUREMENTS
        if (not options.quick or measurement[:2] in QUICK) and re.search(options.only, " ".join(measurement[:2]))
    ]
    figures: dict[str, dict[str, list[dict[str, float]]]] = {}
    for number in range(rounds):
        for task, library, worker, name, arguments in chosen:
            figure = measure(worker, name, seconds, arguments)
            figures.setdefault(task, {}).setdefault(library, []).append(figure)
            shown = ", ".join(f"{key} {value:,.4g}" for key, value in figure.items())
            print(f"round {number + 1}/{rounds}  {task:<9} {library:<18} {shown}", flush=True)
    lines = table(figures)
    print("\n" + "\n".join(lines))
    if not options.quick and not options.only:
        write(figures, rounds, seconds, lines)


def write(figures: dict[str, dict[str, list[dict[str, float]]]], rounds: int, seconds: float, lines: list[str]) -> None:
    """Write the results file and the table in docs/performance.md."""
    listed = subprocess.run([PEERS, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    peers = {entry["name"]: entry["version"] for entry in json.loads(listed.stdout)}
    wanted = ("stable_baselines3", "sbx-rl", "jax", "jaxlib", "torch", "gymnasium", "mujoco", "numpy")
    ours = {name: version(name) for name in ("maxent", "torch", "gymnasium", "mujoco", "numpy")}
    data = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {"maxent": ours, "peers": {name: peers[name] for name in wanted if name in peers}},
        "rounds": rounds,
        "seconds": seconds,
        "figures": figures,
    }
    name = re.sub(r"[^A-Za-z0-9]+", "-", data["processor"]).strip("-").lower()
    path = HERE / "results" / f"{data['date']}-{name}-{data['cores']}core.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    page = HERE.parent / "docs" / "performance.md"
    begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
    text = page.read_text()
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    machine = f"{data['processor']}, {data['cores']} cores, {data['date']}, {rounds} rounds"
    caption = f"{machine} (`benchmarks/results/{path.name}`):\n\n"
    page.write_text(head + begin + caption + "\n".join(lines) + "\n" + end + tail)
    print(f"\nWritten: {path} and the table in {page}")


if __name__ == "__main__":
    main()
