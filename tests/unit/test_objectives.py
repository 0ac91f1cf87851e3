"""Hand-worked numbers for P = 2 members, E = 2 critics, B = 2 transitions; shapes, broadcasting and signs."""

import pytest
import torch
from torch import Tensor

from maxent import objectives

# Every number is a small binary fraction, so float32 holds all results exactly and they are compared with ==.
Q = torch.tensor([[[1.0, 4.0], [3.0, 2.0]], [[-1.0, 0.0], [-2.0, 5.0]]])  # [P, E, B]
LOG_PROB = torch.tensor([[-1.0, 2.0], [0.5, -3.0]])  # [P, B]
ALPHA = torch.tensor([[0.5], [2.0]])  # [P, 1]

# min over critics: member 0 (1, 2), member 1 (−2, 0).
# member 0: 1 − 0.5·(−1) = 1.5,  2 − 0.5·2 = 1;   member 1: −2 − 2·0.5 = −3,  0 − 2·(−3) = 6.
SOFT_VALUE = torch.tensor([[1.5, 1.0], [-3.0, 6.0]])

REWARD = torch.tensor([[1.0, 0.25], [2.0, -1.0]])
DISCOUNT = torch.tensor([[0.5, 0.0], [0.75, 1.0]])  # the second transition of member 0 terminated
# 1 + 0.5·1.5 = 1.75,  0.25 + 0·1 = 0.25;   2 + 0.75·(−3) = −0.25,  −1 + 1·6 = 5.
TD_TARGET = torch.tensor([[1.75, 0.25], [-0.25, 5.0]])

Y = torch.tensor([[2.0, 3.0], [0.0, 1.0]])  # [P, B]
# Q − y, member 0: critic 0 (−1, 1), critic 1 (1, −1); squares have mean 1, so ½·1 + ½·1 = 1.
#        member 1: critic 0 (−1, −1): ½·1 = 0.5; critic 1 (−2, 4): ½·(4 + 16)/2 = 5; together 5.5.
CRITIC_LOSS = torch.tensor([1.0, 5.5])

WEIGHT = torch.tensor([[0.5, 3.0], [4.0, 1.0]])  # [P, B]
# Member 0, squares all 1: ½ (0.5 + 3)/2 for each critic, together 1.75.
# member 1: critic 0 ½ (4 + 1)/2 = 1.25; critic 1 ½ (4·4 + 16)/2 = 8; together 9.25.
WEIGHTED_LOSS = torch.tensor([1.75, 9.25])

# α log π − min Q, member 0: (−0.5 − 1, 1 − 2) = (−1.5, −1), mean −1.25.
#                  member 1: (1 + 2, −6 − 0) = (3, −6), mean −1.5.
ACTOR_LOSS = torch.tensor([-1.25, -1.5])

LOG_ALPHA = torch.tensor([[0.5], [-1.0]])
TARGET_ENTROPY = -1.0
# log π + H̄, member 0: (−2, 1), mean −0.5, times −log α = −0.5: 0.25.
#            member 1: (−0.5, −4), mean −2.25, times −log α = 1: −2.25.
ALPHA_LOSS = torch.tensor([0.25, -2.25])

EXPECTED = (SOFT_VALUE, TD_TARGET, CRITIC_LOSS, WEIGHTED_LOSS, ACTOR_LOSS, ALPHA_LOSS)


