"""From rows to a batch, inside the compiled update: n-step returns, discounts and the true successor observation."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from maxent.batch import Batch
from maxent.replay.rows import STEP, TERMINAL, Columns, RowLayout
from maxent.spaces import ObservationLayout


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

    def __call__(self, columns: Columns, rows: Tensor) -> Batch:
        """The batch for rows [P, B] of each member."""
        floats = self.layout.floats
        first = self._take(columns["row"], rows)  # [P, B, F + A + 1]
        reward = first[..., -1]
        kind = self._take(columns["kind"], rows)  # [P, B]
        discount = self.gamma * (kind != TERMINAL).to(reward.dtype)
        at = self._next(rows)
        open_ = kind != TERMINAL
        for _ in range(1, self.n_step):
            kind = self._take(columns["kind"], at)
            open_ = open_ & ((kind == STEP) | (kind == TERMINAL))  # FINAL ends an episode, PENDING the lane
            reward = reward + torch.where(open_, discount * self._take(columns["row"], at)[..., -1], 0.0)
            going = torch.where(kind == TERMINAL, 0.0, self.gamma)
            discount = torch.where(open_, discount * going, discount)
            at = torch.where(open_, self._next(at), at)
        return Batch(
            obs=self._observe(columns, rows, first),
            action=first[..., floats:-1],
            reward=reward * self.reward_scale,
            discount=discount,
            next_obs=self._observe(columns, at, self._take(columns["row"], at)),
        )

    def _next(self, rows: Tensor) -> Tensor:
        """The following row of the same lane."""
        lane_end = rows % self.ring == self.ring - 1
        return torch.where(lane_end, rows - (self.ring - 1), rows + 1)

    def _take(self, column: Tensor, rows: Tensor) -> Tensor:
        """Column [P, C, ...] at rows [P, B] → [P, B, ...]."""
        member = torch.arange(rows.shape[0], device=rows.device).unsqueeze(-1)  # [P, 1]
        return column[member, rows]

    def _observe(self, columns: Columns, rows: Tensor, floats: Tensor) -> Tensor:
        """The encoded observations at rows [P, B], whose float columns are already there → [P, B, O]."""
        packed = {"float": floats[..., : self.layout.floats]}
        if self.layout.bytes:
            packed["byte"] = self._take(columns["byte"], rows)
        return self.observation.encode(packed)
