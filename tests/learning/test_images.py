"""SAC learns to steer by an image: the parameters of its convolutions come from the critics' loss alone.

Random actions have a mean return of −20.3, steering straight to the target −1.9 (tests/unit/envs/problems/test_dot.py).
"""

from typing import Any

import pytest

import maxent

SETTINGS: dict[str, Any] = {
    "hidden": (64, 64), "batch_size": 64, "learning_rate": 1e-3, "gamma": 0.9, "alpha": 0.05, "learning_starts": 500,
    "buffer_size": 20_000, "eval_every": 0, "compile": "off", "verbose": False,
}  # fmt: skip


def test_a_few_hundred_updates_are_much_better_than_chance() -> None:
    """2,000 steps. Measured −10.5 over 50 episodes; an agent that stays where it is has about −18.8."""
    agent = maxent.SAC("maxent/Dot-v0", seed=0, **SETTINGS)
    agent.learn(2_000)
    assert agent.evaluate(50).mean.mean() >= -14.0


@pytest.mark.slow
def test_two_seeds_reach_the_target() -> None:
    """6,000 steps, 50 episodes of each seed. Measured −5.5 and −5.6."""
    agent = maxent.SAC("maxent/Dot-v0", seed=0, seeds=2, **SETTINGS)
    agent.learn(6_000)
    result = agent.evaluate(50)
    assert result.returns.shape == (2, 50)
    assert result.mean.min() >= -8.0
