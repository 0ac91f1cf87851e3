"""The on-policy actor-critic: against a plain program, and its gradient against that of a problem solved exactly."""

from typing import Any

import pytest
import torch
from cases import CASES, LAYOUTS, A, B, K, data, fresh, log_prob_of, of_member, plain, sample, train
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.algorithms.actor_critic import OnPolicyActorCritic, OnPolicyActorCriticConfig
from maxent.batch import Batch
from maxent.nn.optimiser import State
from maxent.spaces import ObservationLayout

EXACT = {"atol": 1e-12, "rtol": 1e-9}  # float64


class PlainActorCritic:
    """The update for one member, with torch.optim: some steps on Q, each followed by its target, then the policy."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config
        self.discrete, rate = algorithm.action.kind == "discrete", self.config.learning_rate
        self.actor = plain(algorithm, state, "actor", member, rate=rate)
        critic_rate, each = self.config.critic_learning_rate or rate, range(self.config.critics)
        self.critics = [plain(algorithm, state, "critic", member, e, rate=critic_rate) for e in each]
        self.targets = [plain(algorithm, state, "target_critic", member, e) for e in each]

    def q(self, critics: list[Any], obs: Tensor, action: Tensor) -> Tensor:
        """Each critic at actions taken. [E, B]"""
        if self.discrete:
            return torch.stack([critic(obs)[torch.arange(len(obs)), action[:, 0].long()] for critic in critics])
        return torch.stack([critic(obs, action)[:, 0] for critic in critics])

    def value(self, critics: list[Any], obs: Tensor, noise: Tensor | None) -> Tensor:
        """E_{a∼π} min_i Q_i(s, a): over a finite set the sum, on a box one draw. [B]"""
        if noise is not None:
            return self.q(critics, obs, sample(self.actor, obs, noise)[0]).amin(0)
        probs = self.actor(obs).softmax(-1)
        total = torch.zeros(len(obs), dtype=torch.float64)
        for k in range(K):
            total = total + probs[:, k] * self.q(critics, obs, torch.full((len(obs), 1), k)).amin(0)
        return total

    def update(self, batch: Batch, noise: dict[str, Tensor], number: int) -> None:
        for k in range(self.config.critic_updates):
            next_value = self.value(self.targets, batch.next_obs, noise.get(f"next_action_{k}"))
            y = (batch.reward + batch.discount * next_value).detach()
            q = self.q(self.critics, batch.obs, batch.action)
            for e, critic in enumerate(self.critics):
                critic.descend((0.5 * (q[e] - y) ** 2).mean())
            if number % self.config.target_delay == 0:
                for target, critic in zip(self.targets, self.critics, strict=True):
                    target.polyak_update(critic, self.config.tau)
        signal = self.q(self.critics, batch.obs, batch.action).amin(0)
        if self.config.signal == "advantage":
            signal = signal - self.value(self.critics, batch.obs, noise.get("action"))
        log_prob = log_prob_of(self.actor, batch.obs, batch.action)
        signal = (signal - self.config.alpha * log_prob).detach()
        self.actor.descend(-(signal * log_prob).mean())


CONFIGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "signal q": {"signal": "q", "critic_updates": 1, "tau": 0.3},
    "options": {"critics": 2, "critic_updates": 2, "target_delay": 2, "alpha": 0.2, "critic_learning_rate": 2e-3},
}


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_four_updates_equal_a_plain_program(kind: Any, settings: dict[str, Any]) -> None:
    algorithm = CASES["actor-critic"]._replace(kind=kind, settings={}).make(**settings)
    state = fresh(algorithm)
    peers = [PlainActorCritic(algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 4)
    train(algorithm, state, updates)
    for member, peer in enumerate(peers):
        for number, update in enumerate(updates, start=1):
            peer.update(*of_member(*update, member), number)
        # atanh of the actions costs some of the sixteen digits
        torch.testing.assert_close(state["actor"][member], peer.actor.flat(), atol=1e-9, rtol=0.0)
        for name, networks in (("critic", peer.critics), ("target_critic", peer.targets)):
            for e, network in enumerate(networks):
                torch.testing.assert_close(state[name][member, e], network.flat(), atol=1e-9, rtol=0.0)


def test_every_expectation_on_a_box_has_draws_of_its_own() -> None:
    noise = CASES["actor-critic"].make(critic_updates=3).update_noise(B)
    assert noise == dict.fromkeys(("next_action_0", "next_action_1", "next_action_2", "action"), (B, A))
    assert CASES["actor-critic, discrete"].make().update_noise(B) == {}


# --------------------------------------------------------------------------------------- a problem that can be solved

STATES, GAMMA = 3, 0.8
NEXT = torch.tensor([[1, 2, 0, 1], [2, 0, 1, 1], [0, 0, 2, 1]])  # the state that follows, [S, K]
REWARD = torch.sin(torch.arange(1.0, 1.0 + STATES * K, dtype=torch.float64)).reshape(STATES, K)
ONE_HOT = torch.eye(STATES, dtype=torch.float64)


def solved(probs: Tensor) -> tuple[Tensor, Tensor]:
    """The discounted visits from state 0, d = (I − γ Pᵀ)⁻¹ e₀ [S], and Q [S, K] of a policy [S, K]."""
    transition = torch.zeros(STATES, STATES, dtype=torch.float64)
    for s in range(STATES):
        for k in range(K):
            transition = transition + probs[s, k] * torch.outer(ONE_HOT[s], ONE_HOT[NEXT[s, k]])
    visits = torch.linalg.solve(ONE_HOT - GAMMA * transition.T, ONE_HOT[0])
    value = torch.linalg.solve(ONE_HOT - GAMMA * transition, (probs * REWARD).sum(-1))
    return visits, REWARD + GAMMA * value[NEXT]


def with_exact_critic(signal: Any) -> tuple[OnPolicyActorCritic, State]:
    """A linear critic on one-hot states is a table: here the exact Q of the policy, which teaching cannot change."""
    config = OnPolicyActorCriticConfig(
        hidden=(), rollout_steps=1, gamma=GAMMA, signal=signal, critic_learning_rate=1e-12
    )
    algorithm = OnPolicyActorCritic(config, 1, ObservationLayout.vector(STATES), LAYOUTS["discrete"])
    state = fresh(algorithm)
    _, q = solved(plain(algorithm, state, "actor", 0)(ONE_HOT).softmax(-1).detach())
    for name in ("critic", "target_critic"):
        views = algorithm.networks[name].views(state[name])
        views["layer_0.weight"][0], views["layer_0.bias"][0] = q, 0.0
    return algorithm, state


def transition(s: int, k: int) -> Batch:
    obs, next_obs = ONE_HOT[s].reshape(1, 1, -1), ONE_HOT[NEXT[s, k]].reshape(1, 1, -1)
    action = torch.tensor([[[float(k)]]], dtype=torch.float64)
    return Batch(obs, action, REWARD[s, k].reshape(1, 1), torch.full((1, 1), GAMMA, dtype=torch.float64), next_obs)


@pytest.mark.parametrize("signal", ["advantage", "q"])
def test_with_the_exact_q_the_gradient_is_that_of_the_value(signal: str) -> None:
    """∇ V(s₀) = Σ_s d(s) Σ_a π(a|s) ∇log π(a|s) Q(s, a), whether or not V(s) is subtracted.

    The left side by autograd through the solution of the linear equations, the right side by one update at each state
    and action.
    """
    algorithm, state = with_exact_critic(signal)
    actor = plain(algorithm, state, "actor", 0)
    probs = actor(ONE_HOT).softmax(-1)
    visits, q = solved(probs)
    value = (probs * q).sum(-1)[0]
    exact, total = -actor.gradient(value), torch.zeros(algorithm.networks["actor"].size, dtype=torch.float64)
    assert exact.abs().max() > 0.1
    for s in range(STATES):
        for k in range(K):
            own = {name: tensor.clone() for name, tensor in state.items()}
            (metrics,) = train(algorithm, own, [(transition(s, k), {})])
            assert metrics["train/critic_loss"].item() < 1e-20  # Q solves its own equation
            weight = (visits[s] * probs[s, k]).item()
            total += weight * own["actor.adam_m"][0] / (1.0 - 0.9)
    torch.testing.assert_close(total, exact, atol=1e-9, rtol=0.0)


def test_an_advantage_is_what_an_action_has_above_the_average() -> None:
    """Σ_a π(a|s) A(s, a) = 0: at each state the signals of all actions, read off −∂loss/∂ log π, add up to nothing."""
    algorithm, state = with_exact_critic("advantage")
    probs = plain(algorithm, state, "actor", 0)(ONE_HOT).softmax(-1).detach()
    _, q = solved(probs)
    for s in range(STATES):
        advantages = []
        for k in range(K):
            own = {name: tensor.clone() for name, tensor in state.items()}
            (metrics,) = train(algorithm, own, [(transition(s, k), {})])
            # J = −log π(a|s) · A
            advantages.append(metrics["train/actor_loss"].item() / -probs[s, k].log().item())
        advantage = torch.tensor(advantages, dtype=torch.float64)
        torch.testing.assert_close(advantage, q[s] - (probs[s] * q[s]).sum(), atol=1e-9, rtol=0.0)
        assert abs((probs[s] * advantage).sum().item()) < 1e-9
