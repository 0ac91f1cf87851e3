"""Measure the learning results of docs/results.md: five seeds each, trained and evaluated by the commands listed there.

    python benchmarks/learning.py                     every row; hours on two cores; an interrupted one is continued
    python benchmarks/learning.py sac-Pendulum-v1     some of them
    python benchmarks/learning.py --table             write the table again from the measurements

Runs lie below runs/results. A row is trained with its recipe, seeds 100 to 104; its last policies are evaluated on 50
episodes a seed, whose seeds no training has used. Every seed counts.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maxent import algorithms, recipes
from maxent.statistics import mean_interval
from maxent.training.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "results"
MEASURED = ROOT / "benchmarks" / "results" / "learning.json"
PAGE = ROOT / "docs" / "results.md"
MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")


@dataclass(frozen=True)
class Row:
    """One result: an algorithm on a task, and the mean return to reach; None where only goals are counted."""

    algo: str
    env: str
    steps: int
    goal: float | None

    @property
    def name(self) -> str:
        """The name of its run folder."""
        return f"{self.algo}-{self.env.rpartition('/')[2]}"

    @property
    def train(self) -> str:
        """The command that trains it."""
        return (
            f"maxent train {self.env} --algo {self.algo} --steps {self.steps} --seeds 5 --seed 100 "
            f"--run-dir runs/results/{self.name}"
        )

    @property
    def evaluate(self) -> str:
        """The command that evaluates it."""
        return f"maxent eval runs/results/{self.name} --episodes 50 --json"

    @property
    def goals(self) -> str:
        """The command that counts the goals reached, of the task that has several."""
        return f"maxent play runs/results/{self.name} --picture docs/images/goals-{self.algo}.png"


ROWS = [
    Row("sac", "Pendulum-v1", 20_000, -155),
    Row("sac", "MountainCarContinuous-v0", 50_000, 93),
    Row("sac", "LunarLanderContinuous-v3", 300_000, 250),
    Row("sac", "BipedalWalker-v3", 500_000, 290),
    Row("sac-v1", "Pendulum-v1", 20_000, -170),
    Row("td3", "Pendulum-v1", 20_000, -160),
    Row("ddpg", "Pendulum-v1", 20_000, -190),
    Row("soft-q", "Pendulum-v1", 30_000, -250),
    Row("soft-q", "maxent/MultiGoal-v0", 20_000, None),
    Row("sac", "maxent/MultiGoal-v0", 20_000, None),
    Row("td3", "maxent/MultiGoal-v0", 20_000, None),
    Row("sac-discrete", "CartPole-v1", 50_000, 490),
    Row("sac-discrete", "Acrobot-v1", 100_000, -85),
    Row("sac-discrete", "LunarLander-v3", 300_000, 200),
    Row("dqn", "CartPole-v1", 50_000, 490),
    Row("dqn", "Acrobot-v1", 100_000, -90),
    Row("reinforce", "CartPole-v1", 300_000, 450),
    Row("actor-critic", "CartPole-v1", 300_000, 450),
]


def command(line: str) -> str:
    """Run a maxent command with this interpreter in the repository; return its output."""
    words = [sys.executable, "-m", *line.split()]
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(row: Row) -> dict[str, object]:
    """Train, or resume an interrupted run, and evaluate."""
    folder = RUNS / row.name
    require_recipe(row, folder)
    if not folder.exists():
        command(row.train)
    elif not (folder / "last" / "policy.json").exists():
        command(f"maxent resume runs/results/{row.name}")
    result: dict[str, object] = {
        "means": [member["mean"] for member in json.loads(command(row.evaluate))["members"]],
        "seconds": seconds(folder),
    }
    if row.goal is None:
        lines = command(row.goals).splitlines()
        result["goals"] = [line for line in lines if line.startswith("member")]
        (result["shown"],) = [int(line.split()[3].rstrip(",")) for line in lines if line.startswith("Picture")]
    return result


def require_recipe(row: Row, folder: Path) -> None:
    """Exit if a row has no recipe, or if the run in its folder has other settings than the recipe has now."""
    recipe = recipes.find(row.env, row.algo)
    if recipe is None:
        sys.exit(f"{row.name}: there is no recipe, so its command would train with the defaults.")
    if folder.exists():
        algorithm = algorithms.find(row.algo)
        expected = plain_settings_of(Settings.of(algorithm, recipe.settings | {"steps": row.steps}).to_plain())
        data = json.loads((folder / "config.json").read_text())
        found = plain_settings_of({**data, "settings": data["learner"]["settings"]})
        other = {name for name in (*recipe.settings, "steps") if found[name] != expected[name]}
        if other:
            sys.exit(f"{folder}: {', '.join(sorted(other))} differ from the recipe; move the folder away.")


def plain_settings_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run by name, from its records as plain data."""
    return {**data["run"], **(data["replay"] or {}), **data["settings"]}


