"""DQN: targets by hand and against a plain program, plain and double; ε-greedy acting."""

import math
from typing import Any

import pytest
import torch
from cases import CASES, OBS, K, data, fresh, generators, of_member, plain, train
from scipy.stats import chi2
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.algorithms.dqn import DeepQNetwork
from maxent.batch import Batch
from maxent.nn.optimiser import State

CASE = CASES["dqn"]


class PlainDQN:
    """Q-learning with a target network for one member, with torch.optim and a loop over transitions."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config
        each = range(self.config.critics)
        rate = self.config.critic_learning_rate or self.config.learning_rate
        self.critics = [plain(algorithm, state, "critic", member, e, rate=rate) for e in each]
        self.targets = [plain(algorithm, state, "target_critic", member, e) for e in each]

    def q(self, out: Tensor) -> Tensor:
        """Q from a network's output [B, K] or, where it is dueling, [B, 1 + K]."""
        if not self.config.dueling:
            return out
        return out[:, :1] + out[:, 1:] - out[:, 1:].sum(-1, keepdim=True) / K

    def target(self, batch: Batch) -> Tensor:
        online = torch.stack([self.q(critic(batch.next_obs)) for critic in self.critics]).amin(0)
        target = torch.stack([self.q(each(batch.next_obs)) for each in self.targets]).amin(0)
        chooser, y = (online if self.config.double else target).tolist(), batch.reward.clone()
        for b, values in enumerate(chooser):
            y[b] += batch.discount[b] * target[b, values.index(max(values))].detach()
        return y

    def update(self, batch: Batch, number: int) -> None:
        y, rows, action = self.target(batch), torch.arange(len(batch.obs)), batch.action[:, 0].long()
        for critic in self.critics:
            critic.descend((0.5 * (self.q(critic(batch.obs))[rows, action] - y) ** 2).mean())
        if number % self.config.target_delay == 0:
            for target, critic in zip(self.targets, self.critics, strict=True):
                target.polyak_update(critic, self.config.tau)


CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "double": {"double": True, "target_delay": 2},
    "dueling": {"dueling": True, "target_delay": 3, "tau": 0.2},
    "double, dueling, two critics": {"double": True, "dueling": True, "critics": 2, "critic_learning_rate": 1e-3},
}


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS.keys())
def test_six_updates_equal_a_plain_program(settings: dict[str, Any]) -> None:
    algorithm = CASE.make(**settings)
    state = fresh(algorithm)
    peers = [PlainDQN(algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 6)
    train(algorithm, state, updates)
    for member, peer in enumerate(peers):
        for number, update in enumerate(updates, start=1):
            peer.update(of_member(*update, member)[0], number)
        for name, networks in (("critic", peer.critics), ("target_critic", peer.targets)):
            for e, network in enumerate(networks):
                torch.testing.assert_close(state[name][member, e], network.flat(), atol=1e-10, rtol=0.0)


def by_hand(**settings: bool) -> tuple[DeepQNetwork, State, Batch]:
    """Q(s, ·) = (1, 4, 2, 3) and Q̂(s, ·) = (10, 20, 40, 30) everywhere; rewards 1, 2, 3; the last terminates."""
    algorithm = CASE.make(members=1, hidden=(), **settings)
    assert isinstance(algorithm, DeepQNetwork)
    state = fresh(algorithm)
    for name, values in (("critic", [1.0, 4.0, 2.0, 3.0]), ("target_critic", [10.0, 20.0, 40.0, 30.0])):
        state[name].zero_()
        algorithm.networks[name].views(state[name])["layer_0.bias"][0, 0] = torch.tensor(values, dtype=torch.float64)
    obs = torch.randn(1, 3, OBS, dtype=torch.float64)
    reward, discount = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.25, 0.0]], dtype=torch.float64).unsqueeze(1)
    return algorithm, state, Batch(obs, torch.zeros(1, 3, 1), reward, discount, obs)


def test_the_target_takes_the_best_action_and_is_the_reward_at_the_end() -> None:
    """1 + ½·40, 2 + ¼·40, and 3 alone."""
    algorithm, state, batch = by_hand()
    assert algorithm.td_target(state, batch).tolist() == [[21.0, 12.0, 3.0]]


