"""Does rounding matrix products to bfloat16 hurt learning? Five seeds each way on Pendulum-v1 and HalfCheetah-v5.

    python benchmarks/rounding.py [env ...]

Processors without AMX compute bfloat16 products tens of times slower than float32 ones. Where there is none, the same
roundings are made in float32: both inputs of every product, its result and both gradients are rounded to bfloat16, and
sums stay float32, as `--precision bf16` does. Runs lie below runs/rounding and are taken up where they stopped; the
figures are written to results/rounding.json.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch

import maxent
from maxent import native
from maxent.engine.host import has_amx
from maxent.opening import resume_run
from maxent.statistics import mean_interval
from maxent.training.stop import Outcome

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "rounding"
MEASURED = ROOT / "benchmarks" / "results" / "rounding.json"
TASKS = {
    "Pendulum-v1": {"steps": 20_000, "learning_rate": 1e-3, "learning_starts": 100, "buffer_size": 20_000},
    "HalfCheetah-v5": {"steps": 100_000, "learning_rate": 1e-3, "learning_starts": 1_000, "buffer_size": 100_000},
}
PRECISIONS = ("float32", "bf16")


def round_products() -> None:
    """Make torch.bmm round as bfloat16 products do, and its gradients as well, for the rest of this process."""
    native.used = False  # whose own layers know no other numbers
    product = torch.bmm

    def rounded(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return product(a.bfloat16().float(), b.bfloat16().float()).bfloat16().float()

    torch.bmm = rounded


def train(env: str, precision: str) -> None:
    """Train five seeds of one task in one precision, in this process."""
    folder, settings = RUNS / f"{env}-{precision}", dict(TASKS[env])
    steps, begun = settings.pop("steps"), (folder / "config.json").exists()
    emulated = precision == "bf16" and (stored_precision(folder) == "float32" if begun else not has_amx())
    if emulated:
        round_products()
    if begun:
        finish(resume_run(folder))
        return
    agent = maxent.SAC(
        env, seed=100, seeds=5, recipe=False, hidden=(64, 64), precision="float32" if emulated else precision,
        eval_every=steps // 4, checkpoint_every=steps // 4, **settings,
    )  # fmt: skip
    finish(agent.train(steps, folder))


def stored_precision(folder: Path) -> str:
    """Return the precision of a run, from its configuration."""
    return json.loads((folder / "config.json").read_text())["run"]["precision"]


def finish(outcome: Outcome) -> None:
    """Exit with an error if the run was cut off, for the calling process."""
    if outcome is not Outcome.FINISHED:
        sys.exit(1)


def finished(folder: Path, steps: int) -> bool:
    """Return whether a run has made all its steps."""
    policy = folder / "last" / "policy.json"
    return policy.exists() and json.loads(policy.read_text())["step"] >= steps


def main() -> None:
    """Train, evaluate and print, one process after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env", nargs="*", default=list(TASKS))
    parser.add_argument("--train", help="one precision, in this process; what the script itself calls")
    options = parser.parse_args()
    if options.train:
        train(options.env[0], options.train)
        return
    measured = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    print("| task | products | mean of 5 seeds | 95 % interval | of each seed |\n|---|---|---|---|---|")
    for env in options.env:
        for precision in PRECISIONS:
            folder = RUNS / f"{env}-{precision}"
            if not finished(folder, TASKS[env]["steps"]):
                subprocess.run([sys.executable, __file__, env, "--train", precision], check=True, stdout=sys.stderr)
            words = [sys.executable, "-m", "maxent", "eval", str(folder), "--episodes", "50", "--json"]
            said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
            means = [member["mean"] for member in json.loads(said)["members"]]
            measured[f"{env}-{precision}"] = {"means": means, "emulated": stored_precision(folder) != precision}
            mean, interval = sum(means) / len(means), mean_interval(means)
            each = ", ".join(f"{one:.0f}" for one in means)
            span = f"{interval.low:.1f} to {interval.high:.1f}"
            print(f"| {env} | {precision} | {mean:.1f} | {span} | {each} |", flush=True)
            MEASURED.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
