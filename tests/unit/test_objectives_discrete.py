"""Values and losses over finite sets of actions: hand-worked numbers for P = 2 members, E = 2 critics, B = 2 states,
K = 2 actions, and the values of soft Q-learning against closed forms.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maxent import objectives
from maxent.objectives import boltzmann_log_probs, importance_value, log_sum_exp_value

LOG_2, LOG_3, LOG_4 = math.log(2.0), math.log(3.0), math.log(4.0)

# [P, E, B, K]
Q = torch.tensor(
    [
        [[[1.0, 4.0], [0.0, -2.0]], [[3.0, 2.0], [1.0, -4.0]]],
        [[[-1.0, 0.0], [8.0, 3.0]], [[-2.0, 5.0], [6.0, 4.0]]],
    ],
    dtype=torch.float64,
)
# min over critics, member 0: (1, 2) and (0, −4);   member 1: (−2, 0) and (6, 3).
PROBS = torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[0.75, 0.25], [0.5, 0.5]]], dtype=torch.float64)  # [P, B, K]
ALPHA = torch.tensor([[2.0], [0.5]], dtype=torch.float64)  # [P, 1]

# Σ π min Q, member 0: ½·1 + ½·2 = 1.5,  ¼·0 + ¾·(−4) = −3;   member 1: ¾·(−2) + ¼·0 = −1.5,  ½·6 + ½·3 = 4.5.
EXPECTED_VALUE = torch.tensor([[1.5, -3.0], [-1.5, 4.5]], dtype=torch.float64)
# Entropy of (½, ½): log 2; of (¼, ¾): ¼ log 4 + ¾ (log 4 − log 3) = log 4 − ¾ log 3.
FLAT, STEEP = LOG_2, LOG_4 - 0.75 * LOG_3
# Σ π min Q + α H.
SOFT_VALUE = torch.tensor(
    [[1.5 + 2.0 * FLAT, -3.0 + 2.0 * STEEP], [-1.5 + 0.5 * STEEP, 4.5 + 0.5 * FLAT]], dtype=torch.float64
)
# −(mean over the two states): member 0: −(−1.5 + 2 (H + H′))/2,  member 1: −(3 + ½ (H′ + H))/2.
ACTOR_LOSS = torch.tensor([0.75 - (FLAT + STEEP), -1.5 - 0.25 * (FLAT + STEEP)], dtype=torch.float64)
# max over actions of the minima.
HARD_VALUE = torch.tensor([[2.0, 0.0], [0.0, 6.0]], dtype=torch.float64)

# Another ensemble chooses. Its minima, member 0: (5, 1) and (2, 3); member 1: (0, 2) and (1, −1).
CHOOSER = torch.tensor(
    [
        [[[5.0, 1.0], [9.0, 3.0]], [[6.0, 3.0], [2.0, 4.0]]],
        [[[0.0, 2.0], [1.0, 9.0]], [[4.0, 3.0], [7.0, -1.0]]],
    ],
    dtype=torch.float64,
)
# It takes actions (0, 1) and (1, 0), at which the minima of Q are (1, −4) and (0, 6).
DOUBLE_VALUE = torch.tensor([[1.0, -4.0], [0.0, 6.0]], dtype=torch.float64)

# With α = ½ the exponents Q/α are, member 0: (2, 4) and (0, −8);   member 1: (−4, 0) and (12, 6).
# ½ log(e² + e⁴) = 2 + ½ log(1 + e⁻²),  ½ log(1 + e⁻⁸),  ½ log(1 + e⁻⁴),  6 + ½ log(1 + e⁻⁶).
LOG_SUM_EXP = torch.tensor(
    [
        [2.0 + 0.5 * math.log1p(math.exp(-2.0)), 0.5 * math.log1p(math.exp(-8.0))],
        [0.5 * math.log1p(math.exp(-4.0)), 6.0 + 0.5 * math.log1p(math.exp(-6.0))],
    ],
    dtype=torch.float64,
)
# π of the first action is a sigmoid of the exponents' difference: σ(−2), σ(8), σ(−4), σ(6), with σ(x) = 1/(1 + e⁻ˣ).
FIRST = torch.tensor(
    [[1.0 / (1.0 + math.exp(-x)) for x in pair] for pair in ((-2.0, 8.0), (-4.0, 6.0))], dtype=torch.float64
)

EXPECTED = (SOFT_VALUE, ACTOR_LOSS, EXPECTED_VALUE, HARD_VALUE, DOUBLE_VALUE, LOG_SUM_EXP, FIRST)


def all_values() -> tuple[Tensor, ...]:
    return (
        objectives.expected_soft_value(Q, PROBS.log(), ALPHA),
        objectives.expected_actor_loss(Q, PROBS.log(), ALPHA),
        objectives.expected_value(Q, PROBS),
        objectives.hard_value(Q),
        objectives.double_value(Q, CHOOSER),
        log_sum_exp_value(Q, 0.5),
        boltzmann_log_probs(Q, 0.5).exp()[..., 0],
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_hand_worked_numbers(compiled: bool) -> None:
    function = torch.compile(all_values, fullgraph=True, dynamic=False) if compiled else all_values
    for result, expected in zip(function(), EXPECTED, strict=True):
        torch.testing.assert_close(result, expected, atol=1e-14, rtol=0.0)


def test_shapes_with_all_sizes_different() -> None:
    P, E, B, K = 2, 3, 5, 4
    q, log_probs, alpha = torch.randn(P, E, B, K), torch.randn(P, B, K).log_softmax(-1), torch.ones(P, 1)
    assert objectives.expected_soft_value(q, log_probs, alpha).shape == (P, B)
    assert objectives.expected_actor_loss(q, log_probs, alpha).shape == (P,)
    assert objectives.expected_value(q, log_probs.exp()).shape == (P, B)
    assert objectives.hard_value(q).shape == (P, B)
    assert objectives.double_value(q, q).shape == (P, B)
    assert log_sum_exp_value(q, 1.0).shape == (P, B)
    assert boltzmann_log_probs(q, 1.0).shape == (P, B, K)
    assert importance_value(torch.randn(P, E, K, B), torch.randn(P, K, B), 1.0).shape == (P, B)


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 4), (2, 3, 1), (1, 3, 4), (2, 2, 3, 4)])
def test_probabilities_that_would_broadcast_are_refused(shape: tuple[int, ...]) -> None:
    """q is [P, E, B, K] = [2, 2, 3, 4], so the other tensor has to be [2, 3, 4]."""
    q, alpha = torch.zeros(2, 2, 3, 4), torch.ones(2, 1)
    calls: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda other: objectives.expected_soft_value(q, other, alpha),
        lambda other: objectives.expected_actor_loss(q, other, alpha),
        lambda other: objectives.expected_value(q, other),
        lambda other: importance_value(q, other, 1.0),  # there [P, E, K, B] and [P, K, B]
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"expected the shape \[2, 3, 4\]"):
            call(torch.zeros(shape))


def random_problem(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """q [2, 1, 6, 5], log π [2, 6, 5] and α [2, 1] in float64."""
    generator = torch.Generator().manual_seed(seed)
    q = 3.0 * torch.randn(2, 1, 6, 5, generator=generator, dtype=torch.float64)
    log_probs = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64).log_softmax(-1)
    return q, log_probs, torch.tensor([[0.3], [2.0]], dtype=torch.float64)


def test_the_sum_over_actions_is_the_mean_of_the_sampled_value() -> None:
    """Σ_a π(a|s) (Q(s, a) − α log π(a|s)) by `soft_value` at each action in turn."""
    q, log_probs, alpha = random_problem(0)
    total = torch.zeros(2, 6, dtype=torch.float64)
    for k in range(5):
        total += log_probs[..., k].exp() * objectives.soft_value(q[..., k], log_probs[..., k], alpha)
    torch.testing.assert_close(objectives.expected_soft_value(q, log_probs, alpha), total, atol=1e-13, rtol=0.0)


def test_the_actors_gradient_in_the_logits() -> None:
    """∂J/∂logit_a = π(a) (α log π(a) − Q(a) + V)/B with V = Σ π (Q − α log π): the derivative of softmax, by hand."""
    q, log_probs, alpha = random_problem(1)
    logits = log_probs.clone().requires_grad_()
    objectives.expected_actor_loss(q, logits.log_softmax(-1), alpha).sum().backward()
    value = objectives.expected_soft_value(q, log_probs, alpha)
    expected = log_probs.exp() * (alpha.unsqueeze(-1) * log_probs - q[:, 0] + value.unsqueeze(-1)) / 6.0
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, expected, atol=1e-13, rtol=0.0)


def test_the_boltzmann_policy_reaches_the_log_sum_exp() -> None:
    """Theorem 1 of 2017: the maximum over policies, V = α log Σ exp(Q/α), is attained by π = exp((Q − V)/α)."""
    q, log_probs, _ = random_problem(2)
    for alpha in (0.1, 1.0, 5.0):
        best, own = log_sum_exp_value(q, alpha), boltzmann_log_probs(q, alpha)
        scale = torch.full((2, 1), alpha, dtype=torch.float64)
        torch.testing.assert_close(objectives.expected_soft_value(q, own, scale), best, atol=1e-12, rtol=0.0)
        assert bool((objectives.expected_soft_value(q, log_probs, scale) < best).all())
        torch.testing.assert_close(own, (q[:, 0] - best.unsqueeze(-1)) / alpha, atol=1e-12, rtol=0.0)


def test_values_that_would_overflow() -> None:
    """exp(1000/0.01) overflows. V is the larger of two values, and Q + α log 2 for two equal ones."""
    q = torch.tensor([[[[1000.0, -1000.0], [-1000.0, -1000.0]]]])
    assert log_sum_exp_value(q, 0.01).tolist() == [[1000.0, pytest.approx(-1000.0 + 0.01 * LOG_2)]]
    assert boltzmann_log_probs(q, 0.01).exp().tolist() == [[[1.0, 0.0], [0.5, 0.5]]]


def test_a_hard_value_is_the_limit_of_a_soft_one() -> None:
    q, _, _ = random_problem(3)
    # between max Q and max Q + α log K
    gap = log_sum_exp_value(q, 1e-3) - objectives.hard_value(q)
    assert bool((gap >= 0.0).all())
    assert bool((gap <= 1e-3 * math.log(5.0)).all())


def test_importance_value_by_hand() -> None:
    """Two proposals with densities ½ and ¼, α = 2: 2 log ½ (e^{Q₁/2}/½ + e^{Q₂/2}/¼).

    With min Q = (2 log 3, 0): 2 log ½ (3·2 + 1·4) = 2 log 5; with (0, 2 log 2): 2 log ½ (2 + 8) = 2 log 5 as well.
    """
    q = torch.tensor([[[[2.0 * LOG_3, 9.0], [0.0, 2.0 * LOG_2]], [[7.0, 0.0], [1.0, 8.0]]]])  # [P, E, K, B] = [1, 2, …]
    log_density = torch.tensor([[[-LOG_2, -LOG_2], [-LOG_4, -LOG_4]]])  # [P, K, B]
    assert importance_value(q, log_density, 2.0).tolist() == [[pytest.approx(2.0 * math.log(5.0))] * 2]


def test_importance_sampling_over_all_actions_alike_is_the_sum() -> None:
    """Each of K actions once, as proposals of density 1/K: the mean of exp(Q/α)·K is Σ exp(Q/α)."""
    q, _, _ = random_problem(4)
    proposals = q.transpose(-2, -1)  # [P, E, K, B]
    log_density = torch.full((2, 5, 6), -math.log(5.0), dtype=torch.float64)
    torch.testing.assert_close(
        importance_value(proposals, log_density, 0.7), log_sum_exp_value(q, 0.7), atol=1e-12, rtol=0.0
    )


CURVATURE, CENTRE, TEMPERATURE = 3.0, 0.4, 0.5


def quadratic(action: Tensor) -> Tensor:
    """Q(a) = −½ c (a − m)²: exp(Q/α) is a Gaussian with σ² = α/c."""
    return -0.5 * CURVATURE * (action - CENTRE) ** 2


def log_integral() -> float:
    """log ∫ exp(Q/α) da over [−1, 1] = log(σ √(2π) (Φ((1 − m)/σ) − Φ((−1 − m)/σ)))."""
    sigma = math.sqrt(TEMPERATURE / CURVATURE)
    inside = 0.5 * (
        math.erf((1.0 - CENTRE) / (sigma * math.sqrt(2.0))) - math.erf((-1.0 - CENTRE) / (sigma * math.sqrt(2.0)))
    )
    return math.log(sigma * math.sqrt(2.0 * math.pi) * inside)


def uniform_estimates(particles: int, estimates: int) -> Tensor:
    """V of a quadratic Q by uniform proposals, density ½ on [−1, 1], `estimates` times. → [estimates]"""
    generator = torch.Generator().manual_seed(0)
    action = 2.0 * torch.rand(1, 1, particles, estimates, generator=generator, dtype=torch.float64) - 1.0
    log_density = torch.full((1, particles, estimates), -LOG_2, dtype=torch.float64)
    return importance_value(quadratic(action), log_density, TEMPERATURE)[0]


def test_importance_sampling_converges_to_the_integral() -> None:
    """V = α log ∫ exp(Q/α) da, by 200,000 uniform proposals: a standard error of about α · 0.002."""
    error = uniform_estimates(200_000, 1).item() - TEMPERATURE * log_integral()
    assert abs(error) < 4.0 * TEMPERATURE * 0.002


def test_the_exponential_of_the_estimate_is_unbiased_and_its_logarithm_is_too_low() -> None:
    """E[exp(V̂/α)] = ∫ exp(Q/α) da for any K, here 4; and E[V̂] < V by Jensen."""
    estimates = uniform_estimates(4, 100_000)
    weight = (estimates / TEMPERATURE).exp()
    error = weight.std().item() / math.sqrt(len(weight))
    assert error < 0.005
    assert abs(weight.mean().item() - math.exp(log_integral())) < 4.0 * error
    assert estimates.mean().item() < TEMPERATURE * log_integral() - 0.02


def test_importance_values_do_not_overflow() -> None:
    q = torch.tensor([[[[1e4], [-1e4]]]])  # [P, E, K, B] = [1, 1, 2, 1]
    # one of two proposals counts: V = 10,000 + α log ½ / density ½ = 10,000
    assert importance_value(q, torch.full((1, 2, 1), -LOG_2), 0.1).item() == pytest.approx(1e4)
