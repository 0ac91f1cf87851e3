"""SAC on a finite set of actions: against a plain program and brute-force sampling; target entropy, and α's bound."""

import math
from typing import Any

import pytest
import torch
from cases import CASES, OBS, OBSERVATION, K, Plain, data, fresh, generators, of_member, plain, train
from gymnasium.spaces import Discrete
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.algorithms.sac_discrete import DiscreteSoftActorCritic, LearnedDiscreteAlpha, SACDiscreteConfig
from maxent.batch import Batch
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout

CASE = CASES["sac-discrete"]


class PlainSAC:
    """The updates of 1910.07207 for one member, with torch.optim and a loop over actions."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config
        rate = self.config.learning_rate
        self.actor = plain(algorithm, state, "actor", member, rate=self.config.actor_learning_rate or rate)
        critic_rate, each = self.config.critic_learning_rate or rate, range(self.config.critics)
        self.critics = [plain(algorithm, state, "critic", member, e, rate=critic_rate) for e in each]
        self.targets = [plain(algorithm, state, "target_critic", member, e) for e in each]
        self.log_alpha = state["log_alpha"][member, 0].clone().requires_grad_()
        self.alpha_optimiser = torch.optim.Adam(
            [self.log_alpha], lr=getattr(self.config.alpha, "learning_rate", None) or rate
        )

    def value(self, critics: list[Plain], obs: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Σ_a π(a|s) (min_i Q_i(s, a) − α log π(a|s)), and the entropy. [B], [B]"""
        policy = torch.distributions.Categorical(logits=self.actor(obs))
        q = torch.stack([critic(obs) for critic in critics]).amin(0)
        value = torch.zeros(len(obs), dtype=torch.float64)
        for k in range(K):
            log_prob = policy.log_prob(torch.tensor(k))
            value = value + log_prob.exp() * (q[:, k].detach() - alpha * log_prob)
        return value, policy.entropy()

    def update(self, batch: Batch, number: int) -> None:
        alpha, rows, action = self.log_alpha.exp().detach(), torch.arange(len(batch.obs)), batch.action[:, 0].long()
        y = (batch.reward + batch.discount * self.value(self.targets, batch.next_obs, alpha)[0]).detach()
        for critic in self.critics:
            critic.descend((0.5 * (critic(batch.obs)[rows, action] - y) ** 2).mean())
        if number % self.config.policy_delay == 0:
            value, entropy = self.value(self.critics, batch.obs, alpha)
            self.actor.descend(-value.mean())
            if isinstance(self.config.alpha, LearnedDiscreteAlpha):
                self.alpha_optimiser.zero_grad()
                aim = self.config.alpha.entropy_fraction * math.log(K)
                (self.log_alpha * (entropy.detach() - aim)).mean().backward()
                self.alpha_optimiser.step()
        if number % self.config.target_delay == 0:
            for target, critic in zip(self.targets, self.critics, strict=True):
                target.polyak_update(critic, self.config.tau)


CONFIGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "fixed alpha, one critic": {"alpha": 0.3, "critics": 1},
    "delays": {"policy_delay": 2, "target_delay": 3, "alpha": LearnedDiscreteAlpha(entropy_fraction=0.5), "tau": 0.1},
    "own rates": {
        "actor_learning_rate": 1e-3,
        "critic_learning_rate": 2e-3,
        "alpha": LearnedDiscreteAlpha(learning_rate=1e-2),
    },
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
            peer.update(of_member(*update, member)[0], number)
        torch.testing.assert_close(state["actor"][member], peer.actor.flat(), atol=1e-10, rtol=0.0)
        torch.testing.assert_close(state["log_alpha"][member, 0], peer.log_alpha.data, atol=1e-10, rtol=0.0)
        for name, networks in (("critic", peer.critics), ("target_critic", peer.targets)):
            for e, network in enumerate(networks):
                torch.testing.assert_close(state[name][member, e], network.flat(), atol=1e-10, rtol=0.0)


def test_the_targets_expectation_is_what_sampling_would_give() -> None:
    """y by the mean of 100,000 draws a′ ~ π of r + γ (min_i Q̄_i(s′, a′) − α log π(a′|s′)), within 4 standard errors."""
    algorithm = CASE.make(members=1, alpha=0.5)
    assert isinstance(algorithm, DiscreteSoftActorCritic)
    state = fresh(algorithm)
    batch, _ = data(algorithm, 1)[0]
    exact = algorithm.td_target(state, batch)[0]
    policy = torch.distributions.Categorical(logits=plain(algorithm, state, "actor", 0)(batch.next_obs[0]).detach())
    q = torch.stack([plain(algorithm, state, "target_critic", 0, e)(batch.next_obs[0]) for e in range(2)]).amin(0)
    torch.manual_seed(0)
    action = policy.sample((100_000,))  # [n, B]
    rows = torch.arange(action.shape[1])
    drawn = batch.reward[0] + batch.discount[0] * (q.detach()[rows, action] - 0.5 * policy.log_prob(action))
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert bool(((drawn.mean(0) - exact).abs() <= 4.0 * error + 1e-12).all())
    assert error.max().item() < 0.01


