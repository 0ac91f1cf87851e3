"""TD3 and DDPG: updates against a plain program, target policy smoothing, delays, and exploration."""

from typing import Any

import pytest
import torch
from cases import CASES, OBS, A, B, data, fresh, generators, of_member, plain, train
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.algorithms.ddpg import DDPG
from maxent.algorithms.td3 import TD3
from maxent.batch import Batch
from maxent.nn.optimiser import State

CASE = CASES["td3"]


class PlainTD3:
    """1802.09477 algorithm 1 for one member, with torch.optim; without noise and with one critic it is DDPG."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config
        rate = self.config.learning_rate
        self.actor = plain(algorithm, state, "actor", member, rate=self.config.actor_learning_rate or rate)
        self.target_actor = plain(algorithm, state, "target_actor", member)
        critic_rate, each = self.config.critic_learning_rate or rate, range(self.config.critics)
        self.critics = [plain(algorithm, state, "critic", member, e, rate=critic_rate) for e in each]
        self.targets = [plain(algorithm, state, "target_critic", member, e) for e in each]

    def next_action(self, batch: Batch, noise: dict[str, Tensor]) -> Tensor:
        action = torch.tanh(self.target_actor(batch.next_obs))
        if "smoothing" in noise:
            clip = self.config.target_noise_clip
            action = action + torch.clip(self.config.target_noise * noise["smoothing"], -clip, clip)
        return torch.clip(action, -1.0, 1.0)

    def update(self, batch: Batch, noise: dict[str, Tensor], number: int) -> None:
        action = self.next_action(batch, noise)
        next_q = torch.stack([target(batch.next_obs, action)[:, 0] for target in self.targets]).amin(0)
        y = (batch.reward + batch.discount * next_q).detach()
        for critic in self.critics:
            critic.descend((0.5 * (critic(batch.obs, batch.action)[:, 0] - y) ** 2).mean())
        if number % self.config.policy_delay == 0:
            self.actor.descend(-self.critics[0](batch.obs, torch.tanh(self.actor(batch.obs))).mean())
        if number % self.config.target_delay == 0:
            self.target_actor.polyak_update(self.actor, self.config.tau)
            for target, critic in zip(self.targets, self.critics, strict=True):
                target.polyak_update(critic, self.config.tau)


CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "td3": ("td3", {}),
    "td3, options": ("td3", {"policy_delay": 3, "target_delay": 1, "critics": 3, "target_noise": 0.5, "tau": 0.1}),
    "td3, own rates": ("td3", {"actor_learning_rate": 1e-3, "critic_learning_rate": 2e-3}),
    "ddpg": ("ddpg", {}),
    "ddpg, options": ("ddpg", {"critics": 2, "policy_delay": 2, "tau": 0.1}),
}


@pytest.mark.parametrize(("name", "settings"), CONFIGS.values(), ids=CONFIGS.keys())
def test_six_updates_equal_a_plain_program(name: str, settings: dict[str, Any]) -> None:
    algorithm = CASES[name].make(**settings)
    state = fresh(algorithm)
    peers = [PlainTD3(algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 6)
    train(algorithm, state, updates)
    for member, peer in enumerate(peers):
        for number, update in enumerate(updates, start=1):
            peer.update(*of_member(*update, member), number)
        torch.testing.assert_close(state["actor"][member], peer.actor.flat(), atol=1e-10, rtol=0.0)
        torch.testing.assert_close(state["target_actor"][member], peer.target_actor.flat(), atol=1e-10, rtol=0.0)
        for kind, networks in (("critic", peer.critics), ("target_critic", peer.targets)):
            for e, network in enumerate(networks):
                torch.testing.assert_close(state[kind][member, e], network.flat(), atol=1e-10, rtol=0.0)


def test_ddpg_is_td3_without_what_td3_mends() -> None:
    """Bitwise: no smoothing, no delays, one critic."""
    settings: dict[str, Any] = {"target_noise": 0.0, "policy_delay": 1, "target_delay": 1, "critics": 1}
    td3, ddpg = CASE.make(**settings), CASES["ddpg"].make()
    own, other = fresh(td3), fresh(ddpg)
    train(td3, own, data(td3, 4))
    # the smoothing noise is drawn between the batches: they have to be the same
    train(ddpg, other, [(batch, {}) for batch, _ in data(td3, 4)])
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)
    assert ddpg.update_noise(B) == {}
    assert isinstance(ddpg, DDPG)


def smoothed(noise: float, centre: float, **settings: float) -> Tensor:
    """The next action of a target actor that is tanh(centre) everywhere, under a constant noise."""
    algorithm = CASE.make(members=1, **settings)
    assert isinstance(algorithm, TD3)
    state = fresh(algorithm)
    state["target_actor"].zero_()
    algorithm.networks["target_actor"].views(state["target_actor"])["layer_2.bias"].fill_(centre)
    batch, _ = data(algorithm, 1)[0]
    action = algorithm.next_action(state, batch, {"smoothing": torch.full((1, B, A), noise, dtype=torch.float64)})
    assert action.shape == (1, B, A)
    assert bool((action == action[0, 0, 0]).all())
    return action[0, 0, 0]


@pytest.mark.parametrize(
    ("noise", "centre", "expected"),
    [
        (1.0, 0.0, 0.2),  # σ̃ = 0.2
        (-2.0, 0.0, -0.4),
        (2.6, 0.0, 0.5),  # 0.52 is cut to c = 0.5
        (-100.0, 0.0, -0.5),
        (100.0, 0.5493061443340549, 1.0),  # atanh(½) = ½ log 3: ½ + ½ is the bound
        (100.0, 2.0, 1.0),  # tanh(2) = 0.96 and 0.5 more would be outside
        (-100.0, -2.0, -1.0),
    ],
)
def test_smoothing_is_clipped_and_stays_inside_the_bounds(noise: float, centre: float, expected: float) -> None:
    assert smoothed(noise, centre).item() == pytest.approx(expected, abs=1e-12)


def test_smoothings_settings() -> None:
    assert smoothed(1.0, 0.0, target_noise=0.7, target_noise_clip=1.0).item() == pytest.approx(0.7)
    assert smoothed(1.0, 0.0, target_noise=0.7).item() == pytest.approx(0.5)
    assert smoothed(1.0, 0.0, target_noise_clip=0.0).item() == 0.0


def test_actor_and_targets_wait_for_the_second_update() -> None:
    """The paper's delay: of updates 1 to 4 the actor and all targets move at 2 and 4, the critics at each."""
    algorithm = CASE.make()
    assert [algorithm.due(update) for update in range(1, 5)] == [(False, False), (True, True)] * 2
    assert [CASES["ddpg"].make().due(update) for update in (1, 2)] == [(True, True)] * 2


