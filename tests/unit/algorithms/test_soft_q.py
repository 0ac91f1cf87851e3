"""Soft Q-learning: V against numerical integrals, and the sampling network's density."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from cases import CASES, FEW, OBS, B, Case, K, Plain, data, fresh, generators, of_member, plain, train
from scipy.stats import chi2
from soft_q_parts import on_a_box, sampling
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.nn.optimiser import State

DISCRETE = CASES["soft-q, discrete"]
CONTINUOUS = Case("soft-q", "continuous", FEW)


def ndtri(u: Tensor) -> Tensor:
    return torch.special.ndtri(u)


def midpoints(count: int) -> Tensor:
    """(i + ½)/n: what uniform numbers would be if they were spread evenly."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


# ------------------------------------------------------------------------------------------------ on a finite set: sums


class PlainSoftQ:
    """2017 algorithm 1 over a finite set for one member, with torch.optim and a loop over actions."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config
        each = range(self.config.critics)
        self.critics = [plain(algorithm, state, "critic", member, e) for e in each]
        self.targets = [plain(algorithm, state, "target_critic", member, e) for e in each]

    def update(self, batch: Any, number: int) -> None:
        q = torch.stack([target(batch.next_obs) for target in self.targets]).amin(0).detach()
        next_v = self.config.alpha * sum((q[:, k] / self.config.alpha).exp() for k in range(K)).log()
        y, rows, action = batch.reward + batch.discount * next_v, torch.arange(B), batch.action[:, 0].long()
        for critic in self.critics:
            critic.descend((0.5 * (critic(batch.obs)[rows, action] - y) ** 2).mean())
        if number % self.config.target_delay == 0:
            for target, critic in zip(self.targets, self.critics, strict=True):
                target.polyak_update(critic, self.config.tau)


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.3, "critics": 2, "target_delay": 2, "tau": 0.1}])
def test_six_updates_over_a_finite_set_equal_a_plain_program(settings: dict[str, Any]) -> None:
    algorithm = DISCRETE.make(**settings)
    state = fresh(algorithm)
    peers = [PlainSoftQ(algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 6)
    train(algorithm, state, updates)
    for member, peer in enumerate(peers):
        for number, update in enumerate(updates, start=1):
            peer.update(of_member(*update, member)[0], number)
        for name, networks in (("critic", peer.critics), ("target_critic", peer.targets)):
            for e, network in enumerate(networks):
                torch.testing.assert_close(state[name][member, e], network.flat(), atol=1e-10, rtol=0.0)


def test_actions_of_a_finite_set_follow_boltzmann_probabilities() -> None:
    """π(a|s) = exp((Q(s, a) − V(s))/α), by χ² of 50,000 draws with three degrees of freedom, at one in 10,000."""
    algorithm = DISCRETE.make(alpha=0.2)
    state, count = algorithm.init(generators([0, 1])), 50_000
    obs = torch.randn(2, 1, OBS, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, count, 1, generator=torch.Generator().manual_seed(1))
    action = algorithm.act(state, obs.expand(-1, count, -1), noise, 0)
    for member in range(2):
        q = plain(algorithm, state, "critic", member, 0)(obs[member])[0].detach().double()
        probs = (q / 0.2).exp() / (q / 0.2).exp().sum()
        assert probs.max() - probs.min() > 0.05
        observed = torch.bincount(action[member].flatten().long(), minlength=K).double()
        assert ((observed - count * probs) ** 2 / (count * probs)).sum().item() < chi2.ppf(0.9999, df=K - 1)
        assert algorithm.mode(state, obs)[member].item() == q.argmax().item()


# ----------------------------------------------------------------------------------------------- on a box: V by samples


def integral(algorithm: Algorithm, state: State, obs: Tensor, alpha: float, nodes: int) -> Tensor:
    """α log ∫ exp(Q̄/α) da for observations [B, O], by the trapezoidal rule in each dimension of the action. [B]"""
    size = algorithm.action.size
    grid, ends = np.linspace(-1.0, 1.0, nodes), np.full(nodes, 2.0 / (nodes - 1))
    ends[[0, -1]] *= 0.5
    actions = torch.tensor(np.stack(np.meshgrid(*[grid] * size), -1).reshape(-1, size))
    weights = torch.tensor(np.prod(np.stack(np.meshgrid(*[ends] * size), -1), -1).reshape(-1))
    target = plain(algorithm, state, "target_critic", 0, 0)
    values = []
    for row in obs:
        q = target(row.expand(len(actions), -1), actions)[:, 0].detach()
        values.append(alpha * (weights * (q / alpha).exp()).sum().log())
    return torch.stack(values)


@pytest.mark.parametrize(("size", "nodes"), [(1, 4_000), (2, 150)])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_uniform_proposals_integrate(size: int, nodes: int, alpha: float) -> None:
    """With proposals spread evenly, the importance sample is the midpoint rule."""
    algorithm = on_a_box(size, alpha=alpha, value_particles=nodes**size)
    state = fresh(algorithm)
    obs = torch.randn(1, 2, OBS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    proposals = ndtri(torch.cartesian_prod(*[midpoints(nodes)] * size).reshape(-1, size))  # [K, A]
    noise = {"proposal": proposals.repeat_interleave(2, 0).unsqueeze(0)}  # [P, K·B, A], for each proposal the batch
    value = algorithm.policy.value(state, obs, noise)[0]
    expected = integral(algorithm, state, obs[0], alpha, 2_001 if size == 1 else 301)
    # kinks of Q make both rules wrong by a share of their step squared, (2/150)² at most
    torch.testing.assert_close(value, expected, atol=2e-4, rtol=0.0)
    assert (value[0] - value[1]).abs() > 1e-3


def test_random_proposals_are_right_on_average() -> None:
    """exp(V̂/α) of 4,000 estimates by 16 uniform proposals each, against the integral, within 4 standard errors."""
    algorithm, batch = on_a_box(2, alpha=0.3, value_particles=16), 4_000
    state = fresh(algorithm)
    obs = torch.full((1, batch, OBS), 0.3, dtype=torch.float64)
    noise = torch.randn(1, 16 * batch, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = (algorithm.policy.value(state, obs, {"proposal": noise})[0] / 0.3).exp()
    error = weight.std().item() / math.sqrt(batch)
    exact = (integral(algorithm, state, obs[0, :1], 0.3, 301) / 0.3).exp().item()
    assert error < 0.02 * exact
    assert abs(weight.mean().item() - exact) < 4.0 * error


def normal_density(xi: Tensor) -> Tensor:
    return (-0.5 * xi * xi - 0.5 * math.log(2.0 * math.pi)).sum(-1)


def sampler_of(algorithm: Algorithm, state: State) -> Plain:
    return plain(algorithm, state, "sampler", 0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_density_of_a_linear_sampler(size: int) -> None:
    """Without hidden layers u = Wᵀ(s, ξ) + b is Gaussian with mean Wₛᵀs + b and covariance W_ξᵀW_ξ, and a = tanh(u)."""
    algorithm = on_a_box(size, hidden=())
    state = fresh(algorithm)
    obs = torch.randn(1, 5, OBS, dtype=torch.float64)
    xi = torch.randn(1, 5, size, dtype=torch.float64)
    views = algorithm.networks["sampler"].views(state["sampler"])
    weight, bias = views["layer_0.weight"][0], views["layer_0.bias"][0, 0]
    gaussian = torch.distributions.MultivariateNormal(
        obs[0] @ weight[:OBS] + bias, weight[OBS:].T @ weight[OBS:], validate_args=False
    )
    u, log_density = sampling(algorithm).density(state, obs, xi)
    torch.testing.assert_close(u[0], obs[0] @ weight[:OBS] + xi[0] @ weight[OBS:] + bias, atol=1e-12, rtol=0.0)
    expected = gaussian.log_prob(u[0]) - (1.0 - torch.tanh(u[0]) ** 2).log().sum(-1)
    torch.testing.assert_close(log_density[0], expected, atol=1e-8, rtol=0.0)


def test_the_density_of_a_monotone_sampler_is_what_its_draws_show() -> None:
    """In one dimension, p(a) = (Φ(ξ + h) − Φ(ξ − h))/(a(ξ + h) − a(ξ − h)) as h → 0, where f_φ rises with ξ."""
    algorithm, h = on_a_box(1), 1e-5
    state = fresh(algorithm)
    views = algorithm.networks["sampler"].views(state["sampler"])
    for i in range(3):
        views[f"layer_{i}.weight"].abs_()
    obs, xi = torch.ones(1, 41, OBS, dtype=torch.float64), torch.linspace(-2.0, 2.0, 41).double().reshape(1, 41, 1)
    policy = sampling(algorithm)
    _, log_density = policy.density(state, obs, xi)
    after, before = (torch.tanh(policy.sampler(state, obs, xi + way * h))[..., 0] for way in (1.0, -1.0))
    between = torch.special.ndtr(xi + h) - torch.special.ndtr(xi - h)
    assert bool((after > before).all())
    torch.testing.assert_close(log_density.exp(), between[..., 0] / (after - before), atol=1e-6, rtol=1e-4)


def test_the_density_in_three_dimensions_has_the_determinant_of_the_jacobian() -> None:
    algorithm = on_a_box(3, hidden=(64, 64))  # wide enough to have a determinant other than 0 everywhere
    state = fresh(algorithm)
    obs, xi = torch.randn(1, 6, OBS, dtype=torch.float64), torch.randn(1, 6, 3, dtype=torch.float64)
    u, log_density = sampling(algorithm).density(state, obs, xi)
    sampler = sampler_of(algorithm, state)
    for b in range(6):
        action_of = lambda noise, b=b: torch.tanh(sampler(obs[0, b], noise))[0]  # noqa: E731
        jacobian = torch.autograd.functional.jacobian(action_of, xi[0, b])
        expected = normal_density(xi[0, b]) - jacobian.det().abs().log()
        torch.testing.assert_close(log_density[0, b], expected, atol=1e-9, rtol=0.0)
        torch.testing.assert_close(u[0, b], torch.atanh(action_of(xi[0, b])).detach(), atol=1e-9, rtol=0.0)


def test_proposals_of_the_policy_give_the_same_value() -> None:
    """A one-to-one sampler as wide as the box: its importance sample over evenly spread ξ is the integral, too."""
    count = 20_000
    algorithm = on_a_box(1, hidden=(), proposal="policy", value_particles=count)
    state = fresh(algorithm)
    views = algorithm.networks["sampler"].views(state["sampler"])
    views["layer_0.weight"][0, :, 0] = torch.tensor([0.3, -0.2, 0.1, 1.2], dtype=torch.float64)
    obs = torch.randn(1, 2, OBS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = ndtri(midpoints(count)).repeat_interleave(2).reshape(1, -1, 1)
    value = algorithm.policy.value(state, obs, {"proposal": noise})[0]
    # the outermost proposals stand for more of the box than the midpoint rule can tell
    torch.testing.assert_close(value, integral(algorithm, state, obs[0], 1.0, 2_001), atol=2e-3, rtol=0.0)


def test_where_the_sampler_does_not_move_its_density_stays_finite() -> None:
    """log|det| = −∞ is taken as −20: such a proposal counts for nothing, and V is a number."""
    algorithm = on_a_box(2, proposal="policy", value_particles=3)
    state = fresh(algorithm)
    state["sampler"].zero_()
    obs, xi = torch.zeros(1, 4, OBS, dtype=torch.float64), torch.randn(1, 12, 2, dtype=torch.float64)
    assert bool(torch.isfinite(algorithm.policy.value(state, obs, {"proposal": xi})).all())


def test_the_critics_learn_towards_that_value() -> None:
    """r + γ V of the target critics, from the proposals of this update."""
    algorithm = CONTINUOUS.make(critics=2)
    state, before = fresh(algorithm), fresh(algorithm)
    updates = data(algorithm, 1)
    (metrics,) = train(algorithm, state, updates)
    batch, noise = updates[0]
    next_value = algorithm.policy.value(before, batch.next_obs, noise)  # type: ignore[attr-defined]
    torch.testing.assert_close(metrics["train/v_mean"], next_value.mean(-1), atol=1e-12, rtol=0.0)
    y = batch.reward + batch.discount * next_value
    for member in range(2):
        for e in range(2):
            critic = plain(algorithm, before, "critic", member, e)
            q = critic(batch.obs[member], batch.action[member])[:, 0]
            gradient = critic.gradient((0.5 * (q - y[member]) ** 2).mean())
            torch.testing.assert_close(state["critic.adam_m"][member, e], 0.1 * gradient, atol=1e-12, rtol=1e-9)
