"""Random play of an environment from fixed seeds, and replaying an episode."""

import time
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.envs.lanes import Lanes
from maxent.spaces import Packed


@final
@dataclass(frozen=True)
class Played:
    """An episode that ended."""

    lane: int
    ret: float
    length: int
    terminated: bool
    truncated: bool


@final
@dataclass(frozen=True)
class Probe:
    """The data of T steps of L lanes under uniformly random actions.

    Args:
        first: first observations of episodes [L + episodes, …].
        reached: observations after each of the N = T · L transitions [N, …].
        time: step of the episode at which each was reached, from 1 [N].
        ends: whether an episode ended there [N].
        reward: rewards [N].
        episodes: the episodes that ended.
        steps: T, fewer than planned if `seconds` ran out.
        seconds: time spent in the environments.
    """

    first: Packed
    reached: Packed
    time: NDArray[np.int64]
    ends: NDArray[np.bool_]
    reward: NDArray[np.float64]
    episodes: tuple[Played, ...]
    steps: int
    seconds: float

    @property
    def rate(self) -> float:
        """Transitions per second."""
        return len(self.reward) / max(self.seconds, 1e-9)

    @property
    def floats(self) -> NDArray[np.float64]:
        """The numbers of every observation reached [N, F]."""
        count = len(self.reward)
        return self.reached.get("float", np.zeros((count, 0))).astype(np.float64)


def random_actions(lanes: Lanes, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return uniformly random actions of the policy [L, A]."""
    shape = lanes.count, lanes.action.size
    if lanes.action.kind == "discrete":
        return generator.integers(0, lanes.action.count, shape).astype(np.float32)
    return generator.uniform(-1.0, 1.0, shape).astype(np.float32)


def play(lanes: Lanes, steps: int, *, seconds: float = 20.0, seed: int = 0) -> Probe:
    """Take `steps` transitions or more over all lanes; stop early when the environments took `seconds`.

    Raises `EnvironmentFault` for data that no run could use.
    """
    generator, spent = np.random.default_rng(seed), 0.0
    first, reached = [lanes.reset()], list[Packed]()
    rewards, ends, times, episodes = [], [], [], list[Played]()
    at = np.zeros(lanes.count, np.int64)  # steps of the current episode of each lane
    taken = transitions = 0
    while transitions < steps and spent < seconds:
        action = random_actions(lanes, generator)
        start = time.perf_counter()
        step = lanes.step(action)
        spent += time.perf_counter() - start
        live, ended = step.live, step.terminated | step.truncated
        at += live
        reached.append({part: rows[live] for part, rows in step.next_obs.items()})
        rewards.append(step.reward[live].astype(np.float64))
        ends.append(ended[live])
        times.append(at[live])
        for episode in step.episodes:
            lane = episode.lane
            flags = bool(step.terminated[lane]), bool(step.truncated[lane])
            episodes.append(Played(lane, episode.ret, episode.length, *flags))
        begun = ended if step.obs is not step.next_obs else ~live
        if begun.any():
            first.append({part: rows[begun] for part, rows in step.obs.items()})
        at[ended] = 0
        taken, transitions = taken + 1, transitions + int(live.sum())
    return Probe(
        _joined(first), _joined(reached), np.concatenate(times), np.concatenate(ends), np.concatenate(rewards),
        tuple(episodes), taken, spent,
    )  # fmt: skip


def replay_difference(lanes: Lanes, others: Lanes, *, steps: int = 50, seed: int = 0) -> str | None:
    """Return how an episode differs when `others` replay its seed and actions, as a resumed run does; None if equal.

    Play up to `steps` random steps in `lanes`, and replay them up to the last step before the first end of an episode.
    """
    generator, obs = np.random.default_rng(seed), lanes.reset()
    kept = lanes.state(), obs
    for _ in range(steps):
        step = lanes.step(random_actions(lanes, generator))
        if step.episodes:
            break
        kept = lanes.state(), step.obs
    state, expected = kept
    length = max(lane["length"] for lane in state.json["lanes"])
    fresh = others.restore(state, expected).fresh
    if not fresh:
        return None
    when = "at the reset" if length == 0 else f"within {length} step{'' if length == 1 else 's'}"
    where = "" if lanes.count == 1 else f", in {len(fresh)} of {lanes.count} environments"
    return f"observations or rewards differed {when}{where}"


def _joined(parts: list[Packed]) -> Packed:
    """Return packed observations, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
