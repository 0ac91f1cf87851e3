"""Run folders with made-up metrics of known values: what a finished run leaves, without training one."""

from pathlib import Path
from typing import Any

import numpy as np

from maxent.findings import Finding
from maxent.runs.ending import EndingSink
from maxent.runs.evaluations import EvaluationSink
from maxent.runs.findings import FindingsSink
from maxent.runs.folder import RunFolder
from maxent.runs.layout import ENDING
from maxent.runs.observer import Evaluation, Observer, Record, RunHeader
from maxent.runs.sinks import CsvSink
from maxent.runs.tags import CRITIC_TAGS, LEADING_TAGS, RUN_TAGS, WATCH_TAGS

LEARNING_TAGS = (
    "train/actor_loss", "train/critic_loss", "train/ent_coef", "train/ent_coef_loss", "train/target_entropy",
    "train/entropy", "train/q_mean",
)  # fmt: skip
TAGS = (*LEADING_TAGS, *CRITIC_TAGS, *LEARNING_TAGS, *WATCH_TAGS, *RUN_TAGS)
FINDING = Finding("critic-growth", "warning", "Q grows <b>fast</b>", "12 times", "it diverges", "lower learning_rate")


def made_config(**changes: Any) -> dict[str, Any]:
    """Return the sections of a config.json as a run of SAC on Pendulum has them."""
    members = changes.get("members", 2)
    return {
        "env": {"name": "Pendulum-v1", "source": {"id": "Pendulum-v1", "kwargs": changes.get("env_kwargs", {})}},
        "run": {
            "steps": changes.get("steps", 20_000),
            "seed": 7,
            "seeds": members,
            "eval_every": 2_000,
            "device": "cpu",
        },
        "replay": {"buffer_size": 20_000, "batch_size": 256, "replay": {"kind": "uniform"}},
        "learner": {
            "algorithm": changes.get("algorithm", "sac"),
            "settings": {"gamma": 0.99, "learning_rate": 0.001, "hidden": [64, 64]},
            "seeds": list(range(7, 7 + members)),
            "observation": {"leaves": []},
            "action": {},
        },
        "recipe": None,
    }


def made_run(
    path: Path,
    *,
    findings: bool = False,
    episodes: bool = False,
    rows: int = 20,
    log_every: int = 1_000,
    ending: str = "finished",
    **changes: Any,
) -> Path:
    """Write a run folder whose evaluation return of member k at step s is s/100 + 10k, every second row.

    With `episodes`, an evaluation has three, of returns one below its mean, the mean and one above it.
    A row takes 3 s; updates are the steps, less 1,000; α is 1/row; entropy is 1 − row/10 against a target of −1.
    """
    config = made_config(**{"steps": rows * log_every} | changes)
    members = len(config["learner"]["seeds"])
    folder = RunFolder.create(path)
    folder.write_config(config)
    ones, members_axis = np.ones(members), np.arange(members)
    sinks: list[Observer] = [CsvSink(folder.metrics, TAGS), EndingSink(path / ENDING)]
    if episodes:
        sinks.append(EvaluationSink(folder.evaluations, 3))
    if findings:
        sinks.append(FindingsSink(folder.findings))
    for sink in sinks:
        sink.on_start(RunHeader("sac", "Pendulum-v1", members, "cpu", compiled=False, steps=rows * log_every))
    for row in range(1, rows + 1):
        step = row * log_every
        values = {
            "rollout/ep_rew_mean": np.full(members, np.nan) if row == 1 else step / 200.0 + members_axis,
            "rollout/ep_len_mean": 200.0 * ones,
            "train/actor_loss": -row * ones,
            "train/critic_loss": 100.0 / row * ones + members_axis,
            "train/ent_coef": ones / row,
            "train/ent_coef_loss": -ones,
            "train/entropy": (1.0 - row / 10) * ones,
            "train/target_entropy": -ones,
            "train/q_mean": row * ones + members_axis,
            "train/n_updates": max(0.0, step - 1_000.0) * ones,
            "time/fps": 333.0 * members * ones,
            "time/updates_per_second": 333.0 * members * ones,
            "time/time_elapsed": 3.0 * row * ones,
            "time/total_timesteps": float(step * members) * ones,
        }
        if row % 2 == 0:
            mean = step / 100 + 10.0 * members_axis
            values |= {"eval/mean_reward": mean, "eval/mean_ep_length": 200.0 * ones}
            values |= {"eval/q_value": mean / 4, "eval/discounted_return": mean / 5}
            returns = np.stack([mean - 1.0, mean, mean + 1.0], axis=1)  # [P, 3]
            for sink in sinks:
                sink.on_evaluation(Evaluation(step, returns, np.full(returns.shape, 200)))
        for sink in sinks:
            sink.on_record(Record(step, values))
            if findings and row == 5:
                sink.on_finding(FINDING, step)
    for sink in sinks:
        sink.on_end(ending)
    folder.unlock()
    return path
