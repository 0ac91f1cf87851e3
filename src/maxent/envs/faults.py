"""The errors of environments that break their contract."""

from typing import final

from maxent.errors import UserError


class EnvironmentFault(UserError):  # noqa: N818 - EnvironmentError is another name of OSError
    """An environment returned data that do not fit its spaces, or its process ended."""


class LaneFault(EnvironmentFault):
    """A fault of one environment, of which the place that found it knows the lane alone.

    `Lanes` also knows the member and the episode, and names them.

    Args:
        problem: what was expected and what came.
        lane: the index of the environment; None for a whole batch of a vector environment.
        step: the step of the episode, 0 for its reset; None if the place that found the problem does not count steps.
        details: the traceback of an environment in another process.
    """

    def __init__(self, problem: str, lane: int | None = None, step: int | None = None, details: str = "") -> None:
        super().__init__(problem)
        self.problem, self.lane, self.step, self.details = problem, lane, step, details

    def __str__(self) -> str:
        who = "vector environment" if self.lane is None else f"environment {self.lane}"
        return self.problem if self.step is None else f"{who}, {step_name(self.step)}: {self.problem}"


@final
class InvalidData(LaneFault):
    """An environment returned an observation, reward or flag that cannot be used."""


@final
class WorkerFailed(LaneFault):
    """The process of an environment ended, raised an error, or did not end its step in time."""


def step_name(step: int) -> str:
    """Return the name of a step of an episode: "reset" for 0, "step 3" for 3."""
    return f"step {step}" if step else "reset"
