"""Losses of state values, deterministic policies and policy gradients; returns against plain loops over time."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maxent import objectives

# Small binary fractions: float32 holds every result exactly.
VALUE = torch.tensor([[1.0, -1.0], [0.5, 2.0]])  # [P, B]
SOFT = torch.tensor([[3.0, 0.0], [0.5, -2.0]])
# V − soft, member 0: (−2, −1), ½ (4 + 1)/2 = 1.25;   member 1: (0, 4), ½ (0 + 16)/2 = 4.
VALUE_LOSS = torch.tensor([1.25, 4.0])

Q = torch.tensor([[[1.0, 4.0], [-9.0, -9.0]], [[-1.0, 0.5], [-8.0, 8.0]]])  # [P, E, B]
# −mean of the first critic: −(1 + 4)/2, −(−1 + 0.5)/2.
DETERMINISTIC_LOSS = torch.tensor([-2.5, 0.25])

LOG_PROB = torch.tensor([[-1.0, 2.0], [0.5, -3.0]])
SIGNAL = torch.tensor([[2.0, 3.0], [-4.0, 0.0]])
# −mean of the products: −(−2 + 6)/2, −(−2 + 0)/2.
GRADIENT_LOSS = torch.tensor([-2.0, 1.0])

CRITICS, Y = torch.tensor([[[1.0, 4.0], [3.0, 2.0]]]), torch.tensor([[2.0, 3.0]])  # [1, E, B], [1, B]
WEIGHT = torch.tensor([[0.5, 3.0]])
# Q − y: critic 0 (−1, 1), critic 1 (1, −1), all squares 1: for each critic ½ (0.5 + 3)/2 = 0.875, together 1.75.
WEIGHTED_LOSS = torch.tensor([1.75])

# Two episodes in one lane of six steps. The first ends after three, terminated; the second is cut off by the batch.
REWARD = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
DISCOUNT = torch.tensor([0.5, 0.5, 0.0, 0.5, 0.5, 0.5])
ENDED = torch.tensor([False, False, True, False, False, False])
NEXT_VALUE = torch.full((6,), 100.0)
# G₂ = 4 + 0·100, G₁ = 2 + ½·4, G₀ = 1 + ½·4;   G₅ = 32 + ½·100 = 82, G₄ = 16 + 41 = 57, G₃ = 8 + 28.5.
TO_GO = torch.tensor([3.0, 4.0, 4.0, 36.5, 57.0, 82.0])
# of each episode, that of its first step
RETURN = torch.tensor([3.0, 3.0, 3.0, 36.5, 36.5, 36.5])

EXPECTED = (VALUE_LOSS, DETERMINISTIC_LOSS, GRADIENT_LOSS, WEIGHTED_LOSS, TO_GO, RETURN)


def all_objectives() -> tuple[Tensor, ...]:
    to_go = objectives.reward_to_go(REWARD, DISCOUNT, ENDED, NEXT_VALUE)
    return (
        objectives.state_value_loss(VALUE, SOFT),
        objectives.deterministic_actor_loss(Q),
        objectives.policy_gradient_loss(LOG_PROB, SIGNAL),
        objectives.critic_loss(CRITICS, Y, WEIGHT),
        to_go,
        objectives.episode_return(to_go, ENDED),
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_hand_worked_numbers(compiled: bool) -> None:
    function = torch.compile(all_objectives, fullgraph=True, dynamic=False) if compiled else all_objectives
    for result, expected in zip(function(), EXPECTED, strict=True):
        assert torch.equal(result, expected)


@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (3,), (2, 1, 3)])
def test_a_tensor_that_would_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    own, other = torch.zeros(2, 3), torch.zeros(shape)
    calls: tuple[Callable[[], Tensor], ...] = (
        lambda: objectives.state_value_loss(own, other),
        lambda: objectives.policy_gradient_loss(own, other),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"expected the shape \[2, 3\], got"):
            call()


@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (3,), (2, 2, 3)])
def test_weights_that_would_broadcast_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected the shape \[2, 3\]"):
        objectives.critic_loss(torch.zeros(2, 2, 3), torch.zeros(2, 3), torch.ones(shape))


def test_weights_of_one_change_nothing_and_others_scale_gradients() -> None:
    """∂J/∂Q_i(s_b) = w_b (Q_i − y)/B."""
    assert torch.equal(objectives.critic_loss(CRITICS, Y, torch.ones(1, 2)), objectives.critic_loss(CRITICS, Y))
    q = CRITICS.clone().requires_grad_()
    objectives.critic_loss(q, Y, WEIGHT).sum().backward()
    assert q.grad is not None
    # (∓1) · (0.5, 3)/2
    assert torch.equal(q.grad, torch.tensor([[[-0.25, 1.5], [0.25, -1.5]]]))


def test_the_state_values_gradient_is_that_of_equation_6() -> None:
    """∂J_V/∂V(s_b) = (V − Q + α log π)/B, with soft = Q − α log π as a constant."""
    value = VALUE.clone().requires_grad_()
    objectives.state_value_loss(value, SOFT).sum().backward()
    assert value.grad is not None
    assert torch.equal(value.grad, torch.tensor([[-1.0, -0.5], [0.0, 2.0]]))


def test_the_deterministic_actor_has_the_gradient_of_the_first_critic() -> None:
    q = Q.clone().requires_grad_()
    objectives.deterministic_actor_loss(q).sum().backward()
    assert q.grad is not None
    assert torch.equal(q.grad, torch.tensor([[[-0.5, -0.5], [0.0, 0.0]]] * 2))


def test_no_gradient_flows_through_the_signal() -> None:
    log_prob, signal = LOG_PROB.clone().requires_grad_(), SIGNAL.clone().requires_grad_()
    objectives.policy_gradient_loss(log_prob, signal).sum().backward()
    assert log_prob.grad is not None
    assert torch.equal(log_prob.grad, -SIGNAL / 2.0)
    assert signal.grad is None


def lanes(steps: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return reward, discount, ends and next values of 2 · 3 lanes [2, 3, T] in float64.

    One step in four ends an episode; half of those terminate it. γ varies with the step, so every factor counts.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform() -> Tensor:
        return torch.rand(2, 3, steps, generator=generator, dtype=torch.float64)

    ended = uniform() < 0.25
    terminated = ended & (uniform() < 0.5)
    return uniform() - 0.5, (0.8 + 0.2 * uniform()) * ~terminated, ended, 10.0 * uniform()


STEPS = [1, 2, 3, 5, 8, 16, 17, 100]
SUMS = {"atol": 1e-12, "rtol": 0.0}  # float64, of up to a hundred terms in another order


@pytest.mark.parametrize("steps", STEPS)
def test_recurrence_is_a_loop(steps: int) -> None:
    term, factor, _, _ = lanes(steps)
    expected, x = torch.empty_like(term), torch.zeros(2, 3, dtype=torch.float64)
    for t in reversed(range(steps)):
        x = term[..., t] + factor[..., t] * x
        expected[..., t] = x
    torch.testing.assert_close(objectives.recurrence(term, factor), expected, **SUMS)


@pytest.mark.parametrize("steps", STEPS)
def test_reward_to_go_is_a_loop(steps: int) -> None:
    reward, discount, ended, next_value = lanes(steps)
    expected = torch.empty_like(reward)
    for p in range(2):
        for n in range(3):
            for t in range(steps):
                total, weight = 0.0, 1.0
                for k in range(t, steps):
                    total += weight * float(reward[p, n, k])
                    weight *= float(discount[p, n, k])
                    if ended[p, n, k] or k == steps - 1:
                        total += weight * float(next_value[p, n, k])
                        break
                expected[p, n, t] = total
    torch.testing.assert_close(objectives.reward_to_go(reward, discount, ended, next_value), expected, **SUMS)


@pytest.mark.parametrize("steps", STEPS)
def test_episode_return_is_a_loop(steps: int) -> None:
    reward, discount, ended, next_value = lanes(steps)
    to_go = objectives.reward_to_go(reward, discount, ended, next_value)
    expected = torch.empty_like(reward)
    for p in range(2):
        for n in range(3):
            first = 0
            for t in range(steps):
                expected[p, n, t] = to_go[p, n, first]
                if ended[p, n, t]:
                    first = t + 1
    torch.testing.assert_close(objectives.episode_return(to_go, ended), expected, **SUMS)


def test_rewards_do_not_reach_the_episode_before() -> None:
    """Bitwise: rewards after an end do not change the steps before it, however large they are."""
    reward, discount, ended, next_value = lanes(16)
    ended[..., 7] = True
    other = reward.clone()
    other[..., 8:] = 1e300
    before = objectives.reward_to_go(reward, discount, ended, next_value)
    after = objectives.reward_to_go(other, discount, ended, next_value)
    assert torch.equal(before[..., :8], after[..., :8])
    assert bool((after[..., 8:] > 1e299).all())
