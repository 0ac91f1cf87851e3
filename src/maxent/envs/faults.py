"""The errors of environments that break their contract."""

from typing import final

from maxent.errors import UserError


class EnvironmentFault(UserError):  # noqa: N818 - EnvironmentError is another name of OSError
    """An environment returned data that do not fit its spaces, or its process ended."""


@final
class InvalidData(EnvironmentFault):
    """An environment returned an observation, reward or flag that cannot be used.

    `Lanes` catches it and raises an `EnvironmentFault` that also names the member and the episode.

    Args:
        problem: what was expected and what came.
        lane: the index of the environment; None for a whole batch of a vector environment.
        step: the step of the episode, 0 for its reset; None if the place that found the problem does not count steps.
    """

    problem: str
    lane: int | None
    step: int | None

    def __init__(self, problem: "str | InvalidData", lane: int | None = None, step: int | None = None) -> None:
        super().__init__(problem)
        if isinstance(problem, InvalidData):  # AsyncVectorEnv raises the error of a worker as type(error)(error)
            self.problem, self.lane, self.step = problem.problem, problem.lane, problem.step
        else:
            self.problem, self.lane, self.step = problem, lane, step

    def __str__(self) -> str:
        who = "vector environment" if self.lane is None else f"environment {self.lane}"
        return self.problem if self.step is None else f"{who}, {step_name(self.step)}: {self.problem}"


def step_name(step: int) -> str:
    """Return the name of a step of an episode: "reset" for 0, "step 3" for 3."""
    return f"step {step}" if step else "reset"
