"""REINFORCE: its gradient by a loop over episodes, its expectation by listing every episode of a small problem."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    LANES,
    LAYOUTS,
    OBSERVATION,
    STEPS,
    Plain,
    data,
    fresh,
    generators,
    log_prob_of,
    of_member,
    plain,
    train,
)
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.algorithms.reinforce import Reinforce, ReinforceConfig
from maxent.batch import Batch
from maxent.nn.optimiser import State

EXACT = {"atol": 1e-12, "rtol": 1e-9}  # float64
OPTIONS = list(itertools.product([True, False], repeat=2))  # reward_to_go, baseline
options = pytest.mark.parametrize(("to_go", "baseline"), OPTIONS)


def episodes(batch: Batch) -> Iterator[list[int]]:
    """The transitions [B] of each episode, or of what there is of it, in order."""
    assert batch.ended is not None
    for lane in range(LANES):
        current: list[int] = []
        for t in range(lane * STEPS, (lane + 1) * STEPS):
            current.append(t)
            if batch.ended[t]:
                yield current
                current = []
        if current:
            yield current


def by_hand(algorithm: Algorithm, state: State, batch: Batch, member: int) -> tuple[Tensor, Tensor]:
    """The actor's gradient by a double loop over episodes and their steps, and the reward to go of each step."""
    config: Any = algorithm.config
    actor, rewards = plain(algorithm, state, "actor", member), torch.zeros_like(batch.reward)
    value = plain(algorithm, state, "value", member) if config.baseline else None

    def v(obs: Tensor) -> float:
        return 0.0 if value is None else value(obs.unsqueeze(0)).item()

    total = torch.zeros(algorithm.networks["actor"].size, dtype=torch.float64)
    log_probs = log_prob_of(actor, batch.obs, batch.action)
    for episode in episodes(batch):
        last = episode[-1]
        for t in episode:
            weight, sum_ = 1.0, 0.0
            for k in range(t, last + 1):
                sum_ += weight * float(batch.reward[k])
                weight *= float(batch.discount[k])
            rewards[t] = sum_ + weight * v(batch.next_obs[last])  # weight is 0 where it terminated
        for t in episode:
            signal = float(rewards[t if config.reward_to_go else episode[0]]) - v(batch.obs[t])
            signal -= config.alpha * log_probs[t].item()
            total += signal * actor.gradient(log_probs[t])
    return -total / len(batch.reward), rewards


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["reinforce", "reinforce, discrete"])
@options
def test_the_gradient_is_that_of_theorem_1(kind: str, to_go: bool, baseline: bool, alpha: float) -> None:
    algorithm = CASES[kind].make(reward_to_go=to_go, baseline=baseline, alpha=alpha)
    before, after = fresh(algorithm), fresh(algorithm)
    updates = data(algorithm, 1)
    (metrics,) = train(algorithm, after, updates)
    for member in range(2):
        batch, _ = of_member(*updates[0], member)
        assert len(list(episodes(batch))) > 4
        expected, rewards = by_hand(algorithm, before, batch, member)
        torch.testing.assert_close(after["actor.adam_m"][member] / (1.0 - 0.9), expected, **EXACT)
        assert metrics["train/return"][member].item() == pytest.approx(rewards.mean().item(), abs=1e-12)


def test_the_value_descends_towards_the_reward_to_go() -> None:
    """Four steps of Adam on ½ (V(s) − G)², with G of the value before them; also where actions weigh by the return."""
    for to_go in (True, False):
        algorithm = CASES["reinforce"].make(reward_to_go=to_go, baseline_learning_rate=2e-3)
        before, after = fresh(algorithm), fresh(algorithm)
        updates = data(algorithm, 1)
        train(algorithm, after, updates)
        for member in range(2):
            batch, _ = of_member(*updates[0], member)
            _, rewards = by_hand(algorithm, before, batch, member)
            value = plain(algorithm, before, "value", member, rate=2e-3)
            for _ in range(4):
                value.descend((0.5 * (value(batch.obs)[:, 0] - rewards) ** 2).mean())
            torch.testing.assert_close(after["value"][member], value.flat(), **EXACT)


def test_without_a_baseline_there_is_no_value() -> None:
    algorithm = CASES["reinforce"].make(baseline=False)
    state = algorithm.init(generators([0, 1]))
    assert set(algorithm.networks) == {"actor"}
    assert not any(name.startswith("value") for name in state)
    (metrics,) = train(algorithm, fresh(algorithm), data(algorithm, 1))
    assert set(metrics) == set(algorithm.metrics) - {"train/value_loss"}


