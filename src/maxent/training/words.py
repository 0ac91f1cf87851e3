"""Arguments as users of other libraries write them: names with the same meaning are taken, for others ours is named."""

import re
from collections.abc import Mapping, Sequence, Set
from numbers import Integral
from typing import Any

import numpy as np

from maxent.errors import UserError

SYNONYMS = {
    "lr": "learning_rate",
    "ent_coef": "alpha",
    "total_timesteps": "steps",
    "timesteps": "steps",
    "total_steps": "steps",
    "n_envs": "num_envs",
    "n_seeds": "seeds",
    "num_seeds": "seeds",
    "discount": "gamma",
    "eval_freq": "eval_every",
    "n_eval_episodes": "eval_episodes",
    "utd_ratio": "replay_ratio",
}
"""Other names for settings of ours with the same meaning."""

ELSEWHERE = {
    "policy": "networks are chosen with hidden=(64, 64), network=... and encoder=...; leave policy out",
    "policy_kwargs": "the networks' layers are hidden=(64, 64) (--hidden 64 64), or network=... for layers of your own",
    "net_arch": "the networks' layers are hidden=(64, 64) (--hidden 64 64), or network=... for layers of your own",
    "callback": "pass learn(steps, observers=[...]): an observer, or a function of a record of metrics",
    "callbacks": "pass learn(steps, observers=[...]): an observer, or a function of a record of metrics",
    "train_freq": "updates are counted in replay_ratio, gradient updates per transition (--replay-ratio)",
    "gradient_steps": "updates are counted in replay_ratio, gradient updates per transition (--replay-ratio)",
    "use_sde": "there is no state-dependent exploration; leave it out",
    "tensorboard_log": "event files are in the run's folder: learn(steps, run_dir=...) (--run-dir)",
    "tb_log_name": "event files are in the run's folder: learn(steps, run_dir=...) (--run-dir)",
    "replay_buffer_class": "replay='uniform', 'prioritized' or 'hindsight' (--replay)",
    "replay_buffer_kwargs": "replay=maxent.replay.kinds.PrioritizedReplay(...) and its like (--replay KIND NAME=VALUE)",
    "polyak": "tau is the share of the new networks: tau = 1 − polyak (--tau)",
    "log_interval": "log_every counts environment steps (--log-every)",
    "progress_bar": "verbose=True of the agent shows progress (--quiet turns it off)",
    "reset_num_timesteps": "learn always goes on from the steps that were made",
}
"""What to use instead of a name that nothing here has with the same meaning."""


def in_our_words(settings: Mapping[str, Any], known: Set[str]) -> dict[str, Any]:
    """Return settings with our names; `known` names stay as they are. Raise `UserError` for a name given twice."""
    ours: dict[str, Any] = {}
    for name, value in settings.items():
        own = SYNONYMS.get(name, name) if name not in known else name
        if own in ours or (own != name and own in settings):
            raise UserError(f"{own}: given twice, also as {name}; leave one of them out.")
        ours[own] = coefficient(value) if name == "ent_coef" and own == "alpha" else value
    return ours


def coefficient(value: Any) -> Any:
    """Return SB3's entropy coefficient as a setting `alpha`: "auto_0.1" is learned from 0.1 on."""
    match = re.fullmatch(r"auto_([\d.]+(?:[eE]-?\d+)?)", value) if isinstance(value, str) else None
    return value if match is None else {"kind": "auto", "initial": float(match[1])}


def require_no_foreign(names: Set[str], known: Set[str]) -> None:
    """Raise for a name of another library, with what is used here instead."""
    for name in sorted(names - known):
        if name in ELSEWHERE:
            raise UserError(f"{name}: {ELSEWHERE[name]}.")


def require_by_name(arguments: Sequence[Any]) -> None:
    """Raise if there are arguments after the environment without a name; Stable-Baselines3's policy comes before it."""
    if arguments:
        raise UserError(
            f"expected the environment alone before the settings, which have names, got {arguments[0]!r} as well; "
            f"policy: {ELSEWHERE['policy']}."
        )


def step_count(steps: object, total_timesteps: object, foreign: Set[str]) -> Any:
    """Return the steps that a call of `learn` is for; raise unless they are given once, and nothing else is."""
    require_no_foreign(foreign, set())
    if foreign:
        raise UserError(f"learn takes steps, run_dir and observers, got {', '.join(foreign)}.")
    if (steps is None) == (total_timesteps is None):
        raise UserError("learn: expected the number of steps, once: learn(20_000).")
    return whole(total_timesteps if steps is None else steps)


def whole(number: object) -> Any:
    """Return a float such as 1e6, or a number of NumPy, as the whole number that it is; anything else as it came."""
    if isinstance(number, float | np.floating):
        return int(number) if number.is_integer() else number
    return int(number) if type(number) is not bool and isinstance(number, Integral) else number
