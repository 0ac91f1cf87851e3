"""Categorical critics: hand-worked projections, conserved mass and mean, and C51's scatter in float64."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent import objectives

# The support −1, −½, 0, ½, 1: Δ = ½.
LOW, HIGH = -1.0, 1.0
ATOMS = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
REWARD, DISCOUNT, ALPHA = torch.tensor([[0.25, 0.5]]), torch.tensor([[0.5, 0.0]]), torch.tensor([[2.0]])
NEXT_LOG_PROB = torch.tensor([[0.25, -8.0]])
# T z = r + γ (z − 2 log π): transition 0: 0.25 + 0.5 (z − 0.5) = ½ z;  transition 1 terminated: 0.5 for each z.
TARGET_ATOMS = torch.tensor([[[-0.5, -0.25, 0.0, 0.25, 0.5], [0.5] * 5]])
PROBS = torch.tensor([[[0.5, 0.25, 0.0, 0.25, 0.0], [0.125, 0.125, 0.25, 0.25, 0.25]]])
# Transition 0: ½ at −½; ¼ at −¼, half each to −½ and 0; ¼ at ¼, half each to 0 and ½.  Transition 1: all of it at ½.
PROJECTED = torch.tensor([[[0.0, 0.625, 0.25, 0.125, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]]])
# One critic with logits 0, p = ⅕: the cross-entropy is log 5 for each transition, whatever the target.
UNIFORM = torch.zeros(1, 1, 2, 5).log_softmax(-1)
# A second one with p = (½, ¼, ⅛, 1/16, 1/16): −Σ p̂ log p is (0.625·2 + 0.25·3 + 0.125·4) log 2 = 2.5 log 2, then
# 4 log 2.
HALVES = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16]).log().expand(1, 1, 2, 5)
LOSS = torch.tensor([math.log(5.0) + 3.25 * math.log(2.0)])
# With weights (2, 1): log 5 · (2 + 1)/2 and (2 · 2.5 + 4)/2 log 2.
WEIGHTED = torch.tensor([1.5 * math.log(5.0) + 4.5 * math.log(2.0)])
# Σ p z of the second: −½ − ⅛ + 0 + 1/32 + 1/16.
VALUES = torch.tensor([[[0.0, 0.0], [-17 / 32, -17 / 32]]])


def all_functions() -> tuple[Tensor, ...]:
    log_probs = torch.cat([UNIFORM, HALVES], 1)
    target = objectives.categorical_td_target(REWARD, DISCOUNT, ATOMS, ALPHA, NEXT_LOG_PROB)
    projected = objectives.categorical_projection(target, PROBS, LOW, HIGH)
    return (
        objectives.atoms(LOW, HIGH, 5, PROBS),
        target,
        projected,
        objectives.categorical_value(log_probs, ATOMS),
        objectives.categorical_minimum(log_probs, ATOMS),
        objectives.categorical_critic_loss(log_probs, projected),
        objectives.categorical_critic_loss(log_probs, projected, torch.tensor([[2.0, 1.0]])),
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_hand_worked_numbers(compiled: bool) -> None:
    function = torch.compile(all_functions, fullgraph=True, dynamic=False) if compiled else all_functions
    *exact, loss, weighted = function()
    support, target, projected, values, smallest = exact
    for result, expected in ((support, ATOMS), (target, TARGET_ATOMS), (projected, PROJECTED)):
        assert torch.equal(result, expected)
    # exp and log of float32 are right to 1e-7, over five terms
    torch.testing.assert_close(values, VALUES, atol=1e-6, rtol=0.0)
    assert torch.equal(smallest, HALVES[:, 0])
    torch.testing.assert_close(loss, LOSS, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(weighted, WEIGHTED, atol=1e-6, rtol=0.0)


def scattered(target: NDArray[np.float64], probs: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Algorithm 1 of C51, atom by atom, in float64."""
    last = probs.shape[-1] - 1
    out = np.zeros_like(probs)
    for place in np.ndindex(*probs.shape[:-1]):
        for j in range(last + 1):
            position = (min(max(target[place][j], low), high) - low) / ((high - low) / last)
            position = min(position, float(last))
            below, above = math.floor(position), math.ceil(position)
            out[place][below] += probs[place][j] * (1.0 if below == above else above - position)
            if below != above:
                out[place][above] += probs[place][j] * (position - below)
    return out


def random_problem(dtype: torch.dtype, spread: float, count: int = 101) -> tuple[Tensor, Tensor]:
    """Target atoms and probabilities [3, 16, K] around the support [−5, 5]; some atoms lie on it exactly."""
    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(3, 16, count, generator=generator, dtype=torch.float64).mul(3.0).softmax(-1)
    target = spread * (2.0 * torch.rand(3, 16, count, generator=generator, dtype=torch.float64) - 1.0)
    target[0] = torch.linspace(-5.0, 5.0, count, dtype=torch.float64)
    return target.to(dtype), probs.to(dtype)


