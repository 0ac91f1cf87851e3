"""Environments in worker processes, for environments whose steps take longer than the exchange with a process."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from maxent.envs.advice import StepTimes
from maxent.envs.faults import LaneFault, WorkerFailed
from maxent.envs.fleet import Fleet, Moved, Replayed
from maxent.envs.worker import EnvFactory, Ready, Result, Worker
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout, Packed


@final
class WorkerFleet(Fleet):
    """One process for each environment. One that fails is started again for its next episode.

    Args:
        factories: make the environments, which have equal spaces.
        timeout: seconds that a step or a reset may take, and a tenth of those for a replacement; None for no limit.
    """

    def __init__(self, factories: Sequence[EnvFactory], timeout: float | None = None) -> None:
        self._workers = [Worker(factory, lane, timeout) for lane, factory in enumerate(factories)]
        self._timeout = timeout
        try:
            first, *others = [self._ready(worker) for worker in self._workers]
            for other in others:
                if other != first:
                    raise UserError(
                        f"environments: expected equal spaces in all of them, got {first} in one, {other} in another."
                    )
            observation = ObservationLayout.from_space(first.observation)
            action = ActionLayout.from_space(first.action)
        except BaseException:
            self.close()
            raise
        super().__init__(len(factories), observation, action, reproducible=True)
        self._obs = _zeros(observation, self.count)
        self.times = self._times = StepTimes(self.count, workers=True)
        self._live = np.ones(self.count, np.bool_)

    @property
    def processes(self) -> list[Any]:
        """The running processes."""
        return [worker.process for worker in self._workers if worker.process is not None]

    def reset(self, seeds: Sequence[int]) -> Packed:
        """Start an episode in every lane."""
        return self.restart(self._obs, range(self.count), seeds)

    def step(self, actions: NDArray[Any]) -> Moved:
        """Take one action in every lane; those that fail are in `faults`, and their entries mean nothing."""
        start = time.perf_counter()
        for lane, worker in enumerate(self._workers):
            worker.call(("step", actions[lane : lane + 1]))
        reward = np.zeros(self.count)
        terminated, truncated = np.zeros(self.count, np.bool_), np.zeros(self.count, np.bool_)
        results = self._results(range(self.count))
        self._times.add(time.perf_counter() - start, sum(result.work for result in results.values()))
        for lane, result in results.items():
            reward[lane], terminated[lane], truncated[lane] = result.reward, result.terminated, result.truncated
        ended = np.flatnonzero(terminated | truncated).tolist()
        success = {lane: results[lane].success for lane in ended}
        reported = {lane: one for lane, one in success.items() if one is not None}
        return Moved(self._latest(), reward, terminated, truncated, self._live.copy(), ended, reported)

    def restart(self, obs: Packed, lanes: Iterable[int], seeds: Sequence[int]) -> Packed:
        """Start an episode in the given lanes, in new processes where the old ones failed."""
        chosen = list(lanes)
        for lane, seed in zip(chosen, seeds, strict=True):
            self._workers[lane].call(("reset", seed))
        self._results(chosen)
        for fault in self.faults:
            fault.step = 0
        return self._latest()

    def replay(self, seeds: Sequence[int], actions: Sequence[NDArray[Any]]) -> Replayed:
        """Play the recorded episodes, all at the same time; one that fails counts as ended too early."""
        returns, ended = np.zeros(self.count), np.ones(self.count, np.bool_)
        for worker, seed in zip(self._workers, seeds, strict=True):
            worker.call(("reset", seed))
        ended[list(self._results(range(self.count)))] = False
        for time_step in range(max(map(len, actions))):
            lanes = [lane for lane in range(self.count) if time_step < len(actions[lane]) and not ended[lane]]
            for lane in lanes:
                self._workers[lane].call(("step", actions[lane][time_step : time_step + 1]))
            ended[lanes] = True
            for lane, result in self._results(lanes).items():
                returns[lane] += result.reward
                ended[lane] = result.terminated or result.truncated
        self.faults = []
        return Replayed(self._latest(), returns, ended)

    def close(self) -> None:
        """End all processes: those that wait for a call close their environment, the others are killed."""
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.close()

    def _results(self, lanes: Iterable[int]) -> dict[int, Result]:
        """Return the results of the calls of these lanes; `faults` has those that failed.

        The time limit begins when all new processes have made their environments.
        """
        self.faults, results, waiting = [], dict[int, Result](), list[int]()
        for lane in lanes:
            with self._fault_kept():
                self._workers[lane].ready()
                waiting.append(lane)
        until = None if self._timeout is None else time.monotonic() + self._timeout
        for lane in waiting:
            with self._fault_kept():
                results[lane] = result = self._workers[lane].result(until)
                for part, rows in result.obs.items():
                    self._obs[part][lane] = rows[0]
        return results

    @contextmanager
    def _fault_kept(self) -> Iterator[None]:
        """Add the fault of a lane to `faults` instead of raising it."""
        try:
            yield
        except LaneFault as fault:
            self.faults.append(fault)

    def _latest(self) -> Packed:
        return {part: rows.copy() for part, rows in self._obs.items()}

    def _ready(self, worker: Worker) -> Ready:
        """Return the spaces of a first environment; raise if its process cannot make it."""
        try:
            ready = worker.ready()
        except WorkerFailed as fault:
            if fault.details:
                raise
            raise UserError(
                "worker processes: expected each to make its environment, but one ended before. If this is a script, "
                "put its code under `if __name__ == '__main__':`, because each worker imports it again."
            ) from fault
        assert ready is not None
        return ready


def _zeros(layout: ObservationLayout, count: int) -> Packed:
    """Return room for the packed observations of `count` environments."""
    packed: Packed = {}
    if layout.floats:
        packed["float"] = np.zeros((count, layout.floats), np.float32)
    if layout.bytes:
        packed["byte"] = np.zeros((count, layout.bytes), np.uint8)
    return packed
