"""SAC as first published: the gradients of seeds 000 and 004 in closed form, and updates against a plain program."""

from typing import Any

import pytest
import torch
from cases import CASES, A, B, Plain, data, fresh, of_member, plain, sample, train
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.nn.optimiser import State

CASE = CASES["sac-v1"]
EXACT = {"atol": 1e-12, "rtol": 1e-9}  # float64


def gradient(state: State, name: str, member: int) -> Tensor:
    """The gradient of the first update: Adam's first moment is (1 − 0.9) times it."""
    return state[f"{name}.adam_m"][member] / (1.0 - 0.9)


def jacobian(network: Plain, output: Tensor) -> Tensor:
    """∂ output / ∂ parameters. [B, n]"""
    return torch.stack([network.gradient(each) for each in output])


def input_jacobian(output: Tensor, x: Tensor) -> Tensor:
    """∂ output_b / ∂ x_b. [B, A]"""
    return torch.stack([torch.autograd.grad(each, x, retain_graph=True)[0][b] for b, each in enumerate(output)])


def policy_gradients(actor: Plain, critics: list[Plain], obs: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """Equation 13 at each (s, ε), its derivatives written out by hand. [B, n]

    ∇_φ α log π(a|s) + (∇_a α log π(a|s) − ∇_a Q(s, a)) ∇_φ f_φ(ε; s), where ∇_φ log π holds a fixed. With
    a = tanh(u), u = μ + σ ε:

        ∂ log π/∂μ = ε/σ        ∂ log π/∂ log σ = ε² − 1        ∂ log π/∂a = (2a − ε/σ)/(1 − a²)
        ∂f/∂μ = 1 − a²          ∂f/∂ log σ = (1 − a²) σ ε
    """
    output = actor(obs)  # [B, 2A]
    mean, log_std = output.detach().chunk(2, -1)
    sigma = log_std.exp()
    action = torch.tanh(mean + sigma * noise).requires_grad_()
    q = torch.stack([critic(obs, action)[:, 0] for critic in critics]).amin(0)
    by_q, a = input_jacobian(q, action), action.detach()
    by_action = alpha * (2.0 * a - noise / sigma) / (1.0 - a * a) - by_q
    by_mean = alpha * noise / sigma + by_action * (1.0 - a * a)
    by_log_std = alpha * (noise * noise - 1.0) + by_action * (1.0 - a * a) * sigma * noise
    by_output = torch.cat([by_mean, by_log_std], -1)  # [B, 2A]
    return sum(by_output[:, j : j + 1] * jacobian(actor, output[:, j]) for j in range(output.shape[1]))


@pytest.fixture(scope="module", params=[1.0, 0.3], ids=["alpha 1", "alpha 0.3"])
def first(request: Any) -> Any:
    """α, the algorithm, its state before and after the first update, and the data of that."""
    algorithm = CASE.make(alpha=request.param)
    before, after = fresh(algorithm), fresh(algorithm)
    updates = data(algorithm, 1)
    train(algorithm, after, updates)
    return request.param, algorithm, before, after, updates[0]


@pytest.mark.parametrize("member", [0, 1])
def test_equation_6_the_gradient_of_the_state_value(first: Any, member: int) -> None:
    """∇_ψ J_V = E[∇_ψ V(s) (V(s) − Q(s, a) + α log π(a|s))], Q the smaller of the critics before their step."""
    alpha, algorithm, before, after, update = first
    batch, noise = of_member(*update, member)
    value, actor = plain(algorithm, before, "value", member), plain(algorithm, before, "actor", member)
    action, log_prob = sample(actor, batch.obs, noise["action"])
    q = torch.stack([plain(algorithm, before, "critic", member, e)(batch.obs, action)[:, 0] for e in range(2)]).amin(0)
    v = value(batch.obs)[:, 0]
    error = (v - q + alpha * log_prob).detach()
    expected = (jacobian(value, v) * error.unsqueeze(-1)).mean(0)
    torch.testing.assert_close(gradient(after, "value", member), expected, **EXACT)


@pytest.mark.parametrize("member", [0, 1])
def test_equation_9_the_gradient_of_the_critics(first: Any, member: int) -> None:
    """∇_θ J_Q = E[∇_θ Q(s, a) (Q(s, a) − r − γ V_ψ̄(s′))], ψ̄ the target before it moves."""
    _, algorithm, before, after, update = first
    batch, _ = of_member(*update, member)
    next_v = plain(algorithm, before, "target_value", member)(batch.next_obs)[:, 0]
    for e in range(2):
        critic = plain(algorithm, before, "critic", member, e)
        q = critic(batch.obs, batch.action)[:, 0]
        error = (q - batch.reward - batch.discount * next_v).detach()
        expected = (jacobian(critic, q) * error.unsqueeze(-1)).mean(0)
        torch.testing.assert_close(gradient(after, "critic", member)[e], expected, **EXACT)


@pytest.mark.parametrize("member", [0, 1])
def test_equation_13_the_gradient_of_the_policy(first: Any, member: int) -> None:
    """With Q the smaller of the critics after their step."""
    alpha, algorithm, before, after, update = first
    batch, noise = of_member(*update, member)
    critics = [plain(algorithm, after, "critic", member, e) for e in range(2)]
    actor = plain(algorithm, before, "actor", member)
    expected = policy_gradients(actor, critics, batch.obs, noise["action"], alpha).mean(0)
    torch.testing.assert_close(gradient(after, "actor", member), expected, **EXACT)


def test_seed_000s_form_of_the_policy_gradient_has_the_same_expectation() -> None:
    """E_{a∼π}[∇_φ log π(a|s) (α log π(a|s) − Q(s, a))] = E_ε[equation 13], at one state, by quadrature over ε.

    The two differ draw by draw: one is a likelihood ratio, the other goes through the action.
    """
    algorithm, alpha, nodes = CASE.make(members=1), 0.7, 161
    state = fresh(algorithm)
    grid = torch.linspace(-8.0, 8.0, nodes, dtype=torch.float64)
    noise = torch.cartesian_prod(grid, grid)  # [nodes², A = 2]
    weight = torch.exp(-0.5 * (noise * noise).sum(-1)) / (2.0 * torch.pi) * (grid[1] - grid[0]) ** 2
    weight, noise = weight[weight > 1e-9], noise[weight > 1e-9]
    obs = torch.tensor([[0.3, -1.0, 0.5]], dtype=torch.float64)
    actor, critic = plain(algorithm, state, "actor", 0), plain(algorithm, state, "critic", 0, 0)
    # The derivatives in the actor's output [2A] suffice: the rest of the chain rule is the same at every ε.
    _, log_std = actor(obs).detach().chunk(2, -1)
    sigma = log_std.exp()
    action, log_prob = (part.detach() for part in sample(actor, obs, noise))
    action.requires_grad_()
    q = critic(obs.expand(len(noise), -1), action)[:, 0]
    (by_q,) = torch.autograd.grad(q.sum(), action)
    a = action.detach()
    score = torch.cat([noise / sigma, noise * noise - 1.0], -1)
    path = torch.cat([1.0 - a * a, (1.0 - a * a) * sigma * noise], -1)
    by_action = alpha * (2.0 * a - noise / sigma) / (1.0 - a * a) - by_q
    equation_13 = alpha * score + by_action.repeat(1, 2) * path
    likelihood_ratio = score * (alpha * log_prob - q.detach()).unsqueeze(-1)
    assert weight.sum().item() == pytest.approx(1.0, abs=1e-6)
    # Q has kinks, so the trapezoidal rule is right to the square of its step, (0.1)²/12 of second differences
    torch.testing.assert_close(
        (weight.unsqueeze(-1) * equation_13).sum(0),
        (weight.unsqueeze(-1) * likelihood_ratio).sum(0),
        atol=1e-3,
        rtol=0.0,
    )
    assert (weight.unsqueeze(-1) * likelihood_ratio).sum(0).abs().max() > 0.05


class PlainSAC:
    """2018a algorithm 1 for one member, with torch.optim: value, critics, policy, target value, in this order."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config
        rate = self.config.learning_rate
        self.actor = plain(algorithm, state, "actor", member, rate=self.config.actor_learning_rate or rate)
        self.value = plain(algorithm, state, "value", member, rate=self.config.value_learning_rate or rate)
        self.target = plain(algorithm, state, "target_value", member)
        critic_rate = self.config.critic_learning_rate or rate
        self.critics = [
            plain(algorithm, state, "critic", member, e, rate=critic_rate) for e in range(self.config.critics)
        ]

    def q(self, obs: Tensor, action: Tensor) -> Tensor:
        return torch.stack([critic(obs, action)[:, 0] for critic in self.critics]).amin(0)

    def update(self, batch: Any, noise: Any, number: int) -> None:
        alpha = self.config.alpha
        action, log_prob = (part.detach() for part in sample(self.actor, batch.obs, noise["action"]))
        soft = (self.q(batch.obs, action) - alpha * log_prob).detach()
        self.value.descend((0.5 * (self.value(batch.obs)[:, 0] - soft) ** 2).mean())  # eq. 5
        y = (batch.reward + batch.discount * self.target(batch.next_obs)[:, 0]).detach()  # eq. 8
        for critic in self.critics:
            critic.descend((0.5 * (critic(batch.obs, batch.action)[:, 0] - y) ** 2).mean())  # eq. 7
        if number % self.config.policy_delay == 0:
            action, log_prob = sample(self.actor, batch.obs, noise["action"])
            self.actor.descend((alpha * log_prob - self.q(batch.obs, action)).mean())  # eq. 12
        if number % self.config.target_delay == 0:
            self.target.polyak_update(self.value, self.config.tau)


CONFIGS = {
    "defaults": {},
    "delays": {"policy_delay": 2, "target_delay": 3},
    "one critic, alpha": {"critics": 1, "alpha": 0.2, "tau": 0.1},
    "own rates": {"actor_learning_rate": 1e-3, "critic_learning_rate": 2e-3, "value_learning_rate": 5e-3},
}


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS.keys())
def test_six_updates_equal_a_plain_program(settings: dict[str, Any]) -> None:
    algorithm = CASE.make(**settings)
    state = fresh(algorithm)
    peers = [PlainSAC(algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 6)
    train(algorithm, state, updates)
    for member, peer in enumerate(peers):
        for number, update in enumerate(updates, start=1):
            peer.update(*of_member(*update, member), number)
        networks = {"actor": peer.actor, "value": peer.value, "target_value": peer.target}
        for name, network in networks.items():
            torch.testing.assert_close(state[name][member], network.flat(), atol=1e-10, rtol=0.0)
        for e, critic in enumerate(peer.critics):
            torch.testing.assert_close(state["critic"][member, e], critic.flat(), atol=1e-10, rtol=0.0)


def test_the_value_and_the_policy_look_at_the_same_actions() -> None:
    algorithm = CASE.make()
    assert algorithm.update_noise(B) == {"action": (B, A)}
    assert "target_critic" not in fresh(algorithm)


def test_without_alpha_the_policy_ignores_its_entropy() -> None:
    """α = 0: the policy's gradient is −∇_a Q ∇_φ f alone, and V's aim is Q."""
    algorithm = CASE.make(alpha=0.0)
    before, after = fresh(algorithm), fresh(algorithm)
    updates = data(algorithm, 1)
    train(algorithm, after, updates)
    batch, noise = of_member(*updates[0], 0)
    critics = [plain(algorithm, after, "critic", 0, e) for e in range(2)]
    expected = policy_gradients(plain(algorithm, before, "actor", 0), critics, batch.obs, noise["action"], 0.0).mean(0)
    torch.testing.assert_close(gradient(after, "actor", 0), expected, **EXACT)


def test_acting_samples_the_policy_and_mode_is_its_centre() -> None:
    algorithm = CASE.make()
    state = fresh(algorithm)
    obs, noise = torch.randn(2, 7, 3, dtype=torch.float64), torch.randn(2, 7, A, dtype=torch.float64)
    action, mode = algorithm.act(state, obs, noise, 0), algorithm.mode(state, obs)
    for member in range(2):
        actor = plain(algorithm, state, "actor", member)
        torch.testing.assert_close(action[member], sample(actor, obs[member], noise[member])[0].detach(), **EXACT)
        torch.testing.assert_close(mode[member], torch.tanh(actor(obs[member])[:, :A]).detach(), **EXACT)
