"""The watcher of a run: measures what metrics lack, and applies the rules of `diagnosis.watch` to each record."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.algorithms.settings import AlgorithmConfig, TargetConfig
from maxent.diagnosis.watch import QUIET, RECORDS, RULES, Array, Readings
from maxent.engine.learner import Learner
from maxent.findings import Finding
from maxent.nn.network import Network
from maxent.replay import Replay
from maxent.replay.layout import STEP, TERMINAL
from maxent.stateful import Saved

FIRST_EPISODES = 20
"""Episodes of each member that later ones are compared with."""
OBSERVATIONS = 128
"""Observations, spread evenly over the replay, for which units are computed."""
UPDATES = 100
"""Least number of updates between two measurements of units, which bounds their cost."""
HALF_LIVES = 2_000, 100_000
"""Bounds of `half_life`: q-too-high waits for 2,000 updates anyway, and should still fire in a run of a million."""
EDGE = 0.99
"""Actions beyond ± this count as saturated."""


def half_life(config: AlgorithmConfig, n_step: int = 1) -> float:
    """Return the number of updates after which half of a change of α has reached the critics.

    The critics θ regress on y = R + γⁿ Q_θ̄(s', a'), so if their target copies θ̄ are too high by e everywhere, critics
    that fit y are too high by γⁿ e. A target update θ̄ ← τ θ + (1 − τ) θ̄ leaves an error of
    τ γⁿ e + (1 − τ) e = (1 − τ (1 − γⁿ)) e. With one target update in d updates, e is halved after
    d ln 2 / −ln(1 − τ (1 − γⁿ)) ≈ d ln 2 / (τ (1 − γⁿ)) updates, within `HALF_LIVES`: critics take time to fit y, and
    without target copies (τ = 1) nothing else takes time.
    """
    tau, delay = (config.tau, config.target_delay) if isinstance(config, TargetConfig) else (1.0, 1)
    low, high = HALF_LIVES
    left = 1.0 - tau * (1.0 - config.gamma**n_step)
    if left == 1.0:
        return high
    return min(max(delay * math.log(0.5) / math.log(left), low), high) if left > 0.0 else low


@final
class Watcher:
    """Watches a run: a function of its records, its replay and its state, so it resumes exactly.

    It draws no random number and changes nothing but its own state.

    Args:
        learner: what learns.
        replay: the rows of the run.
        n_step: rewards in a target of the critics.
    """

    def __init__(self, learner: Learner, replay: Replay, n_step: int = 1) -> None:
        P, R = learner.members, len(RULES)
        self.learner, self.replay = learner, replay
        self._half_life = half_life(learner.config, n_step)
        self._since = np.full((R, P, 2), -1)  # step and updates since which a rule holds; −1 where it does not
        self._records = np.zeros((R, P), np.int64)  # records in a row for which it holds
        self._fired = np.full(R, -1)  # step of the latest finding of a rule
        self._episodes = np.zeros(P, np.int64)  # of the first ones
        self._sums = np.zeros((P, 2))  # of their returns, and of the squares
        self._evaluated = np.full(P, np.nan)  # latest mean return
        self._alpha, self._updates = np.full(P, np.nan), 0  # α, and updates, at the record before
        self._lasting = np.zeros(P)  # α, or what is left of a larger one before
        self._measured = 0  # updates at the latest measurement of units
        self._dead = np.full(P, np.nan)
        self._written = np.zeros(len(replay.written), np.int64)  # [L] rows that were read
        self._new: list[Finding] = []
        self._rewards = np.zeros((P, 3))  # largest |reward|, lowest and highest discounted return, all as stored

    def add_episode(self, member: int, ret: float) -> None:
        """Count one of the first episodes of a member."""
        if self._episodes[member] < FIRST_EPISODES:
            self._episodes[member] += 1
            self._sums[member] += ret, ret**2

    def add_evaluation(self, mean: Array) -> None:
        """Take the mean returns [P] of an evaluation."""
        self._evaluated = mean.astype(np.float64)

    def look(self, step: int, updates: int, values: Mapping[str, Any]) -> dict[str, Array]:
        """Return the tags that it adds to the metrics of a record; `take` returns the findings that are new."""
        measured = self._measure_rows()
        if updates >= self._measured + UPDATES:
            self._measured, self._dead = updates, self._dead_units()
            measured["watch/dead_units"] = self._dead
        readings = self._readings(updates, values, measured)
        active = np.zeros(self.learner.members)
        for at, rule in enumerate(RULES):
            holds = rule.holds(readings)
            began = self._since[at, :, 0] >= 0
            self._since[at, holds & ~began] = step, updates
            self._since[at, ~holds] = -1
            self._records[at] = np.where(holds, self._records[at] + 1, 0)
            long = (np.array([step, updates]) - self._since[at] >= (rule.steps, rule.updates)).all(-1)
            lasting = holds & long & (self._records[at] >= RECORDS)
            active += lasting
            if lasting.any() and (self._fired[at] < 0 or step >= self._fired[at] + QUIET):
                self._fired[at] = step
                self._new.append(rule.finding(readings, lasting))
        return {**measured, "watch/findings": active}

    def take(self) -> list[Finding]:
        """Return the new findings, once."""
        new, self._new = self._new, []
        return new

    def _readings(self, updates: int, values: Mapping[str, Any], measured: Mapping[str, Array]) -> Readings:
        """Return the numbers of one record for the rules."""
        P = self.learner.members
        unknown = np.full(P, np.nan)
        alpha, entropy = values.get("train/ent_coef", unknown), values.get("train/entropy", unknown)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (np.log(alpha) - np.log(self._alpha)) / np.float64(updates - self._updates)
            mean = self._sums[:, 0] / self._episodes
            noise = np.sqrt(np.maximum(self._sums[:, 1] / self._episodes - mean**2, 0.0))
        known = (self._episodes == FIRST_EPISODES) & (updates > 0)
        self._lasting = np.fmax(alpha, self._lasting * 0.5 ** ((updates - self._updates) / self._half_life))
        self._alpha, self._updates = np.where(np.isnan(alpha), self._alpha, alpha), updates
        largest, ceiling = self._ceiling(self._lasting)
        return Readings(
            entropy, values.get("train/target_entropy", unknown), alpha, slope, largest,
            values.get("train/q_mean", unknown), ceiling,
            np.fmax(values["rollout/ep_rew_mean"], self._evaluated), np.where(known, mean, np.nan),
            np.where(known, noise, np.nan), measured.get("watch/saturated", unknown), self._dead,
        )  # fmt: skip

    def _ceiling(self, alpha: Array) -> tuple[Array, Array]:
        """Return the largest |reward| and the highest plausible value, both as the critics see rewards. [P], [P]

        The value is the highest discounted return, plus the range of discounted returns (and 0, where untrained critics
        begin), plus the largest entropy bonus of an endless episode.
        """
        config, algorithm, state = self.learner.config, self.learner.algorithm, self.learner.state
        scale = np.full(self.learner.members, config.reward_scale)
        if config.norm_reward:
            scale = 1.0 / algorithm.perception.reward_divisor(state, torch.float64).numpy(force=True)[:, 0]
        low, high = self._rewards[:, 1] * scale, self._rewards[:, 2] * scale
        low, high = np.minimum(low, high), np.maximum(low, high)  # a negative scale swaps them
        action = self.learner.action
        most = np.log(action.count) if action.kind == "discrete" else action.size * np.log(2.0)
        bonus = alpha * most / max(1.0 - config.gamma, 1e-6)
        return self._rewards[:, 0] * np.abs(scale), 2.0 * high - low + bonus

    def _measure_rows(self) -> dict[str, Array]:
        """Read the rows written since the last record: rewards, and how many actions lie at ±1."""
        replay, layout = self.replay, self.replay.layout
        lane, position = replay.completed_since(np.clip(self._written, 0, replay.written))
        self._written[:] = replay.written
        at, columns = replay.place(lane, position), replay.columns
        kind = columns["kind"].numpy().reshape(-1)[at]
        values = columns["row"].numpy().reshape(-1, layout.width)[at, layout.floats :]  # [K, A + 1]
        member, steps = lane // replay.lanes, (kind == STEP) | (kind == TERMINAL)
        if "train/q_mean" in self.learner.algorithm.metrics:
            self._add_rewards(values[:, -1].astype(np.float64), kind, lane)
        if self.learner.action.kind == "discrete":
            return {}
        edge = (np.abs(values[:, :-1]) >= EDGE).mean(-1)
        counts = np.bincount(member[steps], minlength=self.learner.members)
        with np.errstate(invalid="ignore"):
            share = np.bincount(member[steps], edge[steps], self.learner.members) / counts
        return {"watch/saturated": share}

    def _add_rewards(self, reward: Array, kind: NDArray[np.uint8], lane: NDArray[np.int64]) -> None:
        """Add rows in order of lanes and time to the extremes of rewards and discounted returns."""
        gamma = self.learner.config.gamma
        horizon = 1.0 / max(1.0 - gamma, 1e-6)
        starts = np.searchsorted(lane, np.arange(len(self._written) + 1)).tolist()
        for number, (start, end) in enumerate(pairwise(starts)):
            if start == end:
                continue
            rewards, kinds = reward[start:end], kind[start:end]
            seen = self._rewards[number // self.replay.lanes]
            cut = max(0.0, float(rewards.mean())) * horizon  # value where an episode is cut off: as if it went on
            ahead, returns = cut, []
            for value, row in zip(rewards[::-1].tolist(), kinds[::-1].tolist(), strict=True):
                ahead = value + gamma * ahead if row == STEP else value if row == TERMINAL else cut
                returns.append(ahead)
            seen[:] = max(seen[0], float(np.abs(rewards).max())), min(seen[1], min(returns)), max(seen[2], max(returns))

    def _dead_units(self) -> Array:
        """Return the largest share of units of a ReLU layer that are inactive on observations of the replay. [P]"""
        learner, algorithm = self.learner, self.learner.algorithm
        columns, layout = self.replay.columns, self.replay.layout
        filled = int(np.minimum(self.replay.written, self.replay.ring).min())
        if filled == 0:
            return np.full(learner.members, np.nan)
        rows = torch.from_numpy(np.linspace(0, filled - 1, OBSERVATIONS).astype(np.int64))
        chosen = columns["row"][:, rows]
        packed = {"float": chosen[..., : layout.floats]} if layout.floats else {}
        if layout.bytes:
            packed["byte"] = columns["byte"][:, rows]
        dead = [np.zeros(learner.members)]
        with torch.no_grad():
            obs = learner.observation.encode({part: rows.to(learner.device) for part, rows in packed.items()})
            features = algorithm.perception.features(learner.state, obs)
            action = chosen[..., layout.floats : -1].to(learner.device)
            for name, network in self._networks():
                inputs = features if network.inputs == features.shape[-1] else torch.cat([features, action], -1)
                if network.inputs != inputs.shape[-1]:
                    continue
                buffers = learner.state.get(f"{name}.buffers")
                for units in network.activations(learner.state[name], inputs, buffers):
                    share = (units <= 0.0).all(-2).double().mean(-1)  # [G]
                    dead.append(share.reshape(learner.members, -1).amax(1).numpy(force=True))
        return np.asarray(np.max(dead, 0))

    def _networks(self) -> Iterator[tuple[str, Network]]:
        """Yield the networks that learn, without their target copies."""
        for part in self.learner.algorithm.components:
            for name, network in part.networks.items():
                if not name.startswith("target_"):
                    yield name, network

    def state(self) -> Saved:
        """Return all counts."""
        counts = {"updates": self._updates, "measured": self._measured}
        return Saved(counts, {name: torch.from_numpy(array.copy()) for name, array in self._arrays().items()})

    def restore(self, saved: Saved) -> None:
        """Restore the counts."""
        self._updates, self._measured = saved.plain["updates"], saved.plain["measured"]
        for name, array in self._arrays().items():
            array[...] = saved.tensors[name].numpy()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of its state by name."""
        return {
            "since": self._since, "records": self._records, "fired": self._fired, "episodes": self._episodes,
            "sums": self._sums, "evaluated": self._evaluated, "alpha": self._alpha, "lasting": self._lasting,
            "dead": self._dead, "written": self._written, "rewards": self._rewards,
        }  # fmt: skip