# ------------------------------------------------------------------------------------------------------- in expectation

HORIZON, K = 3, LAYOUTS["discrete"].count


def reward_of(state: int, action: int) -> float:
    return math.sin(1.0 + 2.0 * state + 5.0 * action)


def observation(state: int, t: int) -> list[float]:
    return [math.cos(state), math.sin(state), t / HORIZON]


def every_episode() -> Iterator[tuple[list[int], list[int]]]:
    """The states and actions of each: s₀ = 0, s_{t+1} = (3 s_t + a_t + 1) mod 5, three steps."""
    for actions in itertools.product(range(K), repeat=HORIZON):
        states = [0]
        for action in actions[:-1]:
            states.append((3 * states[-1] + action + 1) % 5)
        yield states, list(actions)


def as_batch(states: list[int], actions: list[int]) -> Batch:
    """One lane with one whole episode, γ = 1."""
    obs = torch.tensor([[observation(state, t) for t, state in enumerate(states)]], dtype=torch.float64)
    return Batch(
        obs=obs,
        action=torch.tensor(actions, dtype=torch.float64).reshape(1, HORIZON, 1),
        reward=torch.tensor([[reward_of(s, a) for s, a in zip(states, actions, strict=True)]], dtype=torch.float64),
        discount=torch.tensor([[1.0] * (HORIZON - 1) + [0.0]], dtype=torch.float64),
        next_obs=obs.roll(-1, 1),
        ended=torch.tensor([[False] * (HORIZON - 1) + [True]]),
    )


def log_prob(actor: Plain, batch: Batch) -> Tensor:
    """log π(a₀|s₀) + … of the episode; its transitions are certain."""
    return log_prob_of(actor, batch.obs[0], batch.action[0]).sum()


def make(**settings: Any) -> Reinforce:
    config = ReinforceConfig(hidden=(6,), rollout_steps=HORIZON, gamma=1.0, **settings)
    return Reinforce(config, 1, OBSERVATION, LAYOUTS["discrete"])


def expected_gradient(algorithm: Reinforce, state: State) -> tuple[Tensor, Tensor]:
    """E[the update's gradient] over all episodes, and the variance of its entries, summed."""
    actor, mean = plain(algorithm, state, "actor", 0), torch.zeros(algorithm.networks["actor"].size).double()
    square = torch.zeros_like(mean)
    for states, actions in every_episode():
        batch, own = as_batch(states, actions), {name: tensor.clone() for name, tensor in state.items()}
        train(algorithm, own, [(batch, {})])
        gradient, probability = own["actor.adam_m"][0] / (1.0 - 0.9), log_prob(actor, batch).exp().item()
        mean += probability * gradient
        square += probability * gradient**2
    return mean, (square - mean**2).sum()


def test_in_expectation_every_option_is_the_gradient_of_the_expected_return() -> None:
    """∇ Σ_τ p(τ) R(τ) by autograd through the probabilities of all 64 episodes; a batch is their mean over 3 steps."""
    actor, total = plain(make(), fresh(make()), "actor", 0), torch.zeros((), dtype=torch.float64)
    for states, actions in every_episode():
        batch = as_batch(states, actions)
        total = total + log_prob(actor, batch).exp() * batch.reward.sum()
    exact = -actor.gradient(total) / HORIZON
    assert exact.abs().max() > 0.01
    variances = {}
    for to_go, baseline in OPTIONS:
        algorithm = make(reward_to_go=to_go, baseline=baseline)
        mean, variances[to_go, baseline] = expected_gradient(algorithm, fresh(algorithm))
        torch.testing.assert_close(mean, exact, **EXACT)
    assert variances[True, False] < variances[False, False]


def test_alpha_adds_the_gradient_of_the_entropy_at_hand() -> None:
    """∇ E[Σ_t r_t] + α Σ_t E_{s_t}[∇ H(π(·|s_t))]: the entropy of the states seen, not of those to come."""
    alpha, algorithm = 0.4, make(alpha=0.4, baseline=False)
    state = fresh(algorithm)
    without, _ = expected_gradient(make(baseline=False), state)
    actor, bonus = plain(algorithm, state, "actor", 0), torch.zeros((), dtype=torch.float64)
    for states, actions in every_episode():
        batch = as_batch(states, actions)
        entropy = torch.distributions.Categorical(logits=actor(batch.obs[0])).entropy().sum()
        bonus = bonus + log_prob(actor, batch).exp().detach() * entropy
    mean, _ = expected_gradient(algorithm, state)
    torch.testing.assert_close(mean, without - alpha * actor.gradient(bonus) / HORIZON, **EXACT)
