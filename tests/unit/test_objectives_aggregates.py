"""Ensembles of critics: minimum, mean, and the minimum over a random subset, in every objective that aggregates."""

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from maxent import objectives
from maxent.objectives import Aggregate, mean_over_critics, minimum, subset_minimum

# P = 2 members, E = 3 critics, B = 2 transitions; small binary fractions.
Q = torch.tensor([[[1.0, 4.0], [3.0, 2.0], [2.0, 3.0]], [[-1.0, 0.0], [-2.0, 6.0], [6.0, 0.0]]])  # [P, E, B]
MINIMUM = torch.tensor([[1.0, 2.0], [-2.0, 0.0]])
MEAN = torch.tensor([[2.0, 3.0], [1.0, 2.0]])
NOISE = torch.tensor([[-0.5, 2.0, 0.5], [1.5, -1.0, 0.0]])
# The two largest numbers of noise: member 0 critics 1 and 2, member 1 critics 0 and 2.
SUBSET = torch.tensor([[2.0, 2.0], [-1.0, 0.0]])


def all_aggregates() -> tuple[Tensor, ...]:
    return minimum(Q), mean_over_critics(Q), subset_minimum(NOISE, 2)(Q)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_hand_worked_numbers(compiled: bool) -> None:
    function = torch.compile(all_aggregates, fullgraph=True, dynamic=False) if compiled else all_aggregates
    for result, expected in zip(function(), (MINIMUM, MEAN, SUBSET), strict=True):
        assert torch.equal(result, expected)


def test_a_subset_of_all_critics_is_the_minimum_and_of_one_is_that_critic() -> None:
    q, noise = torch.randn(4, 5, 7, 3), torch.randn(4, 5)
    assert torch.equal(subset_minimum(noise, 5)(q), minimum(q))
    largest = noise.argmax(1)
    assert torch.equal(subset_minimum(noise, 1)(q), q[torch.arange(4), largest])


def test_a_subset_has_its_size_for_equal_noise() -> None:
    """The first critics are taken: of (3, 2, 1) the minimum over two is 2."""
    q = torch.tensor([[[3.0], [2.0], [1.0]]])
    assert subset_minimum(torch.zeros(1, 3), 2)(q).item() == 2.0


def test_all_subsets_are_equally_likely() -> None:
    """Each of the 6 pairs of 4 critics in 12,000 draws; Q_i = 2ⁱ, so the sum of the chosen ones names the pair."""
    noise = torch.randn(12_000, 4, generator=torch.Generator().manual_seed(0))
    value = (2.0 ** torch.arange(4)).repeat(12_000, 1)
    lower, upper = subset_minimum(noise, 2)(value), -subset_minimum(noise, 2)(-value)
    pairs, counts = torch.stack([lower, upper], 1).unique(dim=0, return_counts=True)
    assert pairs.tolist() == [[2.0**i, 2.0**j] for i, j in combinations(range(4), 2)]
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_the_gradient_reaches_the_smallest_critic_of_the_subset_alone() -> None:
    q = Q.clone().requires_grad_()
    subset_minimum(NOISE, 1)(q).sum().backward()
    assert q.grad is not None
    assert torch.equal(
        q.grad, torch.tensor([[[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]])
    )


@pytest.mark.parametrize("size", [0, 4])
def test_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a size from 1 to 3 critics, got {size}"):
        subset_minimum(NOISE, size)


def test_noise_for_another_ensemble_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected q of \[2, 3\]"):
        subset_minimum(NOISE, 2)(torch.zeros(2, 4, 5))


P, E, B, K = 2, 3, 5, 4
LOG_PROB, ALPHA = torch.randn(P, B), torch.rand(P, 1) + 0.5
LOG_PROBS, LOG_DENSITY = torch.randn(P, B, K).log_softmax(-1), torch.randn(P, K, B)

OBJECTIVES: dict[str, tuple[tuple[int, ...], Callable[[Tensor, Aggregate], Tensor]]] = {
    "soft_value": ((P, E, B), lambda q, a: objectives.soft_value(q, LOG_PROB, ALPHA, aggregate=a)),
    "actor_loss": ((P, E, B), lambda q, a: objectives.actor_loss(q, LOG_PROB, ALPHA, aggregate=a)),
    "expected_soft_value": (
        (P, E, B, K),
        lambda q, a: objectives.expected_soft_value(q, LOG_PROBS, ALPHA, aggregate=a),
    ),
    "expected_actor_loss": (
        (P, E, B, K),
        lambda q, a: objectives.expected_actor_loss(q, LOG_PROBS, ALPHA, aggregate=a),
    ),
    "expected_value": ((P, E, B, K), lambda q, a: objectives.expected_value(q, LOG_PROBS.exp(), aggregate=a)),
    "hard_value": ((P, E, B, K), lambda q, a: objectives.hard_value(q, aggregate=a)),
    "double_value": ((P, E, B, K), lambda q, a: objectives.double_value(q, q.flip(-1), aggregate=a)),
    "log_sum_exp_value": ((P, E, B, K), lambda q, a: objectives.log_sum_exp_value(q, 0.5, aggregate=a)),
    "boltzmann_log_probs": ((P, E, B, K), lambda q, a: objectives.boltzmann_log_probs(q, 0.5, aggregate=a)),
    "importance_value": ((P, E, K, B), lambda q, a: objectives.importance_value(q, LOG_DENSITY, 0.5, aggregate=a)),
}


LAST_TWO = torch.tensor([[-1.0, 0.0, 1.0]] * P)  # numbers that select the last two of three critics


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("aggregate", [mean_over_critics, subset_minimum(LAST_TWO, 2)], ids=["mean", "subset"])
def test_an_objective_aggregates_as_it_is_given(name: str, aggregate: Aggregate) -> None:
    """It equals the same objective of one critic whose values are the aggregate."""
    shape, objective = OBJECTIVES[name]
    q = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    result = objective(q, aggregate)
    assert torch.equal(result, objective(aggregate(q).unsqueeze(1), minimum))
    assert not torch.equal(result, objective(q, minimum))
