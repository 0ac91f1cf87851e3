"""Environments that fail: which failures a run survives, and what it says of each."""

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, final

from maxent.envs.faults import EnvironmentFault, InvalidData, LaneFault

MOST, WITHIN = 5, 1_000
"""An environment that fails `MOST` times within `WITHIN` steps stops the run."""

BadData = Literal["stop", "drop"]


class Failure(NamedTuple):
    """An environment that failed and begins another episode.

    Args:
        lane: the environment.
        text: where and how.
        length: the steps of the episode that it did not finish, which are not to be learned from.
    """

    lane: int
    text: str
    length: int


@final
class Failures:
    """Decides whether a run goes on after its environments failed.

    A worker process that fails is started again. Data that cannot be used stop the run, or end the episode if
    `bad_data` is "drop". Failures are counted anew after a resume.

    Args:
        count: L.
        bad_data: what to do with data that cannot be used.
    """

    def __init__(self, count: int, bad_data: BadData) -> None:
        self.bad_data = bad_data
        self._last = [deque[int](maxlen=MOST) for _ in range(count)]

    def survived(self, fault: LaneFault, located: EnvironmentFault, step: int, length: int) -> Failure:
        """Return the failure of a lane at this step of the run; raise the located fault if the run has to stop."""
        if fault.lane is None or (isinstance(fault, InvalidData) and self.bad_data == "stop"):
            raise located from fault
        last = self._last[fault.lane]
        last.append(step)
        if len(last) == MOST and step - last[0] < WITHIN:
            text = f"{located} It failed {MOST} times within {WITHIN:,} steps."
            raise EnvironmentFault(f"{text}\n{fault.details}".rstrip()) from fault
        return Failure(fault.lane, str(located), length)


def lanes_of(failures: Sequence[Failure]) -> list[int]:
    """Return the lanes that failed."""
    return [failure.lane for failure in failures]
