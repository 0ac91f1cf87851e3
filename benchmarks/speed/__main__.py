"""Measure maxent and its peers: one process per measurement, libraries in turn, medians and ratios within each round.

    python benchmarks/speed [--rounds 5] [--seconds 8] [--quick] [--only REGEX]

`plan.py` lists what is measured. See README.md in the folder above.
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
sys.path[:0] = [str(HERE), str(HERE / "workers")]

from common import instructions, processor  # noqa: E402 - found through the line above
from measuring import PEERS, RESULTS, ROOT, Figure, measure  # noqa: E402
from plan import MEASUREMENTS, RATIOS, UNITS, Ratio  # noqa: E402

Figures = dict[str, dict[str, list[Figure]]]
"""The figures of each round, by task and library."""


def table(figures: Figures) -> list[str]:
    """Return the medians as a Markdown table, then the ratios with their goals."""
    units = {"peak_mb": "MB", "act_us": "µs an action", "sample_us": "µs a sample", "seconds": "s"}
    lines = ["| task | library | median | lowest to highest |", "|---|---|---|---|"]
    for task, libraries in figures.items():
        for library, rounds in libraries.items():
            for name in rounds[0]:
                if (name == "peak_mb") != (task == "memory") or (name == "gflops" and task != "modern"):
                    continue
                values = [figure[name] for figure in rounds]
                unit = "GFLOP/s" if name == "gflops" else units.get(name, UNITS.get(task, "updates/s"))
                low, high = (f"{value:,.4g}" for value in (min(values), max(values)))
                lines.append(f"| {task} | {library} | {statistics.median(values):,.4g} {unit} | {low} to {high} |")
    lines += ["", "| ratio | median | goal | |", "|---|---|---|---|"]
    return lines + [line for ratio in RATIOS if (line := row_of(ratio, figures))]


def row_of(ratio: Ratio, figures: Figures) -> str:
    """Return the row of a ratio; empty if one of its figures was not measured."""
    above, below = (figures.get(task, {}).get(library) for task, library in (ratio.above, ratio.below))
    if not (above and below):
        return ""
    values = [one[ratio.figure] / other[ratio.figure] for one, other in zip(above, below, strict=True)]
    median, sign = statistics.median(values), "≤" if ratio.at_most else "≥"
    missed = median > ratio.goal if ratio.at_most else median < ratio.goal
    return f"| {ratio.what} | {median:.2f} | {sign} {ratio.goal:g} | {'missed' if missed else ''} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--quick", action="store_true", help="two short rounds of the main tasks; writes nothing")
    parser.add_argument("--only", default="", help="regular expression on `task library`")
    options = parser.parse_args()
    rounds, seconds = (2, 4.0) if options.quick else (options.rounds, options.seconds)
    chosen = [
        plan
        for plan in MEASUREMENTS
        if (plan.quick or not options.quick) and re.search(options.only, f"{plan.task} {plan.library}")
    ]
    figures: Figures = {}
    for number in range(rounds):
        for plan in chosen:
            figure = measure(plan, seconds)
            figures.setdefault(plan.task, {}).setdefault(plan.library, []).append(figure)
            shown = ", ".join(f"{key} {value:,.4g}" for key, value in figure.items())
            print(f"round {number + 1}/{rounds}  {plan.task:<26} {plan.library:<20} {shown}", flush=True)
    lines = table(figures)
    print("\n" + "\n".join(lines))
    if not options.quick and not options.only:
        write(figures, rounds, seconds, lines)


def write(figures: Figures, rounds: int, seconds: float, lines: list[str]) -> None:
    """Write the results file and the table in docs/performance.md."""
    listed = subprocess.run([PEERS, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    peers = {entry["name"]: entry["version"] for entry in json.loads(listed.stdout)}
    wanted = ("stable_baselines3", "sbx-rl", "jax", "jaxlib", "torch", "gymnasium", "mujoco", "numpy")
    ours = {name: version(name) for name in ("maxent", "torch", "gymnasium", "mujoco", "numpy")}
    data = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "instructions": instructions(),
        "cores": os.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"maxent": ours, "peers": {name: peers[name] for name in wanted if name in peers}},
        "rounds": rounds,
        "seconds": seconds,
        "figures": figures,
    }
    name = re.sub(r"[^A-Za-z0-9]+", "-", data["processor"]).strip("-").lower()
    path = RESULTS / f"{data['date']}-{name}-{data['cores']}core.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    page = ROOT / "docs" / "performance.md"
    begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
    text = page.read_text()
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    machine = f"{data['processor']} ({data['instructions']}), {data['cores']} cores, {data['date']}, {rounds} rounds"
    caption = f"{machine} (`benchmarks/results/{path.name}`):\n\n"
    page.write_text(head + begin + caption + "\n".join(lines) + "\n" + end + tail)
    print(f"\nWritten: {path} and the table in {page}")


if __name__ == "__main__":
    main()