def test_the_target_entropy_is_a_fraction_of_the_uniform_policys() -> None:
    (metrics,) = train(algorithm := CASE.make(), fresh(algorithm), data(algorithm, 1))
    assert metrics["train/target_entropy"].tolist() == [pytest.approx(0.89 * math.log(K))] * 2


def test_the_target_entropy_is_annealed_in_a_line() -> None:
    """From 0.8 to 0.4 of log 4 in four updates: update n aims at 0.8 − 0.1 (n − 1), and at 0.4 ever after."""
    algorithm = CASE.make(
        alpha=LearnedDiscreteAlpha(entropy_fraction=0.8, final_entropy_fraction=0.4, anneal_updates=4)
    )
    metrics = train(algorithm, fresh(algorithm), data(algorithm, 6))
    fractions = [each["train/target_entropy"][0].item() / math.log(K) for each in metrics]
    assert fractions == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.4], abs=1e-6)


def test_updates_are_counted_for_annealing_whether_or_not_the_policy_moves() -> None:
    algorithm = CASE.make(policy_delay=3, alpha=LearnedDiscreteAlpha(final_entropy_fraction=0.0, anneal_updates=10))
    assert isinstance(algorithm, DiscreteSoftActorCritic)
    state = fresh(algorithm)
    train(algorithm, state, data(algorithm, 5))
    assert state["updates"].tolist() == [5.0]
    torch.testing.assert_close(
        algorithm.target_entropy(state),
        torch.tensor([0.89 * 0.5 * math.log(K)], dtype=torch.float64),
        atol=1e-7,
        rtol=0.0,
    )


@pytest.mark.parametrize(("fraction", "sign"), [(1.0, 1.0), (0.0, -1.0)])
def test_alpha_rises_where_entropy_is_below_its_target(fraction: float, sign: float) -> None:
    """Every policy's entropy is between 0 and log K."""
    algorithm = CASE.make(alpha=LearnedDiscreteAlpha(entropy_fraction=fraction, learning_rate=0.01))
    state = fresh(algorithm)
    train(algorithm, state, data(algorithm, 5))
    # five steps of Adam with a gradient of one sign: 5 · 0.01, a little less as its size changes
    assert bool((state["log_alpha"] * sign > 0.04).all())


@pytest.mark.parametrize("alpha", [0.0, 0.2, 30])
def test_a_fixed_alpha_stays(alpha: float) -> None:
    algorithm = CASE.make(alpha=alpha)
    state = fresh(algorithm)
    metrics = train(algorithm, state, data(algorithm, 3))
    torch.testing.assert_close(state["log_alpha"].exp(), torch.full((2, 1), float(alpha)).double(), atol=1e-5, rtol=0.0)
    assert all("train/ent_coef_loss" not in each for each in metrics)
    assert all(bool(torch.isfinite(state[name]).all()) for name in ("actor", "critic"))


GAMMA = 0.9


def ends_or_goes_on() -> Batch:
    """One state, no rewards: action 0 ends the episode, action 1 goes on where it was."""
    obs, zeros = torch.zeros(1, 2, OBS), torch.zeros(1, 2)
    return Batch(obs, torch.tensor([[[0.0], [1.0]]]), zeros, torch.tensor([[0.0, GAMMA]]), obs)


def best_share() -> float:
    """π(1) of the soft-optimal policy, the same for every α: v = V/α solves v = log(1 + e^{γv}), π(1) = e^{γv − v}."""
    v = 0.0
    for _ in range(1_000):
        v = math.log(1.0 + math.exp(GAMMA * v))
    return math.exp(GAMMA * v - v)


def run_away(highest: float, updates: int) -> tuple[list[float], float]:
    """α after each update, and π(1) in the end."""
    config = SACDiscreteConfig(
        hidden=(), alpha=LearnedDiscreteAlpha(highest=highest, learning_rate=0.01), critic_learning_rate=0.2,
        actor_learning_rate=0.02, tau=0.5,
    )  # fmt: skip
    algorithm = DiscreteSoftActorCritic(config, 1, OBSERVATION, ActionLayout.from_space(Discrete(2)))
    state, batch, alphas = algorithm.init(generators([0])), ends_or_goes_on(), []
    with torch.no_grad():
        for _ in range(updates):
            algorithm.update(state, batch, {}, policy=True, target=True)
            alphas.append(state["log_alpha"].exp().item())
    return alphas, algorithm.actor(state, batch.obs).probs[0, 0, 1].item()


def test_without_its_bound_alpha_runs_away() -> None:
    """The best policy has the entropy 0.45 whatever α is, and the target is 0.89 log 2 = 0.617.

    Soft values grow with α, so α grows as fast as the critics can follow, for ever. The bound ends that, and leaves the
    policy that is best for every α.
    """
    best = best_share()
    entropy = -best * math.log(best) - (1.0 - best) * math.log(1.0 - best)
    assert entropy < 0.75 * 0.89 * math.log(2.0)
    free, _ = run_away(1e30, 1_000)
    assert free[500] > 50.0
    assert free[-1] > 1.5 * free[500]
    bounded, share = run_away(2.0, 1_000)
    assert max(bounded) == pytest.approx(2.0)
    assert bounded[-1] == pytest.approx(2.0)
    assert share == pytest.approx(best, abs=0.02)
