"""The figures of a run: which metrics are shown together, under which words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from maxent.page.charts import Block, Chart, Entry, block_of, plain_name, rows_for
from maxent.results.run import RunResults

DASHED = (5, 4)


@final
@dataclass(frozen=True)
class Line:
    """A metric in a figure: its tag, label, place among the colours, and whether dashed; details are band and seeds."""

    tag: str
    label: str
    colour: int | str = 0
    dash: tuple[int, ...] = ()
    details: bool = True


@final
@dataclass(frozen=True)
class Plan:
    """A figure that is shown where a run has one of its metrics."""

    key: str
    title: str
    about: str
    y_label: str
    lines: tuple[Line, ...]
    decades: bool = False  # whether a logarithmic scale suits it


PLANS = (
    Plan(
        "return",
        "Return",
        "Evaluation episodes, which play the most probable action, and the mean of the last 100 training episodes.",
        "return per episode",
        (
            Line("eval/mean_reward", "evaluation"),
            Line("rollout/ep_rew_mean", "training", "training", details=False),
        ),
    ),
    Plan(
        "alpha",
        "Temperature α",
        "The weight of the entropy. A learned α falls until the entropy meets its target.",
        "α",
        (Line("train/ent_coef", "α"),),
        decades=True,
    ),
    Plan(
        "entropy",
        "Entropy against its target",
        "−log π of sampled actions, mean of the updates' batches. It should come to rest at the target.",
        "nats",
        (
            Line("train/entropy", "entropy"),
            Line("train/target_entropy", "target", 1, DASHED, details=False),
        ),
    ),
    Plan(
        "q",
        "Q against the returns obtained",
        "Where evaluation episodes begin: the smallest of the critics' values of the most probable action, and the "
        "discounted return that followed, both in the environment's rewards. Critics that count entropy as reward lie "
        "above or below it by the discounted entropy times α; critics far above overestimate.",
        "discounted return",
        (
            Line("eval/q_value", "critics"),
            Line("eval/discounted_return", "return obtained", 1, DASHED),
        ),
    ),
    Plan(
        "q-batches",
        "Q in updates",
        "Mean of the critics over the batches of updates.",
        "Q",
        (Line("train/q_mean", "Q"), Line("train/v_mean", "V", 1)),
    ),
    Plan("critic-loss", "Critic loss", "Mean over the updates since the row before.", "loss",
         (Line("train/critic_loss", "critic loss"), Line("train/value_loss", "value loss", 1)), decades=True),
    Plan("actor-loss", "Actor loss", "Mean over the updates since the row before.", "loss",
         (Line("train/actor_loss", "actor loss"),)),
    Plan("alpha-loss", "Temperature loss", "Mean over the updates since the row before.", "loss",
         (Line("train/ent_coef_loss", "α loss"),)),
    Plan(
        "throughput",
        "Throughput",
        "Environment steps and updates a second, members added up.",
        "per second",
        (Line("time/fps", "environment steps"), Line("time/updates_per_second", "updates", 1)),
        decades=True,
    ),
    Plan(
        "length",
        "Episode length",
        "Steps per episode.",
        "steps",
        (
            Line("eval/mean_ep_length", "evaluation"),
            Line("rollout/ep_len_mean", "training", "training", details=False),
        ),
    ),
    Plan(
        "watch",
        "Saturated actions and inactive units",
        "Share of actions at the edge of their range, and the largest share of units of a layer that are inactive.",
        "share",
        (Line("watch/saturated", "actions at ±1"), Line("watch/dead_units", "inactive units", 1)),
    ),
)  # fmt: skip
"""The figures of a page in their order."""

UNDRAWN = frozenset(
    {"time/time_elapsed", "time/total_timesteps", "train/n_updates", "watch/findings", "rollout/ep_dropped"}
)
"""Tags that are no curve of their own."""
MOST_OTHERS = 12
"""Most figures of metrics that no plan has, such as those of an algorithm of the user."""


def plans_of(runs: Sequence[RunResults]) -> list[Plan]:
    """Return the figures of these runs: the known ones, and one for each metric that these do not have."""
    found = list(dict.fromkeys(tag for run in runs for tag in run.metrics.tags))
    planned = {line.tag for plan in PLANS for line in plan.lines}
    others = [tag for tag in found if tag not in planned | UNDRAWN][:MOST_OTHERS]
    more = [
        Plan(f"other-{number}", plain_name(tag), "A metric of the algorithm.", "value", (Line(tag, plain_name(tag)),))
        for number, tag in enumerate(others)
    ]
    return [*PLANS, *more]


def run_charts(run: RunResults, name: str | None = None) -> tuple[Chart, ...]:
    """Return the figures of one run, those that it has metrics for."""
    name = plain_name(run.name) if name is None else name
    plans = plans_of([run])
    tags = [line.tag for plan in plans for line in plan.lines if run.metrics.has(line.tag)]
    most = rows_for(sum(4 + _columns(run, tag) for tag in tags))
    blocks = {tag: block_of(run.metrics, tag, run=name, seeds=run.seeds, most=most) for tag in tags}
    return tuple(chart for plan in plans if (chart := _chart(plan, blocks, run)) is not None)


def _columns(run: RunResults, tag: str) -> int:
    """Return the columns of a tag: mean, low, high and seeds."""
    return 3 + int(run.metrics.by_member(tag).shape[1])


def _chart(plan: Plan, blocks: dict[str, Block | None], run: RunResults) -> Chart | None:
    """Return a figure with the metrics that the run has; None if it has none of them."""
    entries = []
    for line in plan.lines:
        block = blocks.get(line.tag)
        if block is not None:
            label = line.label + (", mean" if run.members > 1 and len(block.columns) > 1 else "")
            entries.append(Entry(block, label, line.colour, line.dash, line.details))
    if not entries:
        return None
    return Chart(plan.key, plan.title, plan.about, plan.y_label, tuple(entries), decades=plan.decades)
