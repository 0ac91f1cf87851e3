"""All environments of a run behind one interface.

A run has P members with N environments each, hence L = P · N *lanes*: lane = member · N + index. For environments in
this process, in worker processes and in vector environments alike, `Lanes` returns the true successor of every step,
starts each episode with its own seed, and restores the current episodes from their seeds and actions.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import final

import numpy as np
from numpy.typing import NDArray

from maxent.envs.advice import free_cores
from maxent.envs.failures import BadData, Failure, Failures, lanes_of
from maxent.envs.faults import EnvironmentFault, InvalidData, LaneFault, step_name
from maxent.envs.fleet import Fleet, Moved
from maxent.envs.history import ActionHistory
from maxent.envs.making import EnvSource
from maxent.envs.opening import Look, open_fleet
from maxent.envs.seeds import training_seed
from maxent.envs.step import Episode, LaneState, RestoreReport, Step
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout, Packed

_NO_REWARD = np.zeros(0)
_LARGEST = float(np.finfo(np.float32).max)


@final
class Lanes:
    """L environments that a run steps together; create one with `Lanes.open`.

    Args:
        fleet: the environments.
        seeds: the seed of each member.
        bad_data: what to do with data that cannot be used.
    """

    def __init__(self, fleet: Fleet, seeds: Sequence[int], bad_data: BadData = "stop") -> None:
        self.members = len(seeds)
        self.count = fleet.count
        self.envs_per_member = fleet.count // self.members
        self._fleet = fleet
        self._seeds = tuple(seeds)
        self._episode = [-1] * self.count
        self._seed = [0] * self.count
        self._returns = np.zeros(self.count)
        self._lengths = np.zeros(self.count, np.int64)
        self._history = ActionHistory(self.count, fleet.action.size) if fleet.reproducible else None
        self._failures = Failures(self.count, bad_data)
        self._time = 0  # steps since these lanes were made

    @classmethod
    def open(
        cls,
        source: EnvSource,
        members: int,
        envs_per_member: int,
        seeds: Sequence[int],
        *,
        workers: bool = False,
        timeout: float | None = None,
        bad_data: BadData = "stop",
        statistics: bool = False,
        look: Look | None = None,
    ) -> "Lanes":
        """Make the environments, or use those that the user made.

        A vector environment has its own number of environments and autoreset mode: `envs_per_member`, `workers` and
        their `timeout` do not apply to it. A single environment serves one member only. `statistics` allows wrappers
        that keep running statistics, to examine them; `look` gets the layouts of the first environment of several, and
        may raise before the others are made.
        """
        if len(seeds) != members or members < 1:
            raise UserError(f"seeds: expected one for each of {members} members (1 or more), got {len(seeds)}.")
        fleet = open_fleet(
            source, members, envs_per_member, workers=workers, timeout=timeout, statistics=statistics, look=look
        )
        if bad_data == "drop" and not fleet.restarts:
            raise UserError(
                "bad_data: got 'drop' with a vector environment, whose episodes cannot be ended from outside; use "
                "'stop', or pass an id or a factory."
            )
        return cls(fleet, seeds, bad_data)

    @property
    def observation(self) -> ObservationLayout:
        """The layout of an observation."""
        return self._fleet.observation

    @property
    def action(self) -> ActionLayout:
        """The layout of an action."""
        return self._fleet.action

    @property
    def reproducible(self) -> bool:
        """Whether seeds and actions should restore an episode; `restore` checks whether they do."""
        return self._fleet.reproducible

    def reset(self) -> Packed:
        """Start a new episode in every lane; return the packed observations [L, ...]."""
        with self._faults_located("a reset"):
            obs = self._fleet.reset([self._begin(lane) for lane in range(self.count)])
            return self._started(obs, range(self.count))[0]

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Take one action in every lane: float32 [L, A] in [-1, 1], or [L, 1] holding the index of the action."""
        with self._faults_located("a step"):
            return self._step(actions)

    @contextmanager
    def _faults_located(self, what: str) -> Iterator[None]:
        """Raise `EnvironmentFault` for what a vector environment raises: unusable data, or a worker that ended."""
        try:
            yield
        except LaneFault as fault:
            raise self._located(fault) from fault
        except (EOFError, ConnectionError) as error:
            raise EnvironmentFault(
                f"environment: expected the result of {what}, but its worker process or connection ended; "
                "resume the run."
            ) from error

    def _step(self, actions: NDArray[np.float32]) -> Step:
        moved = self._fleet.step(actions)
        self._time += 1
        faults = [*self._fleet.faults, *self._not_finite(moved.next_obs, moved.reward)]
        failures = self._survived(faults, actions) if faults else []
        if failures:
            _void(moved, lanes_of(failures))
        over, obs = [*moved.ended, *lanes_of(failures)], moved.next_obs
        if over:  # before anything is counted: an environment in this process may raise an error
            obs = self._restarted(obs, over)
        if self._history is not None:
            self._history.append(actions)
        self._returns += moved.reward
        self._lengths += moved.live
        episodes = tuple(
            Episode(lane, float(self._returns[lane]), int(self._lengths[lane]), moved.success.get(lane))
            for lane in moved.ended
        )
        for lane in over:
            self._begin(lane)
        if over:
            obs, later = self._started(obs, over)
            failures += later
        reward = moved.reward.astype(np.float32)
        flags = moved.terminated, moved.truncated, moved.live
        return Step(moved.next_obs, obs, reward, *flags, episodes, tuple(failures))

    def _restarted(self, obs: Packed, lanes: Sequence[int]) -> Packed:
        """Return the first observations of new episodes, which are not counted yet."""
        try:
            return self._fleet.restart(obs, lanes, [self._next_seed(lane) for lane in lanes])
        except LaneFault:  # of a vector environment; it is named with the new episode
            for lane in lanes:
                self._begin(lane)
            raise

    def _started(self, obs: Packed, lanes: Sequence[int]) -> tuple[Packed, list[Failure]]:
        """Return the first observations of the lanes; begin again those that failed to start."""
        failures: list[Failure] = []
        while faults := [*self._fleet.faults, *self._not_finite(obs, lanes=lanes)]:
            survived = self._survived(faults)
            failures += survived
            lanes = lanes_of(survived)
            obs = self._fleet.restart(obs, lanes, [self._begin(lane) for lane in lanes])
        return obs, failures

    def _survived(self, faults: Sequence[LaneFault], actions: NDArray[np.float32] | None = None) -> list[Failure]:
        """Return the failures of lanes that may begin again; raise if one may not."""
        failures = []
        for fault in faults:
            length = 0 if fault.lane is None else int(self._lengths[fault.lane])
            failures.append(self._failures.survived(fault, self._located(fault, actions), self._time, length))
        return failures

    def state(self) -> LaneState:
        """Return the current episodes, from which `restore` continues."""
        counts = zip(self._episode, self._seed, self._returns, self._lengths, strict=True)
        lanes = [{"episode": e, "seed": seed, "return": float(ret), "length": int(n)} for e, seed, ret, n in counts]
        json = {"reproducible": self.reproducible, "lanes": lanes}
        if self._history is None:
            return LaneState(json, {"actions": np.zeros((0, self.action.size), np.float32)})
        return LaneState(json, {"actions": np.concatenate([self._history.of(lane) for lane in range(self.count)])})

    def restore(self, state: LaneState, expected: Packed) -> RestoreReport:
        """Restore the episodes of `state`: reset each lane with its seed and take its actions again.

        An episode is restored if its observation and its return equal the expected ones bit for bit. Any other lane
        starts its next episode and is reported as fresh.
        """
        lanes = state.json["lanes"]
        if len(lanes) != self.count:
            raise UserError(f"environments: expected {len(lanes)} as in the saved run, got {self.count}.")
        self._episode = [lane["episode"] for lane in lanes]
        if not (self._history is not None and state.json["reproducible"]):
            return RestoreReport(self.reset(), tuple(range(self.count)))
        self._seed = [lane["seed"] for lane in lanes]
        self._returns[:] = [lane["return"] for lane in lanes]
        self._lengths[:] = [lane["length"] for lane in lanes]
        histories = np.split(state.tensors["actions"], np.cumsum(self._lengths)[:-1])
        self._history.load(histories)
        with self._faults_located("the recorded actions"):
            return self._replay(histories, expected)

    def _replay(self, histories: Sequence[NDArray[np.float32]], expected: Packed) -> RestoreReport:
        replayed = self._fleet.replay(self._seed, histories)
        fresh = [
            lane
            for lane in range(self.count)
            if replayed.ended[lane]
            or replayed.returns[lane] != self._returns[lane]
            or any(replayed.obs[part][lane].tobytes() != rows[lane].tobytes() for part, rows in expected.items())
        ]
        obs = replayed.obs
        if fresh:
            obs = self._fleet.restart(obs, fresh, [self._begin(lane) for lane in fresh])
            obs, _ = self._started(obs, fresh)
        return RestoreReport(obs, tuple(fresh))

    def advice(self) -> list[str]:
        """Return a sentence where stepping the environments another way would be faster, else nothing."""
        text = "" if self._fleet.times is None or self.count == 1 else self._fleet.times.advice(free_cores())
        return [text] if text else []

    def close(self) -> None:
        """Close the environments that `open` made; those of the user stay open."""
        self._fleet.close()

    def _next_seed(self, lane: int) -> int:
        """Return the seed of the next episode of one lane."""
        member, index = divmod(lane, self.envs_per_member)
        return training_seed(self._seeds[member], index, self._episode[lane] + 1)

    def _begin(self, lane: int) -> int:
        """Count a new episode in one lane and return its seed."""
        self._seed[lane] = self._next_seed(lane)
        self._episode[lane] += 1
        self._returns[lane] = 0.0
        self._lengths[lane] = 0
        if self._history is not None:
            self._history.begin(lane)
        return self._seed[lane]

    def _not_finite(
        self, obs: Packed, reward: NDArray[np.float64] = _NO_REWARD, lanes: Sequence[int] | None = None
    ) -> list[InvalidData]:
        """Return a fault for each lane with a number beyond float32 or nan, but for those that have one already."""
        floats = obs.get("float")
        # Σ x² ≤ c² only if every |x| ≤ c: one cheap call for each array. It may overflow, so look closer if not.
        if np.vdot(reward, reward) <= _LARGEST**2 and (floats is None or math.isfinite(np.vdot(floats, floats))):
            return []
        faults, known = [], {fault.lane for fault in self._fleet.faults}
        for lane in range(self.count) if lanes is None else lanes:
            good_obs = floats is None or bool(np.isfinite(floats[lane]).all())
            if lane in known or (good_obs and (not reward.size or abs(reward[lane]) <= _LARGEST)):
                continue
            what = f"the reward {reward[lane]}" if good_obs else "an observation with nan or inf"
            problem = f"expected finite float32 numbers, got {what}; bound the rewards and observations."
            faults.append(InvalidData(problem, lane, None if reward.size else 0))
        return faults

    def _located(self, fault: LaneFault, actions: NDArray[np.float32] | None = None) -> EnvironmentFault:
        """Return the fault with the member, the step, the episode and the action of its lane."""
        if fault.lane is None:
            return EnvironmentFault(f"vector environment ({self._place(0, fault.step)}): {fault.problem}")
        text = f"{self._place(fault.lane, fault.step)}: {fault.problem}"
        if actions is not None:
            action = np.array2string(np.asarray(self.action.to_env(actions)[fault.lane]), precision=4, threshold=8)
            text += f"{'' if text.endswith('.') else '.'} The action was {action}."
        return EnvironmentFault(text)

    def _place(self, lane: int, step: int | None) -> str:
        """Return the name of a lane and of a step of its current episode; None for the step that is under way."""
        member, index = divmod(lane, self.envs_per_member)
        when = step_name(int(self._lengths[lane]) + 1 if step is None else step)
        return f"environment {index} of member {member}, {when} of episode {self._episode[lane]}"


def _void(moved: Moved, lanes: Sequence[int]) -> None:
    """Make the step of these lanes one that was no transition."""
    moved.live[lanes] = moved.terminated[lanes] = moved.truncated[lanes] = False
    moved.reward[lanes] = 0.0
    moved.ended = [lane for lane in moved.ended if lane not in lanes]
