"""Soft Q-learning's sampling network: its Stein step by loops, what it learns to draw, and how it acts."""

import math
from typing import Any

import pytest
import torch
from cases import FEW, OBS, A, B, Case, data, fresh, generators, of_member, plain, train
from soft_q_parts import on_a_box, sampling

from maxent import objectives
from maxent.algorithms.base import Fresh, OrnsteinUhlenbeck
from maxent.algorithms.soft_q_policies import CANDIDATES, SamplingPolicy
from maxent.nn.layers import relu_layers
from maxent.nn.network import Network

CONTINUOUS = Case("soft-q", "continuous", FEW)


# ------------------------------------------------------------------------------------------- on a box: Stein's gradient


def test_the_samplers_gradient_by_loops() -> None:
    """∇ = −1/(M·B) Σ Δ(u_j)·∂u_j/∂φ with Δ(u_j) = 1/M Σ_i κ(u_i, u_j) s(u_i) + ∂κ/∂u_i, state by state.

    s(u) = ∇_u (min_i Q_i(s, tanh u)/α + Σ log(1 − tanh² u)), by the critics after their step.
    """
    algorithm, M = CONTINUOUS.make(alpha=0.7, critics=2), FEW["policy_particles"]
    state, before = fresh(algorithm), fresh(algorithm)
    updates = data(algorithm, 1)
    (metrics,) = train(algorithm, state, updates)
    for member in range(2):
        batch, noise = of_member(*updates[0], member)
        sampler = plain(algorithm, before, "sampler", member)
        critics = [plain(algorithm, state, "critic", member, e) for e in range(2)]
        total, norm = torch.zeros(sampler.network.size, dtype=torch.float64), 0.0
        for b in range(B):
            obs = batch.obs[b].expand(M, -1)
            fixed = sampler(obs, noise["fixed"][b::B]).detach().requires_grad_()  # the batch again and again: [M·B]
            moved = sampler(obs, noise["moved"][b::B])
            q = torch.stack([critic(obs, torch.tanh(fixed))[:, 0] for critic in critics]).amin(0)
            log_density = q / 0.7 + (1.0 - torch.tanh(fixed) ** 2).log().sum(-1)
            (score,) = torch.autograd.grad(log_density.sum(), fixed)
            squared = sorted(float(((x - y) ** 2).sum().detach()) for x in fixed for y in moved)
            h = squared[(M * M - 1) // 2] / (2.0 * math.log(M + 1))
            for j in range(M):
                delta = torch.zeros(A, dtype=torch.float64)
                for i in range(M):
                    difference = (fixed[i] - moved[j]).detach()
                    kappa = math.exp(-float(difference @ difference) / h)
                    delta += kappa * score[i] - 2.0 / h * kappa * difference
                delta /= M
                total -= sampler.gradient((delta * moved[j]).sum()) / (M * B)
                norm += float(delta.norm()) / (M * B)
        torch.testing.assert_close(state["sampler.adam_m"][member], 0.1 * total, atol=1e-12, rtol=1e-8)
        assert metrics["train/stein_norm"][member].item() == pytest.approx(norm, rel=1e-12)


def ramp(network: Network, views: Any, slope: float, centre: float) -> None:
    """Q(s, a) = −slope · |a − centre| as −slope (relu(a − centre) + relu(centre − a)), whatever s is."""
    for view in views.values():
        view.zero_()
    assert network.sizes == (OBS + 1, 2, 1)
    views["layer_0.weight"][0, OBS] = torch.tensor([1.0, -1.0])
    views["layer_0.bias"][0, 0] = torch.tensor([-centre, centre])
    views["layer_1.weight"][0] = torch.tensor([[-slope], [-slope]])


def test_the_sampling_network_learns_to_draw_from_the_exponential_of_q() -> None:
    """exp(Q/α) = exp(−3 |a − 0.3|) on (−1, 1): the draws' distribution function is that of a cut-off Laplace."""
    slope, centre, alpha = 1.5, 0.3, 0.5
    algorithm = on_a_box(1, hidden=(2,), alpha=alpha, policy_particles=32)
    policy = SamplingPolicy(
        algorithm.critics, 1, OBS, 1, relu_layers((32, 32)), alpha=alpha, proposal="uniform", value_particles=1,
        policy_particles=32, learning_rate=3e-3, max_grad_norm=None,
    )  # fmt: skip
    state = algorithm.init(generators([0]))
    ramp(algorithm.networks["critic"], algorithm.networks["critic"].views(state["critic"]), slope, centre)
    policy.init(state, generators([1]))
    generator, obs = torch.Generator().manual_seed(0), torch.zeros(1, 8, OBS)
    with torch.no_grad():
        for _ in range(1_500):
            noise = {
                name: torch.randn(1, *shape, generator=generator) for name, shape in policy.update_noise(8).items()
            }
            policy.fit(state, obs, noise)
        draws = policy.draw(state, torch.zeros(1, 4_000, OBS), torch.randn(1, 4_000, 1, generator=generator)).flatten()
    rate = slope / alpha

    def mass(a: float) -> float:
        """∫ exp(−rate |x − centre|) dx from −1 to a."""
        left = (math.exp(rate * (min(a, centre) - centre)) - math.exp(rate * (-1.0 - centre))) / rate
        return left + (1.0 - math.exp(-rate * (a - centre))) / rate * (a > centre)

    for a in (-0.5, 0.0, 0.3, 0.6, 0.8):
        assert (draws < a).float().mean().item() == pytest.approx(mass(a) / mass(1.0), abs=0.07)


# --------------------------------------------------------------------------------------------------------------- acting


def test_draws_are_the_squashed_sampler() -> None:
    algorithm = CONTINUOUS.make()
    state = algorithm.init(generators([0, 1]))
    obs, noise = torch.randn(2, 5, OBS), torch.randn(2, 5, A)
    action = algorithm.act(state, obs, noise, 0)
    for member in range(2):
        expected = torch.tanh(plain(algorithm, state, "sampler", member)(obs[member], noise[member])).detach()
        torch.testing.assert_close(action[member], expected, atol=1e-6, rtol=0.0)


def test_the_mode_is_the_best_of_the_same_draws_by_q() -> None:
    """For each observation on its own, and the same alone and beside others."""
    algorithm = CONTINUOUS.make()
    state = algorithm.init(generators([0, 1]))
    obs = torch.randn(2, 4, OBS)
    mode = algorithm.mode(state, obs)
    candidates = sampling(algorithm).candidates
    assert candidates.shape == (CANDIDATES, A)
    for member in range(2):
        sampler, critic = plain(algorithm, state, "sampler", member), plain(algorithm, state, "critic", member, 0)
        for n in range(4):
            own = obs[member, n].expand(CANDIDATES, -1)
            draws = torch.tanh(sampler(own, candidates))
            expected = draws[critic(own, draws)[:, 0].argmax()].detach()
            torch.testing.assert_close(mode[member, n], expected, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(algorithm.mode(state, obs[:, 2:3]), mode[:, 2:3], atol=1e-6, rtol=0.0)


# ------------------------------------------------------------------------------------------------------------ exploring


def test_ornstein_uhlenbeck_noise_is_added_to_draws_of_the_policy() -> None:
    """a = clip(tanh f(ξ; s) + σ x); the first half of the draws is ξ, the second x."""
    plain_one, noisy = on_a_box(2), on_a_box(2, ou_noise=0.3)
    state = plain_one.init(generators([0]))
    obs, noise = torch.randn(1, 7, OBS), torch.randn(1, 7, 4)
    assert (plain_one.act_noise, noisy.act_noise) == (2, 4)
    own = plain_one.act(state, obs, noise[..., :2], 0)
    torch.testing.assert_close(noisy.act(state, obs, noise, 0), (own + 0.3 * noise[..., 2:]).clamp(-1.0, 1.0))
    assert (plain_one.exploration, noisy.exploration) == (Fresh(), OrnsteinUhlenbeck(2))


# ------------------------------------------------------------------------------------------- the bias of V's estimate

BIAS = {
    (16, 1): -0.03, (16, 2): -0.09, (16, 3): -0.20, (16, 6): -0.91,
    (50, 1): -0.01, (50, 2): -0.03, (50, 3): -0.06, (50, 6): -0.37,
}  # fmt: skip
"""Of V/α in nats, for Q/α = −|a|²/(2 · 0.3²) and uniform proposals: docs/algorithms/soft-q.md has this table."""


@pytest.mark.parametrize(("count", "size"), BIAS)
def test_the_bias_of_uniform_proposals_grows_with_the_dimensions(count: int, size: int) -> None:
    """Against α log ∫ exp(Q/α) da = size · log(σ √(2π) erf(1/(σ √2))), over 20,000 estimates."""
    trials, sigma = 20_000, 0.3
    generator = torch.Generator().manual_seed(1)
    action = 2.0 * torch.rand(trials, count, size, generator=generator, dtype=torch.float64) - 1.0
    q = -(action * action).sum(-1).T.reshape(1, 1, count, trials) / (2.0 * sigma**2)
    density = torch.full((1, count, trials), -size * math.log(2.0), dtype=torch.float64)
    value = objectives.importance_value(q, density, 1.0)
    exact = size * math.log(sigma * math.sqrt(2.0 * math.pi) * math.erf(1.0 / (sigma * math.sqrt(2.0))))
    error = 4.0 * value.std().item() / math.sqrt(trials)
    assert value.mean().item() - exact == pytest.approx(BIAS[count, size], abs=0.006 + error)


def test_proposals_are_chosen_by_the_number_of_dimensions() -> None:
    assert [sampling(on_a_box(size)).proposal for size in (1, 2, 3, 6)] == ["uniform", "uniform", "policy", "policy"]
    assert sampling(on_a_box(3, proposal="uniform")).proposal == "uniform"
