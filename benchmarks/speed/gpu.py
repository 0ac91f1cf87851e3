"""Measure maxent and Stable-Baselines3 on one GPU: updates per second for 1 to 512 members, and modern networks.

    python benchmarks/speed/gpu.py [--seconds 6] [--sb3 python]

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
from measuring import PEERS, RESULTS, measure
from plan import MAXENT, SB3, Measurement

MEMBERS = (1, 8, 64, 512)
MODERN = ("layernorm", "ten", "flash")
PRECISIONS = ("float32", "tf32", "bf16")
ROUNDS = 2


def of_maxent(network: str, members: int, precision: str) -> Measurement:
    """Return the measurement of updates of a network of `workers/run_maxent.py`."""
    arguments = ("on", "--members", str(members), "--device", "cuda", "--precision", precision)
    return Measurement("gpu", f"maxent {network}, {members} members, {precision}", MAXENT, network, arguments)


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--sb3", default=str(PEERS), help="the interpreter that has Stable-Baselines3")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU, so there is nothing to measure.")
    runs = [of_maxent("updates", members, precision) for precision in PRECISIONS for members in MEMBERS] + [
        of_maxent(network, members, "tf32") for network in MODERN for members in (1, 8)
    ]
    sb3 = shutil.which(options.sb3)
    if sb3 is not None:
        runs.insert(0, Measurement("gpu", "SB3", SB3, "updates", ("cuda",)))
    else:
        print(f"{options.sb3} does not exist: SB3 is left out.")
    figures: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        for plan in runs:
            rate = measure(plan, options.seconds, Path(options.sb3))["rate"]
            figures.setdefault(plan.library, []).append(rate)
            print(f"round {number + 1}/{ROUNDS}  {plan.library:<36} {rate:,.0f} member-updates/s", flush=True)
    gpu = torch.cuda.get_device_name()
    base = statistics.median(figures["SB3"]) if "SB3" in figures else None
    print(f"\n{gpu}, torch {version('torch')}:\n\n| | member-updates/s | of SB3's |\n|---|---|---|")
    for name, rates in figures.items():
        rate = statistics.median(rates)
        print(f"| {name} | {rate:,.0f} | {'' if base is None else f'{rate / base:.1f}'} |")
    path = RESULTS / f"{time.strftime('%Y-%m-%d')}-{re.sub(r'[^A-Za-z0-9]+', '-', gpu).lower()}.json"
    versions = {name: version(name) for name in ("maxent", "torch")}
    path.write_text(json.dumps({"gpu": gpu, "versions": versions, "figures": figures}, indent=1) + "\n")
    print(f"\nWritten: {path}")


if __name__ == "__main__":
    main()