def test_the_mode_is_the_actor_and_exploring_adds_clipped_noise() -> None:
    algorithm = CASE.make(exploration_noise=0.3)
    state = algorithm.init(generators([0, 1]))
    obs, noise = torch.randn(2, 100, OBS), torch.randn(2, 100, A)
    mode = algorithm.mode(state, obs)
    for member in range(2):
        actor = plain(algorithm, state, "actor", member)
        torch.testing.assert_close(mode[member], torch.tanh(actor(obs[member])).detach(), atol=1e-6, rtol=0.0)
    explored = algorithm.act(state, obs, noise, 0)
    assert torch.equal(explored, torch.clip(mode + 0.3 * noise, -1.0, 1.0))
    assert (algorithm.act(state, obs, 100.0 * noise, 0).abs() == 1.0).float().mean() > 0.9
    silent = CASE.make(exploration_noise=0.0)
    assert torch.equal(silent.act(state, obs, noise, 0), mode)


def test_exploring_uses_the_actor_and_not_its_target() -> None:
    algorithm = CASE.make()
    state = fresh(algorithm)
    assert not torch.equal(state["actor"], state["target_actor"])
    policy = {"actor": state["actor"]}
    obs = torch.randn(2, 3, OBS, dtype=torch.float64)
    assert torch.equal(algorithm.mode(policy, obs), algorithm.mode(state, obs))
