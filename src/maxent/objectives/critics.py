"""Losses of Q-functions and of state values."""

from torch import Tensor

from maxent.objectives.shapes import check_batch, check_shape


def critic_loss(q: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """J_Q(θ) = Σ_i E[½ (Q_i(s, a) − y)²].   2018a eq. 7, 2018b eq. 5.

    Choice: with the ½ of the papers (CleanRL and Spinning Up omit it; under Adam the two differ only through ε), and
    summed over the critics, so that each critic's gradient does not depend on how many there are (SB3 sums with ½;
    pytorch_sac sums without).
    The weight of a transition is that of prioritised replay (1511.05952 §3.4).

    q [P, E, B], y and weight [P, B] → [P]
    """
    check_batch("y", y, q)
    error = q - y.unsqueeze(-2)  # [P, E, B]
    square = error * error
    if weight is not None:
        check_batch("weight", weight, q)
        square = weight.unsqueeze(-2) * square
    return 0.5 * square.mean(-1).sum(-1)


def state_value_loss(value: Tensor, soft: Tensor) -> Tensor:
    """J_V(ψ) = E[½ (V_ψ(s) − (Q(s, a) − α log π(a|s)))²].   2018a eq. 5.

    Its gradient, with a ~ π fixed, is ∇V_ψ(s) (V_ψ(s) − Q(s, a) + α log π(a|s)): 2018a eq. 6.

    value [P, B], soft [P, B] from `soft_value` → [P]
    """
    check_shape("soft", soft, tuple(value.shape))
    return 0.5 * ((value - soft) ** 2).mean(-1)
