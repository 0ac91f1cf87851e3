"""Rollouts of a policy in the four-goal task: the share of episodes at each goal, and a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from maxent.agent import Agent
from maxent.envs.problems.multigoal import BOUND, GOALS, RADIUS, MultiGoal, goal_reached
from maxent.envs.seeds import evaluation_seed
from maxent.report.multigoal import Grid, QPanel, draw

STEPS = 30  # length of an episode
STATES = np.array([[-2.5, 0.0], [0.0, 0.0], [2.5, 2.5]], np.float32)  # as in the figure of 1702.08165
SHOWN = 60  # paths in the figure
DRAWS = 32  # sampled actions, to average Q at each point of the plane


class Rollouts(NamedTuple):
    """Positions of every episode, [T + 1, 2] each, and the index of the goal it ended in, -1 for none [n]."""

    paths: list[NDArray[np.float32]]
    goals: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of episodes that ended in each goal. [4]"""
        return np.asarray(np.bincount(self.goals[self.goals >= 0], minlength=len(GOALS)) / len(self.goals))


def roll_out(agent: Agent, member: int, rollouts: int, base_seed: int) -> Rollouts:
    """Run episodes in parallel with sampled actions, as in training."""
    envs = [cast(MultiGoal, agent.make_env().unwrapped) for _ in range(rollouts)]
    start = [env.reset(seed=evaluation_seed(base_seed, number))[0] for number, env in enumerate(envs)]
    paths = [[position] for position in start]
    goals = np.full(rollouts, -1)
    for _ in range(STEPS):
        open_ = np.flatnonzero(goals < 0)
        if not len(open_):
            break
        actions, _ = agent.predict(np.stack([paths[number][-1] for number in open_]), member=member)
        for number, action in zip(open_, actions, strict=True):
            paths[number].append(envs[number].step(action)[0])
            goals[number] = goal_reached(paths[number][-1])
    return Rollouts([np.stack(path) for path in paths], goals)


def typical(shares: Sequence[NDArray[np.float64]]) -> int:
    """Return the index of the member to show: its rarest goal has the median share, the lower one of an even number.

    Members that lose goals are so shown where most do.   shares: [4] of each member
    """
    rarest = np.array([one.min() for one in shares])
    return int(np.argsort(rarest, kind="stable")[(len(rarest) - 1) // 2])


def draw_goal_paths(agent: Agent, member: int, rollouts: Rollouts, title: str, path: Path) -> None:
    """Draw paths over the mean of Q under the policy, and Q(s, ·) over the actions at three states."""
    side = np.linspace(-BOUND, BOUND, 57, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)  # [Y·X, 2]
    many = plane.repeat(DRAWS, 0)
    value = agent.q(many, _actions(agent, member, many), member=member).reshape(len(side), len(side), DRAWS).mean(-1)
    edge = np.linspace(-1.0, 1.0, 41, dtype=np.float32)
    actions = np.stack(np.meshgrid(edge, edge), -1).reshape(-1, 2)
    panels = []
    for state in STATES:
        q = agent.q(state[None].repeat(len(actions), 0), actions, member=member).reshape(len(edge), len(edge))
        panels.append(QPanel(state, Grid(edge, edge, q), _actions(agent, member, state[None].repeat(100, 0))))
    draw(
        path, rollouts.paths, GOALS, Grid(side, side, value), panels, title,
        radius=RADIUS, value_name="mean of Q under the policy", shown=SHOWN,
    )  # fmt: skip


def is_multigoal(agent: Agent) -> bool:
    """Return whether the agent's environment is maxent/MultiGoal-v0."""
    return agent.require_source().env_id.rpartition(":")[2] == "maxent/MultiGoal-v0"


def require_critics(agent: Agent) -> None:
    """Raise UserError if the agent has no critics."""
    nowhere = np.zeros((1, 2), np.float32)
    agent.q(nowhere, nowhere, member=0)


def _actions(agent: Agent, member: int, obs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sample actions of one member."""
    return np.asarray(agent.predict(obs, member=member)[0], np.float32)
