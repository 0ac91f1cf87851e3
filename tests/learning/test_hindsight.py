"""A point whose reward shows only whether it has arrived learns to arrive with hindsight, and not without."""

import gymnasium as gym
import numpy as np
import pytest

import maxent

EPISODES = 50


def successes(agent: maxent.Agent) -> np.ndarray:
    """Return the share of episodes that end at the goal, for every member."""
    envs = gym.make_vec("maxent/PointReach-v0", num_envs=EPISODES, vectorization_mode="sync")
    shares = []
    for member in range(agent.members):
        obs, _ = envs.reset(seed=[10_000 + episode for episode in range(EPISODES)])
        for _ in range(50):
            actions, _ = agent.predict(obs, deterministic=True, member=member)
            obs, reward, _, truncated, _ = envs.step(actions)
        assert truncated.all()
        shares.append(np.mean(reward == 0.0))
    envs.close()
    return np.array(shares)


def trained(replay: str) -> maxent.Agent:
    agent = maxent.SAC(
        "maxent/PointReach-v0", seeds=3, replay=replay, hidden=(64, 64), batch_size=128, learning_starts=500,
        gamma=0.95, learning_rate=1e-3, buffer_size=20_000, eval_every=0, compile="off", verbose=False,
    )  # fmt: skip
    return agent.learn(8_000)


@pytest.mark.slow
def test_hindsight_reaches_goals_that_a_uniform_replay_does_not() -> None:
    """8,000 steps, that is 160 episodes. Measured over three seeds: 1.00, 0.96 and 0.98 against 0.00, 0.00 and 0.00."""
    assert successes(trained("hindsight")).mean() >= 0.9
    assert successes(trained("uniform")).mean() <= 0.2
