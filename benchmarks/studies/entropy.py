"""Draw the entropy of a trained policy over the states of Pendulum-v1, beside paths of its best actions.

python benchmarks/studies/entropy.py
"""

from typing import cast

import matplotlib as mpl
import numpy as np
import torch
from figures import GREY, PICTURES, panels_of
from matplotlib.backends.backend_agg import FigureCanvasAgg

import maxent
from maxent.algorithms.sac import SoftActorCritic

ANGLES, SPEEDS = np.linspace(-np.pi, np.pi, 121), np.linspace(-8.0, 8.0, 81)
PATHS = 6


def entropies(agent: maxent.Agent) -> np.ndarray:
    """Return H(π(·|s)) on the grid of speeds and angles. [V, A]"""
    speed, angle = np.meshgrid(SPEEDS, ANGLES, indexing="ij")
    obs = np.stack([np.cos(angle), np.sin(angle), speed], -1).reshape(1, -1, 3).astype(np.float32)
    learner = agent._learner
    policy = cast(SoftActorCritic, learner.algorithm).actor(learner.state, torch.from_numpy(obs))
    return policy.entropy()[0].numpy().reshape(speed.shape)


def paths(agent: maxent.Agent) -> list[np.ndarray]:
    """Return angles and speeds of episodes with the policy's best actions. [T, 2] each"""
    env, found = agent.make_env(), []
    for seed in range(PATHS):
        obs, _ = env.reset(seed=seed)
        path = [obs]
        for _ in range(100):
            obs, *_ = env.step(agent.predict(obs, deterministic=True)[0])
            path.append(obs)
        cosine, sine, speed = np.stack(path).T
        found.append(np.stack([np.arctan2(sine, cosine), speed], 1))
    env.close()
    return found


def main() -> None:
    """Train with the recipe, and draw."""
    agent = maxent.SAC.from_recipe("Pendulum-v1", seed=0, eval_every=0, verbose=False)
    agent.learn(20_000)
    values = entropies(agent)
    figure, (panel,) = panels_of(["entropy of π(·|s) in nats, and six paths"], height=3.8)
    figure.set_size_inches(7.0, 3.8)
    mesh = panel.pcolormesh(ANGLES, SPEEDS, values, cmap=mpl.colormaps["viridis"], shading="gouraud", rasterized=True)
    figure.colorbar(mesh, ax=panel)
    for path in paths(agent):
        steps = np.flatnonzero(np.abs(np.diff(path[:, 0])) > np.pi) + 1  # where the angle wraps around
        for part in np.split(path, steps):
            panel.plot(part[:, 0], part[:, 1], color="white", lw=0.9, alpha=0.9)
    panel.set_xticks([-np.pi, 0, np.pi], ["down", "up", "down"])
    panel.set_xlabel("angle", color=GREY)
    panel.set_ylabel("speed", color=GREY)
    PICTURES.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(PICTURES / "entropy.png", dpi=160)
    quantiles = np.quantile(values, [0.0, 0.1, 0.5, 0.9, 1.0])
    print("entropy, quantiles 0, 10, 50, 90, 100 %: " + ", ".join(f"{value:.2f}" for value in quantiles))


if __name__ == "__main__":
    main()
