"""From rows to a batch, inside the compiled update: n-step returns, discounts and the true successor observation."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor

from maxent.batch import Batch
from maxent.replay.rows import FINAL, STEP, TERMINAL, Columns, RowLayout
from maxent.spaces import ObservationLayout

NOTHING: Mapping[str, Tensor] = MappingProxyType({})


@final
@dataclass(frozen=True)
class Gather:
    """Reads the transitions that start at given rows.

    The n-step return follows the rows of the lane until n steps are taken, the episode ends, or the newest row is
    reached; with m ≤ n the steps it took, from row t,

        reward   = Σ_{k<m} γᵏ r_{t+k}       discount = γᵐ (1 − terminated)       next_obs = s_{t+m}.

    A shorter window is still a true m-step return (Sutton & Barto 2018, eq. 7.1), so no transition has to wait or be
    dropped.

    Deviation: for n > 1 the rewards between carry no α·entropy, and the return is not corrected for the older policies
    that chose the actions. Other libraries do the same; with n = 1, the default, neither arises.
    """

    layout: RowLayout
    observation: ObservationLayout
    ring: int
    gamma: float
    n_step: int = 1
    reward_scale: float = 1.0
    in_order: bool = False
    """Whether batches say where episodes end, which needs rows in the order in which they happened."""

    def __call__(self, columns: Columns, rows: Tensor, beside: Mapping[str, Tensor] = NOTHING) -> Batch:
        """The batch for rows [P, B] of each member.

        `beside` may hold the transitions' "weight" [P, B], and for the first K of them, in the place of what is stored,
        a "goal" [P, K, G] for both observations and the "rewards" [P, K, n] and "terminal" [P, K, n] of n steps.
        """
        floats, goal = self.layout.floats, beside.get("goal")
        rewards, terminals = beside.get("rewards"), beside.get("terminal")
        first = self._take(columns["row"], rows)  # [P, B, F + A + 1]
        reward = _instead(rewards, 0, first[..., -1])
        terminal = _instead(terminals, 0, self._take(columns["kind"], rows) == TERMINAL)  # [P, B]
        discount = self.gamma * (~terminal).to(reward.dtype)
        at = self._next(rows)
        open_ = ~terminal
        for k in range(1, self.n_step):
            kind = self._take(columns["kind"], at)
            open_ = open_ & ((kind == STEP) | (kind == TERMINAL))  # FINAL ends an episode, PENDING the lane
            further = _instead(rewards, k, self._take(columns["row"], at)[..., -1])
            reward = reward + torch.where(open_, discount * further, 0.0)
            terminal = _instead(terminals, k, kind == TERMINAL)
            going = torch.where(terminal, 0.0, self.gamma)
            discount = torch.where(open_, discount * going, discount)
            at = torch.where(open_, self._next(at), at)
            open_ = open_ & ~terminal
        return Batch(
            obs=self._observe(columns, rows, first, goal),
            action=first[..., floats:-1],
            reward=reward * self.reward_scale,
            discount=discount,
            next_obs=self._observe(columns, at, self._take(columns["row"], at), goal),
            weight=beside.get("weight"),
            ended=self._take(columns["kind"], at) == FINAL if self.in_order else None,
        )

    def _next(self, rows: Tensor) -> Tensor:
        """The following row of the same lane."""
        lane_end = rows % self.ring == self.ring - 1
        return torch.where(lane_end, rows - (self.ring - 1), rows + 1)

    def _take(self, column: Tensor, rows: Tensor) -> Tensor:
        """Column [P, C, ...] at rows [P, B] → [P, B, ...]."""
        members, capacity = column.shape[:2]
        place = rows + capacity * torch.arange(members, device=rows.device).unsqueeze(-1)  # in [P · C]
        return column.flatten(0, 1).index_select(0, place.flatten()).view(*rows.shape, *column.shape[2:])

    def _observe(self, columns: Columns, rows: Tensor, floats: Tensor, goal: Tensor | None) -> Tensor:
        """The encoded observations at rows [P, B], whose float columns are already there → [P, B, O]."""
        packed = {"float": floats[..., : self.layout.floats]}
        if self.layout.bytes:
            packed["byte"] = self._take(columns["byte"], rows)
        if goal is not None:  # [P, K, G] of the first K
            part, place = self.observation.part("desired_goal")
            stored = packed[part]
            goals = torch.cat([goal, stored[:, goal.shape[1] :, place]], 1)  # [P, B, G]
            packed[part] = torch.cat([stored[..., : place.start], goals, stored[..., place.stop :]], -1)
        return self.observation.encode(packed)


def _instead(told: Tensor | None, step: int, stored: Tensor) -> Tensor:
    """What is told of this step of the first K transitions, and what is stored of the others.   [P, K, n], [P, B]"""
    return stored if told is None else torch.cat([told[..., step], stored[:, told.shape[1] :]], 1)
