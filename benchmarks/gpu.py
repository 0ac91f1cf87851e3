"""Measure maxent and Stable-Baselines3 on one GPU: updates per second for 1, 8 and 64 members.

    python benchmarks/gpu.py [--seconds 6] [--sb3 python]

Each figure comes from a process of its own. SB3 runs in .venv-peers where that is, or with the interpreter that --sb3
names; its torch must see the GPU as well. The figures are printed and written to results/<date>-<gpu>.json.
"""

import argparse
import json
import re
import shutil
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from speed import HERE, PEERS, measure

MEMBERS = (1, 8, 64)
PRECISIONS = ("float32", "tf32", "bf16")
ROUNDS = 2


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--sb3", default=str(PEERS), help="the interpreter that has Stable-Baselines3")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU, so there is nothing to measure.")
    runs = [
        (f"maxent, {members} members, {precision}", Path(sys.executable), "run_maxent",
         ["on", "--members", str(members), "--device", "cuda", "--precision", precision])
        for precision in PRECISIONS for members in MEMBERS
    ]  # fmt: skip
    sb3 = shutil.which(options.sb3)
    if sb3 is not None:
        runs.insert(0, ("SB3", Path(sb3), "run_sb3", ["cuda"]))
    else:
        print(f"{options.sb3} does not exist: SB3 is left out.")
    figures: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        for name, python, worker, arguments in runs:
            rate = measure(worker, "updates", options.seconds, arguments, python=python)["rate"]
            figures.setdefault(name, []).append(rate)
            print(f"round {number + 1}/{ROUNDS}  {name:<28} {rate:,.0f} member-updates/s", flush=True)
    gpu = torch.cuda.get_device_name()
    base = statistics.median(figures["SB3"]) if "SB3" in figures else None
    print(f"\n{gpu}, torch {version('torch')}:\n\n| | member-updates/s | of SB3's |\n|---|---|---|")
    for name, rates in figures.items():
        rate = statistics.median(rates)
        print(f"| {name} | {rate:,.0f} | {'' if base is None else f'{rate / base:.1f}'} |")
    path = HERE / "results" / f"{time.strftime('%Y-%m-%d')}-{re.sub(r'[^A-Za-z0-9]+', '-', gpu).lower()}.json"
    versions = {name: version(name) for name in ("maxent", "torch")}
    path.write_text(json.dumps({"gpu": gpu, "versions": versions, "figures": figures}, indent=1) + "\n")
    print(f"\nWritten: {path}")


if __name__ == "__main__":
    main()