# float32: positions up to 100 are rounded to 100 · 2⁻²⁴ ≈ 6e-6, a share of a probability.
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=["float64", "float32"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("spread", [4.0, 9.0], ids=["inside", "beyond the edges"])
def test_the_projection_is_the_scatter_of_c51(dtype: torch.dtype, atol: float, compiled: bool, spread: float) -> None:
    target, probs = random_problem(dtype, spread)
    project = objectives.categorical_projection
    function = torch.compile(project, fullgraph=True, dynamic=False) if compiled else project
    result = function(target, probs, -5.0, 5.0).double().numpy()
    expected = scattered(target.double().numpy(), probs.double().numpy(), -5.0, 5.0)
    np.testing.assert_allclose(result, expected, atol=atol, rtol=0.0)


@pytest.mark.parametrize("spread", [4.0, 9.0], ids=["inside", "beyond the edges"])
def test_the_projection_conserves_mass_in_float32(spread: float) -> None:
    """The two shares of an atom add up to 1 exactly; what remains is the rounding of sums over 101 terms."""
    target, probs = random_problem(torch.float32, spread)
    projected = objectives.categorical_projection(target, probs, -5.0, 5.0)
    assert bool((projected >= 0.0).all())
    torch.testing.assert_close(projected.sum(-1), probs.sum(-1), atol=1e-6, rtol=0.0)


def test_the_projection_preserves_the_mean_inside_the_support() -> None:
    """Σ_i p_i z_i = Σ_j p_j T z_j for |T z| ≤ 5; beyond the edges the mean is that of the clipped atoms."""
    support = objectives.atoms(-5.0, 5.0, 101, torch.zeros(1, dtype=torch.float64))
    for spread in (4.0, 9.0):
        target, probs = random_problem(torch.float64, spread)
        mean = (objectives.categorical_projection(target, probs, -5.0, 5.0) * support).sum(-1)
        torch.testing.assert_close(mean, (probs * target.clamp(-5.0, 5.0)).sum(-1), atol=1e-12, rtol=0.0)


def test_atoms_that_stay_keep_their_probabilities() -> None:
    _, probs = random_problem(torch.float64, 4.0, count=7)
    support = objectives.atoms(-3.0, 3.0, 7, probs)
    same = objectives.categorical_projection(support.expand_as(probs), probs, -3.0, 3.0)
    assert torch.equal(same, probs)


def test_atoms_beyond_the_edges_go_to_the_outermost_ones() -> None:
    target = torch.tensor([[[-math.inf, -7.0, 1.0, 7.0, math.inf]]])
    probs = torch.tensor([[[0.125, 0.125, 0.25, 0.25, 0.25]]])
    projected = objectives.categorical_projection(target, probs, -1.0, 1.0)
    assert projected.tolist() == [[[0.25, 0.0, 0.0, 0.0, 0.75]]]


def test_the_gradient_of_the_loss_is_the_difference_of_probabilities() -> None:
    """∂J/∂logit_k = (p_k − p̂_k)/B, for each critic by itself; none flows into the target."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)  # [P, E, B, K]
    target = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64).softmax(-1).requires_grad_()
    objectives.categorical_critic_loss(logits.log_softmax(-1), target).sum().backward()
    assert logits.grad is not None
    expected = (logits.softmax(-1) - target.unsqueeze(1)).detach() / 4.0
    torch.testing.assert_close(logits.grad, expected, atol=1e-14, rtol=0.0)
    assert target.grad is None


def test_the_smallest_critic_is_chosen_for_each_transition() -> None:
    """Q of critic 0 is (−1, 1), that of critic 1 is (0, 0): critic 0 for the first transition, 1 for the second."""
    certain = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).log()
    undecided = torch.tensor([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]).log()
    chosen = objectives.categorical_minimum(torch.stack([certain, undecided])[None], torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.equal(chosen, torch.stack([certain[0], undecided[1]])[None])


@pytest.mark.parametrize(("low", "high", "count"), [(1.0, 1.0, 5), (2.0, 1.0, 5), (0.0, 1.0, 1)])
def test_a_support_without_extent_is_refused(low: float, high: float, count: int) -> None:
    with pytest.raises(ValueError, match="expected low < high and a count of at least 2"):
        objectives.atoms(low, high, count, torch.zeros(1))


def test_shapes_that_would_broadcast_are_refused() -> None:
    log_probs, batch = torch.zeros(2, 3, 4, 5), torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"target_probs: expected the shape \[2, 4, 5\], got \[2, 1, 5\]"):
        objectives.categorical_critic_loss(log_probs, torch.zeros(2, 1, 5))
    with pytest.raises(ValueError, match=r"weight: expected the shape \[2, 4\], got \[2, 1\]"):
        objectives.categorical_critic_loss(log_probs, torch.zeros(2, 4, 5), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"probs: expected the shape \[2, 4, 5\], got \[2, 4, 1\]"):
        objectives.categorical_projection(torch.zeros(2, 4, 5), torch.zeros(2, 4, 1), -1.0, 1.0)
    with pytest.raises(ValueError, match=r"discount: expected the shape \[2, 4\], got \[2, 1\]"):
        objectives.categorical_td_target(batch, batch[:, :1], ATOMS, torch.ones(2, 1), batch)
    with pytest.raises(ValueError, match=r"next_log_prob: expected the shape \[2, 4\], got \[1, 4\]"):
        objectives.categorical_td_target(batch, batch, ATOMS, torch.ones(2, 1), batch[:1])