def seconds(folder: Path) -> float:
    """Return the seconds that training took, by the run's own clock."""
    with (folder / "metrics.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["time/time_elapsed"])


def table(measured: dict[str, dict[str, object]]) -> str:
    """Return the table of all rows, measured or not yet."""
    lines = [
        "| algorithm | task | steps | goal | mean of 5 seeds | 95 % interval | of each seed | minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    commands = []
    for row in ROWS:
        start = f"| {row.algo} | {row.env} | {row.steps:,} | {'' if row.goal is None else f'≥ {row.goal:g}'} |"
        if row.name not in measured:
            lines.append(f"{start} not measured yet | | | |")
            continue
        result = measured[row.name]
        means = np.array(result["means"])
        interval = mean_interval(means)
        missed = row.goal is not None and means.mean() < row.goal
        mean = f"{means.mean():.1f}" + (" (missed)" if missed else "")
        each = ", ".join(f"{mean:.0f}" for mean in means)
        minutes = float(str(result["seconds"])) / 60.0
        lines.append(f"{start} {mean} | {interval.low:.1f} to {interval.high:.1f} | {each} | {minutes:.0f} |")
        commands += [row.train, row.evaluate] + ([row.goals] if row.goal is None else [])
    shares = [f"{row.algo}, {line}" for row in ROWS for line in measured.get(row.name, {}).get("goals", [])]  # type: ignore[attr-defined]
    text = "\n".join(lines) + "\n\n"
    if shares:
        pictures = [row for row in ROWS if "goals" in measured.get(row.name, {})]
        for row in pictures:
            caption = f"{row.algo}, member {measured[row.name]['shown']}"
            text += f"![Paths of {caption} among four goals](images/goals-{row.algo}.png)\n*{caption}.*\n\n"
        text += (
            "60 of the 1,000 sampled paths of the last policy, over the mean of Q; the percentages are those of all "
            "1,000. Each picture is of the member whose rarest goal has the median share of the five.\n\n"
        )
        text += "Goals kept on `maxent/MultiGoal-v0`:\n\n```\n" + "\n".join(shares) + "\n```\n\n"
    return text + "Commands of each row:\n\n```\n" + "\n".join(commands) + "\n```\n"


def write(measured: dict[str, dict[str, object]]) -> None:
    """Write the figures, and the table of the page."""
    MEASURED.write_text(json.dumps(measured, indent=1) + "\n")
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    PAGE.write_text(before + MARKS[0] + "\n" + table(measured) + MARKS[1] + after)


def main() -> None:
    """Measure the rows that were named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="*", help="names such as sac-Pendulum-v1; by default all")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    chosen = parser.parse_args()
    measured = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    unknown = set(chosen.row) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"expected names among {', '.join(row.name for row in ROWS)}, got {', '.join(sorted(unknown))}")
    for row in ROWS:
        if not chosen.table and (not chosen.row or row.name in chosen.row):
            measured[row.name] = measure(row)
            write(measured)
    write(measured)


if __name__ == "__main__":
    main()
