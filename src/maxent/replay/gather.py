"""Gather rows into a batch, inside the compiled update: n-step returns, discounts, true successor observations."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor

from maxent.batch import Batch
from maxent.replay.layout import FINAL, STEP, TERMINAL, Columns, RowLayout
from maxent.spaces import ObservationLayout

NO_EXTRAS: Mapping[str, Tensor] = MappingProxyType({})


@final
@dataclass(frozen=True)
class Gather:
    """Reads the transitions that start at given rows.

    The n-step return follows the rows of the lane until n steps are taken, the episode ends, or the newest row is
    reached; with m ≤ n the number of these steps, from row t,

        reward   = Σ_{k<m} γᵏ r_{t+k}       discount = γᵐ (1 − terminated)       next_obs = s_{t+m}.

    A shorter window is a true m-step return (Sutton & Barto 2018, section 7.1), so no transition is delayed or dropped.

    Deviation: for n > 1 the intermediate rewards have no entropy bonus, unless `path` is set and the algorithm adds it,
    and the return is not corrected for the older policies that chose the actions. Other libraries do the same; with
    n = 1, the default, neither arises.
    """

    layout: RowLayout
    observation: ObservationLayout
    ring: int
    gamma: float
    n_step: int = 1
    reward_scale: float = 1.0
    in_order: bool = False
    """Whether a batch has `ended`; needs rows in chronological order."""
    path: bool = False
    """Whether a batch has the steps in between of its n-step returns."""

    def __call__(self, columns: Columns, rows: Tensor, extras: Mapping[str, Tensor] = NO_EXTRAS) -> Batch:
        """Return the batch for rows [P, B] of each member.

        `extras` may contain the "weight" [P, B] of each transition and, for the first K transitions, replacements of
        the stored values: a "goal" [P, K, G] for both observations, "rewards" and "terminal" [P, K, n] of n steps.
        """
        floats, goal = self.layout.floats, extras.get("goal")
        rewards, terminals = extras.get("rewards"), extras.get("terminal")
        first = self._take(columns["row"], rows)  # [P, B, F + A + 1]
        reward = _replace(rewards, 0, first[..., -1])
        terminal = _replace(terminals, 0, self._take(columns["kind"], rows) == TERMINAL)  # [P, B]
        discount = self.gamma * (~terminal).to(reward.dtype)
        at = self._next(rows)
        open_ = ~terminal
        path: list[tuple[Tensor, Tensor]] = []
        for k in range(1, self.n_step):
            kind, row = self._take(columns["kind"], at), self._take(columns["row"], at)
            open_ = open_ & ((kind == STEP) | (kind == TERMINAL))  # FINAL ends an episode, PENDING the lane
            further = _replace(rewards, k, row[..., -1])
            if self.path:
                passed = torch.where(open_, discount, 0.0)
                path.append((self._observe(columns, at, row, goal), passed))
            reward = reward + torch.where(open_, discount * further, 0.0)
            terminal = _replace(terminals, k, kind == TERMINAL)
            factor = torch.where(terminal, 0.0, self.gamma)
            discount = torch.where(open_, discount * factor, discount)
            at = torch.where(open_, self._next(at), at)
            open_ = open_ & ~terminal
        between = [torch.cat(parts, 1) for parts in zip(*path, strict=True)] if path else [None, None]
        return Batch(
            obs=self._observe(columns, rows, first, goal),
            action=first[..., floats:-1],
            reward=reward * self.reward_scale,
            discount=discount,
            next_obs=self._observe(columns, at, self._take(columns["row"], at), goal),
            weight=extras.get("weight"),
            ended=self._take(columns["kind"], at) == FINAL if self.in_order else None,
            path_obs=between[0],
            path_discount=between[1],
        )

    def _next(self, rows: Tensor) -> Tensor:
        """Return the next row of the same lane."""
        lane_end = rows % self.ring == self.ring - 1
        return torch.where(lane_end, rows - (self.ring - 1), rows + 1)

    def _take(self, column: Tensor, rows: Tensor) -> Tensor:
        """Return column [P, C, ...] at rows [P, B] → [P, B, ...]."""
        members, capacity = column.shape[:2]
        place = rows + capacity * torch.arange(members, device=rows.device).unsqueeze(-1)  # in [P · C]
        return column.flatten(0, 1).index_select(0, place.flatten()).view(*rows.shape, *column.shape[2:])

    def _observe(self, columns: Columns, rows: Tensor, floats: Tensor, goal: Tensor | None) -> Tensor:
        """Return the encoded observations at rows [P, B], given their float columns → [P, B, O]."""
        packed = {"float": floats[..., : self.layout.floats]}
        if self.layout.bytes:
            packed["byte"] = self._take(columns["byte"], rows)
        if goal is not None:  # [P, K, G] of the first K
            part, place = self.observation.part("desired_goal")
            stored = packed[part]
            goals = torch.cat([goal, stored[:, goal.shape[1] :, place]], 1)  # [P, B, G]
            packed[part] = torch.cat([stored[..., : place.start], goals, stored[..., place.stop :]], -1)
        return self.observation.encode(packed)


def _replace(values: Tensor | None, step: int, stored: Tensor) -> Tensor:
    """Return `stored` [P, B] with the first K transitions replaced by values [P, K, n] at this step."""
    return stored if values is None else torch.cat([values[..., step], stored[:, values.shape[1] :]], 1)
