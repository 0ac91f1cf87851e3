"""A batch: the transitions of one update, from the replay to an algorithm."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Transitions for every member. `discount` is γⁿ(1 − terminated); off-policy updates need no other end of episodes.

    obs, next_obs [P, B, O]; action [P, B, A], in [−1, 1] or the index of a discrete action; reward, discount [P, B];
    weight [P, B], of each transition in the critic's loss, None for 1 each;
    ended [P, B], in an on-policy batch, whose transitions are in order: whether the next one starts another episode
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_obs: Tensor
    weight: Tensor | None = None
    ended: Tensor | None = None