def all_objectives() -> tuple[Tensor, ...]:
    value = objectives.soft_value(Q, LOG_PROB, ALPHA)
    return (
        value,
        objectives.td_target(REWARD, DISCOUNT, value),
        objectives.critic_loss(Q, Y),
        objectives.critic_loss(Q, Y, WEIGHT),
        objectives.actor_loss(Q, LOG_PROB, ALPHA),
        objectives.alpha_loss(LOG_ALPHA, LOG_PROB, TARGET_ENTROPY),
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_hand_worked_numbers(compiled: bool) -> None:
    function = torch.compile(all_objectives, fullgraph=True, dynamic=False) if compiled else all_objectives
    for result, expected in zip(function(), EXPECTED, strict=True):
        assert torch.equal(result, expected)


def test_shapes_with_all_sizes_different() -> None:
    P, E, B = 2, 3, 5
    q, batch, alpha = torch.randn(P, E, B), torch.randn(P, B), torch.randn(P, 1)
    assert objectives.soft_value(q, batch, alpha).shape == (P, B)
    assert objectives.td_target(batch, batch, batch).shape == (P, B)
    assert objectives.critic_loss(q, batch).shape == (P,)
    assert objectives.actor_loss(q, batch, alpha).shape == (P,)
    assert objectives.alpha_loss(alpha, batch, -1.0).shape == (P,)


@pytest.mark.parametrize(("P", "E", "B"), [(2, 2, 2), (3, 3, 3), (1, 2, 4), (4, 1, 4)])
def test_a_critic_equal_to_its_targets_has_no_loss(P: int, E: int, B: int) -> None:
    """If y were broadcast over another axis of q, as in [B] − [B, 1], some error would not be zero."""
    y = torch.randn(P, B)
    q = y.unsqueeze(1).repeat(1, E, 1)
    assert torch.equal(objectives.critic_loss(q, y), torch.zeros(P))


def test_each_critic_has_its_own_gradient() -> None:
    """∂J/∂Q_i(s_b) = w_b (Q_i − y) / B, independent of the other critics: the papers' ½ and the sum over critics."""
    # the differences derived above CRITIC_LOSS, divided by B = 2
    expected = torch.tensor([[[-0.5, 0.5], [0.5, -0.5]], [[-0.5, -0.5], [-1.0, 2.0]]])
    for weight in (None, WEIGHT):
        q = Q.clone().requires_grad_()
        objectives.critic_loss(q, Y, weight).sum().backward()
        assert q.grad is not None
        assert torch.equal(q.grad, expected if weight is None else weight.unsqueeze(1) * expected)


def test_the_actor_follows_the_smaller_critic() -> None:
    """∂J/∂Q = −1/B at the smallest critic of each transition and 0 elsewhere; ∂J/∂ log π = α/B."""
    q, log_prob = Q.clone().requires_grad_(), LOG_PROB.clone().requires_grad_()
    objectives.actor_loss(q, log_prob, ALPHA).sum().backward()
    assert q.grad is not None
    assert log_prob.grad is not None
    # member 0: the minima are critic 0 then 1; member 1: critic 1 then 0.
    assert torch.equal(q.grad, torch.tensor([[[-0.5, 0.0], [0.0, -0.5]], [[0.0, -0.5], [-0.5, 0.0]]]))
    assert torch.equal(log_prob.grad, torch.tensor([[0.25, 0.25], [1.0, 1.0]]))


@pytest.mark.parametrize(("entropy", "rises"), [(-2.0, True), (0.5, False)])
def test_alpha_rises_when_entropy_is_below_its_target(entropy: float, rises: bool) -> None:
    """Gradient descent moves log α against ∂J/∂ log α = −(E[log π] + H̄) = H − H̄, here with H̄ = −1."""
    log_alpha = torch.zeros(1, 1, requires_grad=True)
    log_prob = torch.full((1, 4), -entropy, requires_grad=True)
    objectives.alpha_loss(log_alpha, log_prob, TARGET_ENTROPY).sum().backward()
    assert log_alpha.grad is not None
    assert log_alpha.grad.item() == entropy - TARGET_ENTROPY
    assert (-log_alpha.grad.item() > 0) == rises
    assert log_prob.grad is None  # the loss of α has no gradient in the actor


@pytest.mark.parametrize("alpha", [0.25, 1.0, 4.0])
def test_both_losses_of_alpha_descend_in_the_same_direction(alpha: float) -> None:
    """L = −log α (E[log π] + H̄) is the loss here, L′ = −α (E[log π] + H̄) is eq. 18 of 2018b.

    ∂L′/∂α = ∂L/∂ log α = H − H̄ with H = −E[log π], and ∂L′/∂ log α = α ∂L/∂ log α: of one sign, 0 where H = H̄.
    """
    for log_prob, gap in ((LOG_PROB[:1], 0.5), (LOG_PROB[1:], 2.25), (torch.tensor([[0.5, 1.5]]), 0.0)):
        log_alpha = torch.tensor([[alpha]]).log().requires_grad_()
        (ours,) = torch.autograd.grad(objectives.alpha_loss(log_alpha, log_prob, TARGET_ENTROPY).sum(), log_alpha)
        # the gaps E[−log π] − H̄ by hand: −(−1 + 2)/2 + 1, −(0.5 − 3)/2 + 1, −1 + 1
        assert ours.item() == gap
        paper = objectives.alpha_loss(log_alpha, log_prob, TARGET_ENTROPY, factor="alpha")
        assert paper.item() == pytest.approx(alpha * gap, abs=1e-6)
        (by_log_alpha,) = torch.autograd.grad(paper.sum(), log_alpha)
        assert by_log_alpha.item() == pytest.approx(alpha * gap, abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 1), (3,), (2, 2, 3)])
def test_a_tensor_that_would_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    """q is [P, E, B] = [2, 2, 3], so the other tensor has to be [2, 3]."""
    q, alpha = torch.zeros(2, 2, 3), torch.ones(2, 1)
    for call in (
        lambda other: objectives.critic_loss(q, other),
        lambda other: objectives.soft_value(q, other, alpha),
        lambda other: objectives.actor_loss(q, other, alpha),
    ):
        with pytest.raises(ValueError, match=r"expected the shape \[2, 3\]"):
            call(torch.zeros(shape))


def test_a_soft_return_by_hand() -> None:
    """α = 2: return 0 has the steps k = 1, 2 with γᵏ = 0.9, 0.81 and H = 1, 2: 5 + 2 (0.9 + 1.62) = 10.04."""
    reward = torch.tensor([[5.0, 7.0]], dtype=torch.float64)
    discount = torch.tensor([[0.9, 0.9, 0.81, 0.0]], dtype=torch.float64)  # k = 1 of both returns, then k = 2
    entropy = torch.tensor([[1.0, -0.5, 2.0, 100.0]], dtype=torch.float64)
    alpha = torch.tensor([[2.0]], dtype=torch.float64)
    soft = objectives.soft_return(reward, discount, entropy, alpha)
    torch.testing.assert_close(soft, torch.tensor([[10.04, 7.0 - 0.9]], dtype=torch.float64), atol=1e-12, rtol=0.0)
    with pytest.raises(ValueError, match="path_entropy: expected the shape"):
        objectives.soft_return(reward, discount, entropy[:, :2], alpha)
