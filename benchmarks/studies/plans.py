"""The runs of each study, in the order in which they are made: a study that is cut short is still balanced."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jobs import Job

HOPPER, LANDER, CUP = "Hopper-v5", "LunarLanderContinuous-v3", "dm_control/ball_in_cup-catch-v0"
SOLVED = {HOPPER: 300.0, LANDER: 100.0, CUP: 400.0}
"""A run solves a task when its last policy's mean return over the evaluation episodes is at least this.

Chosen before the study. Random actions reach 19 ± 22 and −202 ± 104 on the first two (30 episodes). 300 is a hopper
that makes its first hops, 100 a lander that lands, 400 a ball that is in the cup for 40 % of the time: the reward is 1
there and 0 elsewhere.
"""

SETTINGS = 12
"""Random settings of the sensitivity study."""
STEPS = 25_000
SHORT: dict[str, Any] = {"steps": STEPS, "eval_every": 5_000, "eval_episodes": 10, "log_every": STEPS}
REPLAY: dict[str, Any] = {"learning_starts": 1_000, "buffer_size": STEPS}
ALGORITHMS = {
    "sac, α learned": "SAC",
    "sac, α fixed": "SAC",
    "td3": "TD3",
    "ddpg": "DDPG",
    "soft-q": "SoftQ",
    "reinforce": "Reinforce",
    "actor-critic": "ActorCritic",
}


def random_settings(number: int) -> dict[str, float]:
    """Return random settings, the same for every algorithm and task: log-uniform but for the units.

    noise is a factor on the default of what makes an algorithm explore: the exploration noise of td3 and ddpg, the
    fixed α of sac and soft-q and the first value of a learned one, the weight of entropy of reinforce and actor-critic.
    """
    draw = np.random.default_rng([2026, number])

    def between(low: float, high: float) -> float:
        return float(np.round(np.exp(draw.uniform(np.log(low), np.log(high))), 6))

    return {
        "learning_rate": between(1e-4, 3e-3),
        "tau": between(1e-3, 5e-2),
        "reward_scale": between(0.1, 10.0),
        "noise": between(0.2, 5.0),
        "units": int(draw.choice([32, 64, 128])),
        "seed": 10 * number,
    }


def own_settings(group: str, drawn: Mapping[str, float]) -> dict[str, Any]:
    """Return the settings of one algorithm for random settings."""
    units, noise = int(drawn["units"]), drawn["noise"]
    common: dict[str, Any] = {
        "learning_rate": drawn["learning_rate"], "reward_scale": drawn["reward_scale"], "hidden": (units, units),
        "seed": int(drawn["seed"]), **SHORT,
    }  # fmt: skip
    match group:
        case "reinforce":
            return common | {"alpha": 0.01 * noise}
        case "actor-critic":
            return common | {"alpha": 0.01 * noise, "tau": drawn["tau"]}
    common |= REPLAY | {"tau": drawn["tau"]}
    match group:
        case "sac, α learned":
            return common | {"alpha": {"kind": "auto", "initial": min(1.0, noise)}}
        case "sac, α fixed":
            return common | {"alpha": 0.2 * noise}
        case "soft-q":
            return common | {"alpha": 0.2 * noise, "value_particles": 8, "policy_particles": 8}
    return common | {"exploration_noise": 0.1 * noise}


def sensitivity() -> list[Job]:
    """Return the runs of the sensitivity study: every algorithm with each setting on each task."""
    return [
        Job(
            f"{number:02d}-{ALGORITHMS[group]}{'-fixed' if 'fixed' in group else ''}-{env.split('/')[-1]}",
            group, ALGORITHMS[group], env, own_settings(group, random_settings(number)),
        )
        for number in range(SETTINGS) for env in SOLVED for group in ALGORITHMS
        if group != "soft-q" or number % 3 == 0  # it costs as much as all the others together
    ]  # fmt: skip


FIVE: dict[str, Any] = {
    "steps": 50_000,
    "eval_every": 5_000,
    "eval_episodes": 10,
    "log_every": 50_000,
    "seeds": 5,
    "hidden": (64, 64),
}


def efficiency() -> list[Job]:
    """Return the runs that compare the replay with learning on-policy, each with its default settings."""
    jobs = []
    for env in (HOPPER, LANDER):
        jobs += [
            Job(f"sac-{env}", "sac", "SAC", env, FIVE | {"learning_starts": 1_000, "learning_rate": 1e-3}),
            Job(f"actor-critic-{env}", "actor-critic", "ActorCritic", env, FIVE | {"learning_rate": 1e-3}),
            Job(f"reinforce-{env}", "reinforce", "Reinforce", env, FIVE | {"learning_rate": 1e-3}),
        ]
    return jobs


THREE = SHORT | REPLAY | {"hidden": (64, 64), "learning_rate": 1e-3, "seeds": 3}


def temperature() -> list[Job]:
    """Return the runs with α fixed over four decades and learned by either loss."""
    choices: dict[str, Any] = {f"α = {alpha:g}": alpha for alpha in (0.001, 0.01, 0.1, 1.0, 10.0)}
    choices |= {
        "learned, factor log α": {"kind": "auto"},
        "learned, factor α": {"kind": "auto", "factor": "alpha"},
    }
    return [
        Job(f"{number}-{env.split('/')[-1]}", group, "SAC", env, THREE | {"alpha": alpha})
        for number, (group, alpha) in enumerate(choices.items())
        for env in (HOPPER, LANDER)
    ]


def delays() -> list[Job]:
    """Return the runs with delayed updates of actor and targets."""
    return [
        Job(
            f"{policy}-{target}-{env.split('/')[-1]}", f"actor every {policy}, targets every {target}", "SAC", env,
            THREE | {"policy_delay": policy, "target_delay": target},
        )
        for policy, target in ((1, 1), (2, 1), (2, 2), (4, 1))
        for env in (HOPPER, LANDER)
    ]  # fmt: skip


PENDULUM, GOALS = "Pendulum-v1", "maxent/MultiGoal-v0"


def soft_q() -> list[Job]:
    """Return the runs of soft Q-learning with our settings and with those of its paper (1702.08165 appendix D)."""
    run: dict[str, Any] = {"steps": 15_000, "eval_every": 5_000, "eval_episodes": 20, "log_every": 15_000, "seeds": 2}
    few = {"value_particles": 16, "policy_particles": 16}
    ours: dict[str, Any] = run | {"learning_rate": 1e-3, "hidden": (64, 64), "learning_starts": 1_000, "batch_size": 64}
    paper: dict[str, Any] = run | {
        "learning_rate": 1e-3, "actor_learning_rate": 1e-4, "hidden": (200, 200), "batch_size": 64,
        "learning_starts": 5_000, "tau": 1.0, "target_delay": 1_000,
    }  # fmt: skip
    tasks: dict[str, dict[str, Any]] = {PENDULUM: {"gamma": 0.98}, GOALS: {"reward_scale": 0.1}}
    groups = {
        "ours, 16 particles": ours | few,
        "ours, 32 and 50 particles": ours,
        "ours, with OU noise of 0.3": ours | few | {"ou_noise": 0.3},
        "ours, proposals of the policy": ours | few | {"proposal": "policy"},
        "the paper's, without OU noise": paper,
        "the paper's": paper | {"ou_noise": 0.3},
    }
    return [
        Job(f"{number}-{env.split('/')[-1]}", group, "SoftQ", env, settings | tasks[env])
        for number, (group, settings) in enumerate(groups.items())
        for env in (PENDULUM, GOALS)
    ]


def soft_returns() -> list[Job]:
    """Return the runs with n-step returns that leave out or keep the entropy of the steps in between."""
    recipe: dict[str, Any] = {
        "steps": 30_000, "eval_every": 10_000, "eval_episodes": 10, "log_every": 30_000, "seeds": 2, "hidden": (64, 64),
        "learning_rate": 1e-3, "layer_norm": True, "batch_size": 128, "learning_starts": 5_000, "tau": 0.01,
    }  # fmt: skip
    tasks: dict[str, tuple[str, dict[str, Any]]] = {
        LANDER: ("SAC", {}),
        "BipedalWalker-v3": ("SAC", {"alpha": {"kind": "auto", "target_entropy": -2.0}}),
        "LunarLander-v3": ("SACDiscrete", {}),
    }
    groups: dict[str, dict[str, Any]] = {
        "n = 1": {}, "n = 3": {"n_step": 3}, "n = 3, entropy kept": {"n_step": 3, "n_step_entropy": True},
    }  # fmt: skip
    return [
        Job(f"{number}-{env}", group, agent, env, recipe | settings | own)
        for number, (group, settings) in enumerate(groups.items())
        for env, (agent, own) in tasks.items()
    ]


STUDIES: dict[str, Callable[[], list[Job]]] = {
    "efficiency": efficiency, "temperature": temperature, "delays": delays, "soft-q": soft_q,
    "soft-returns": soft_returns, "sensitivity": sensitivity,
}  # fmt: skip
