"""The transitions of one update: what replay hands to an algorithm."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Transitions for every member. `discount` is γⁿ(1 − terminated): an update needs to know nothing else of endings.

    obs, next_obs [P, B, O]; action [P, B, A], in [−1, 1] or the index of a discrete action; reward, discount [P, B]
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_obs: Tensor
