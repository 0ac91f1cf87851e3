"""Failures of environments: which of them a run survives."""

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, final

from maxent.envs.faults import EnvironmentFault, InvalidData, LaneFault

MAX_FAILURES, WITHIN = 5, 1_000
"""An environment that fails `MAX_FAILURES` times within `WITHIN` steps of the run stops it."""

BadData = Literal["stop", "drop"]


class Failure(NamedTuple):
    """A failure of an environment, after which it begins another episode.

    Args:
        lane: index of the environment.
        text: description of the failure, with environment, step and episode.
        length: steps of the unfinished episode, which are dropped from the replay.
    """

    lane: int
    text: str
    length: int


@final
class Failures:
    """Decides whether a run goes on after environments have failed.

    It does after failures of worker processes, which are started again, and after invalid data if `bad_data` is "drop".
    Counts start at 0 after a resume.

    Args:
        count: number of environments L.
        bad_data: how to treat invalid data: stop the run, or drop the episode.
    """

    def __init__(self, count: int, bad_data: BadData) -> None:
        self.bad_data = bad_data
        self._last = [deque[int](maxlen=MAX_FAILURES) for _ in range(count)]

    def survived(self, fault: LaneFault, located: EnvironmentFault, step: int, length: int) -> Failure:
        """Return the failure of a lane at a step of the run; raise `located`, the fault with its place, if it stops."""
        if fault.lane is None or (isinstance(fault, InvalidData) and self.bad_data == "stop"):
            raise located from fault
        last = self._last[fault.lane]
        last.append(step)
        if len(last) == MAX_FAILURES and step - last[0] < WITHIN:
            text = f"{located} It failed {MAX_FAILURES} times within {WITHIN:,} steps."
            raise EnvironmentFault(f"{text}\n{fault.details}".rstrip()) from fault
        return Failure(fault.lane, str(located), length)


def lanes_of(failures: Sequence[Failure]) -> list[int]:
    """Return the lanes of these failures."""
    return [failure.lane for failure in failures]
