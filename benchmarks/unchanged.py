"""Show that a change of the code changes no number: parameters after some hundred updates, compared bit for bit.

    python benchmarks/unchanged.py record FOLDER [NAME …]      before the change, in a checkout of the old code
    python benchmarks/unchanged.py compare FOLDER [NAME …]     after it

Every algorithm trains with 1 and 3 members, eager and compiled, and SAC with each kind of replay. The figures depend on
the processor and on the versions of the libraries, so both commands have to run on one machine.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

import maxent

COMMON: dict[str, Any] = {
    "learning_starts": 64,
    "batch_size": 32,
    "hidden": (32, 32),
    "eval_every": 0,
    "log_every": 100,
}
ON_POLICY: dict[str, Any] = {"rollout_steps": 4, "hidden": (32, 32), "eval_every": 0}
STEPS = 364  # of which the first 64 are random
PARAMETERS = ("actor", "critic", "target_", "value", "sampler", "log_alpha", "metric_sums")
CONTINUOUS, DISCRETE = "Pendulum-v1", "CartPole-v1"
ALGORITHMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sac": ("SAC", CONTINUOUS, COMMON),
    "sac-v1": ("SACv1", CONTINUOUS, COMMON),
    "sac-discrete": ("SACDiscrete", DISCRETE, COMMON),
    "soft-q": ("SoftQ", CONTINUOUS, COMMON),
    "soft-q-discrete": ("SoftQ", DISCRETE, COMMON),
    "td3": ("TD3", CONTINUOUS, COMMON),
    "ddpg": ("DDPG", CONTINUOUS, COMMON),
    "dqn": ("DQN", DISCRETE, COMMON | {"double": True, "dueling": True, "target_delay": 50}),
    "reinforce": ("Reinforce", CONTINUOUS, ON_POLICY),
    "reinforce-discrete": ("Reinforce", DISCRETE, ON_POLICY),
    "actor-critic": ("ActorCritic", CONTINUOUS, ON_POLICY),
    "actor-critic-discrete": ("ActorCritic", DISCRETE, ON_POLICY),
}
FURTHER: dict[str, tuple[str, str, dict[str, Any]]] = {
    "prioritized": ("SAC", CONTINUOUS, COMMON | {"replay": "prioritized"}),
    "hindsight": ("SAC", "maxent/PointReach-v0", COMMON | {"replay": "hindsight", "n_step": 2}),
    "options": (
        "SAC",
        CONTINUOUS,
        COMMON
        | {"layer_norm": True, "n_step": 3, "num_envs": 2, "max_grad_norm": 1.0, "policy_delay": 2, "random_hold": 3},
    ),
    "fixed-alpha": ("SAC", CONTINUOUS, COMMON | {"alpha": 0.2, "reward_scale": 0.5, "critics": 3}),
    "torch": ("SAC", CONTINUOUS, COMMON | {"hidden": (32, 32, 32, 32)}),
}


def cases() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Name, Python class, environment and settings of every run."""
    for name, (agent, env, settings) in (ALGORITHMS | FURTHER).items():
        for seeds in (1, 3):
            for compiled in ("off", "on"):
                yield f"{name}-{seeds}-{compiled}", agent, env, settings | {"seeds": seeds, "compile": compiled}


def train(agent: str, env: str, settings: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    """The tensors that a short run ends with, as its checkpoint names them."""
    made = getattr(maxent, agent)(env, seed=7, recipe=False, verbose=False, **settings)
    made.learn(STEPS)
    made.save(folder, replay=False)
    made.close()
    (state,) = folder.glob("checkpoints/*/state.safetensors")
    return {key.removeprefix("learner/"): tensor for key, tensor in load_file(state).items()}


def main(action: str, folder: Path, chosen: list[str]) -> int:
    """Record or compare every case; the exit code says whether all are equal."""
    different = 0
    for name, agent, env, settings in cases():
        if chosen and not any(name.startswith(one) for one in chosen):
            continue
        tensors = train(agent, env, settings, folder / f"last-{name}")
        if action == "record":
            save_file(tensors, folder / f"{name}.safetensors")
            print(f"{name}: {len(tensors)} tensors", flush=True)
            continue
        recorded = {
            key: tensor
            for key, tensor in load_file(folder / f"{name}.safetensors").items()
            if key.startswith(PARAMETERS)
        }
        wrong = [
            key
            for key, tensor in recorded.items()
            if key in tensors and not np.array_equal(tensor, tensors[key], equal_nan=True)
        ]
        gone = sorted(recorded.keys() - tensors.keys())
        different += bool(wrong or gone)
        print(f"{name}: {'equal' if not (wrong or gone) else f'differs in {wrong}, lacks {gone}'}", flush=True)
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
