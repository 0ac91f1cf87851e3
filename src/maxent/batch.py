"""The transitions of one update: what replay hands to an algorithm."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Transitions for every member. `discount` is γⁿ(1 − terminated): an update needs to know nothing else of endings.

    obs, next_obs [P, B, O]; action [P, B, A], in [−1, 1] or the index of a discrete action; reward, discount [P, B];
    weight [P, B], what each transition counts in a critic's loss, None for 1 each;
    ended [P, B], where an on-policy batch, whose transitions are in order, goes on with another episode;
    unencoded [P, B, O], the observations before a shared encoder, from which the critics' loss trains it;
    path_obs [P, (n − 1)·B, O], path_discount [P, (n − 1)·B]: the steps 1 … n − 1 of the n-step returns, γᵏ for each, 0
    where a return has ended before
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_obs: Tensor
    weight: Tensor | None = None
    ended: Tensor | None = None
    unencoded: Tensor | None = None
    path_obs: Tensor | None = None
    path_discount: Tensor | None = None