def test_double_lets_q_choose_and_its_target_judge() -> None:
    """Q's best is action 1, of which Q̂ says 20: 1 + ½·20, 2 + ¼·20, and 3 alone."""
    algorithm, state, batch = by_hand(double=True)
    assert algorithm.td_target(state, batch).tolist() == [[11.0, 7.0, 3.0]]


def test_the_target_network_is_a_copy_every_500_updates() -> None:
    algorithm = CASE.make()
    assert [update for update in range(1, 1_501) if algorithm.due(update)[1]] == [500, 1_000, 1_500]
    state = fresh(algorithm)
    batch, _ = data(algorithm, 1)[0]
    with torch.no_grad():
        algorithm.update(state, batch, {}, policy=True, target=True)
    assert torch.equal(state["target_critic"], state["critic"])


# --------------------------------------------------------------------------------------------------------------- acting


@pytest.mark.parametrize(
    ("step", "epsilon"), [(0, 0.9), (1, 0.892), (50, 0.5), (99, 0.108), (100, 0.1), (101, 0.1), (math.inf, 0.1)]
)
def test_epsilon_falls_in_a_line(step: float, epsilon: float) -> None:
    """From 0.9 to 0.1 in a hundred steps: 0.9 − 0.008 · step."""
    algorithm = CASE.make(initial_epsilon=0.9, final_epsilon=0.1, exploration_steps=100)
    assert isinstance(algorithm, DeepQNetwork)
    assert algorithm.epsilon(step) == pytest.approx(epsilon, abs=1e-12)
    assert algorithm.scheduled(step) == {"rollout/exploration_rate": algorithm.epsilon(step)}


def frequencies(epsilon: float, count: int = 40_000) -> tuple[Tensor, Tensor]:
    """How often each action was taken, counted from the best: [K], and the best one was 0; of members together."""
    algorithm = CASE.make(initial_epsilon=epsilon, final_epsilon=epsilon)
    state = algorithm.init(generators([0, 1]))
    obs = torch.randn(2, 1, OBS).expand(-1, count, -1)
    noise = torch.randn(2, count, 2, generator=torch.Generator().manual_seed(1))
    best, action = algorithm.mode(state, obs), algorithm.act(state, obs, noise, 0)
    shifted = (action - best).long() % K
    return torch.stack([torch.bincount(member.flatten(), minlength=K) for member in shifted]).double(), best


def test_actions_are_greedy_but_for_a_share_of_epsilon() -> None:
    """The best has probability 1 − ε + ε/K, each other one ε/K; χ² with three degrees of freedom, at one in 10,000."""
    observed, _ = frequencies(0.3)
    expected = 40_000 * torch.tensor([0.7 + 0.3 / K, *[0.3 / K] * (K - 1)])
    statistic = ((observed - expected) ** 2 / expected).sum(-1)
    assert bool((statistic < chi2.ppf(0.9999, df=K - 1)).all())


def test_epsilon_of_0_is_greedy_and_of_1_is_uniform() -> None:
    observed, _ = frequencies(0.0)
    assert observed.tolist() == [[40_000.0, 0.0, 0.0, 0.0]] * 2
    observed, _ = frequencies(1.0)
    statistic = ((observed - 10_000.0) ** 2 / 10_000.0).sum(-1)
    assert bool((statistic < chi2.ppf(0.9999, df=K - 1)).all())


def test_whether_and_where_to_explore_are_two_numbers() -> None:
    """The first decides, the second chooses: with Φ(ε₂) in the k-th quarter it is action k."""
    algorithm = CASE.make(initial_epsilon=0.5, final_epsilon=0.5)
    assert algorithm.act_noise == 2
    state = algorithm.init(generators([0, 1]))
    obs = torch.randn(2, 1, OBS).expand(-1, K + 1, -1)
    where = torch.special.ndtri(torch.tensor([0.1, 0.3, 0.6, 0.9, 0.5]))
    noise = torch.stack([torch.full((K + 1,), -0.01), where], -1).expand(2, -1, -1)
    assert algorithm.act(state, obs, noise, 0)[..., :K, 0].tolist() == [[0.0, 1.0, 2.0, 3.0]] * 2
    noise = torch.stack([torch.full((K + 1,), 0.01), where], -1).expand(2, -1, -1)
    assert torch.equal(algorithm.act(state, obs, noise, 0), algorithm.mode(state, obs))
