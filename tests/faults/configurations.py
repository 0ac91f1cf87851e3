"""Small runs of every algorithm, kind of replay and way of stepping environments."""

from typing import Any

from short_runs import SMALL

import maxent

STEPS = 100
BOX, CHOICES, GOALS = "Pendulum-v1", "CartPole-v1", "maxent/PointReach-v0"
WIDE: dict[str, Any] = {"seeds": 2, "num_envs": 2, "learning_starts": 20}
CATEGORICAL: dict[str, Any] = {"critic_hidden": (9,), "policy_delay": 2, "atoms": 11}

ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "sac": (BOX, {}),
    "sac-v1": (BOX, {}),
    "sac-discrete": (CHOICES, {}),
    "td3": (BOX, {}),
    "ddpg": (BOX, {}),
    "dqn": (CHOICES, {}),
    "soft-q": (BOX, {"policy_particles": 4, "value_particles": 3}),
    "reinforce": (CHOICES, {"rollout_steps": 8}),
    "actor-critic": (BOX, {"rollout_steps": 8}),
    "redq": (BOX, {"critics": 3, "policy_delay": 2}),
    "droq": (BOX, {"dropout": 0.2, "policy_delay": 2}),
    "tqc": (BOX, {"quantiles": 5}),
    "crossq": (BOX, {"critic_hidden": (9,), "policy_delay": 2}),
    "xqc": (BOX, CATEGORICAL),
    "flash-sac": (BOX, CATEGORICAL | {"noise_repeat": 16}),
}

VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "prioritised": ("sac", BOX, {"replay": "prioritized", **WIDE}),
    "hindsight": ("sac", GOALS, {"replay": "hindsight"}),
    "n-step, two members": ("sac", BOX, {"n_step": 3, **WIDE}),
    "normalised": ("td3", BOX, {"norm_obs": True, "norm_reward": True, **WIDE}),
    "worker processes": ("sac", BOX, {"workers": True, **WIDE}),
}

CONFIGURATIONS = {name: (name, *rest) for name, rest in ALGORITHMS.items()} | VARIANTS


def agent_of(name: str, **settings: Any) -> maxent.Agent:
    """Return the agent of a configuration."""
    algorithm, env, own = CONFIGURATIONS[name]
    kind = maxent.algorithms.find(algorithm)
    usual = {key: value for key, value in SMALL.items() if not kind.on_policy or key not in REPLAY}
    length = {"max_episode_steps": 25}
    return maxent.Agent(env, algorithm=kind, env_kwargs=length, **usual | own | settings)


REPLAY = ("batch_size", "learning_starts", "buffer_size", "replay_ratio")
