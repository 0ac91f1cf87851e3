"""The networks of an algorithm as a setting: layers for all of them, or a function of the role."""

from typing import Any

import pytest
import torch
from cases import CASES, OBS, A, Case, clone, data, generators, member_data, together, train

import maxent
from maxent import UserError
from maxent.engine.learner import Learner
from maxent.nn.layers import BatchNorm, Layer, LayerNorm, Linear, ReLU, Residual, RMSNorm, Tanh

ACTOR = (Linear(9), RMSNorm(), Tanh())
CRITIC = (Linear(8), ReLU(), BatchNorm(momentum=0.1), Residual((LayerNorm(), Linear(8), ReLU())))
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def learner(**settings: Any) -> Learner:
    agent = maxent.SAC("Pendulum-v1", verbose=False, **settings)
    agent.close()
    return agent._learner


def test_layers_for_every_network() -> None:
    """The output layer is the head's own."""
    networks = learner(network=ACTOR).algorithm.networks
    assert networks["actor"].layers == (*ACTOR, Linear(2))
    assert networks["critic"].layers == networks["target_critic"].layers == (*ACTOR, Linear(1))


def test_a_function_of_the_role() -> None:
    roles = []

    def network(role: str) -> list[Layer]:
        roles.append(role)
        return [Linear(5), ReLU()] if role == "actor" else [Linear(6), LayerNorm(), ReLU()]

    made = learner(network=network)
    assert roles == ["actor", "critic"]
    assert made.algorithm.networks["actor"].layers == (Linear(5), ReLU(), Linear(2))
    assert made.algorithm.networks["critic"].layers == (Linear(6), LayerNorm(), ReLU(), Linear(1))
    assert made.config.actor_network == (Linear(5), ReLU())


def test_plain_layers_equal_hidden() -> None:
    """Also in their numbers, bit for bit."""
    own, usual = learner(network=(Linear(7), ReLU(), Linear(6), ReLU())), learner(hidden=(7, 6))
    assert all(torch.equal(own.state[name], tensor) for name, tensor in usual.state.items())
    assert own._fast is not None


@pytest.mark.parametrize(
    ("network", "got"),
    [
        ((), r"\(\)"),
        (Linear(64), r"Linear\(units=64"),
        (Linear, r"<class .*Linear'>"),
        ((64, 64), r"\(64, 64\)"),
        ("big", "'big'"),
        (lambda role: None, "None from the function for 'actor'"),
        (lambda role: (ReLU(),) if role == "actor" else Linear(3), r"Linear\(units=3.* from the function for 'critic'"),
    ],
)
def test_what_is_no_network_is_refused(network: Any, got: str) -> None:
    with pytest.raises(UserError, match=rf"^network: expected a tuple of layers .*, got {got}.*; for sizes alone"):
        maxent.SAC("Pendulum-v1", network=network, verbose=False)


@every_case
def test_every_algorithm_learns_with_other_layers(case: Case) -> None:
    """All parameters and running statistics move, members together equal each alone, and acting needs the policy."""
    settings: dict[str, Any] = {"actor_network": ACTOR, "critic_network": CRITIC}
    often = {"target_delay": 1} if case.takes("target_delay") else {}
    population = case.make(2, **settings, **often)
    own = [member_data(population, 300 + p, 4, torch.float32) for p in range(2)]
    state = population.init(generators([0, 1]))
    before = clone(state)
    train(population, state, together(own))
    for name, network in population.networks.items():
        assert bool((state[name] != before[name]).flatten(1).any(1).all())
        if network.buffer_size:
            assert bool((state[f"{name}.buffers"] != before[f"{name}.buffers"]).flatten(1).any(1).all())
    for p in range(2):
        solo = case.make(1, **settings, **often)
        alone = solo.init(generators([p]))
        train(solo, alone, own[p])
        for name in population.networks:
            for each in (name, f"{name}.buffers"):
                if each in alone:
                    torch.testing.assert_close(state[each][p : p + 1], alone[each], atol=3e-5, rtol=1e-5)
    policy = {name: state[name] for name in population.policy_tensors}
    obs, noise = torch.randn(2, 5, OBS), torch.randn(2, 5, population.act_noise)
    assert torch.equal(population.mode(policy, obs), population.mode(state, obs))
    assert torch.equal(population.act(policy, obs, noise, 9), population.act(state, obs, noise, 9))


def test_an_actor_with_running_statistics_acts_by_them() -> None:
    """`policy_tensors` has its buffers, and other statistics give other actions."""
    algorithm = CASES["sac"].make(actor_network=(BatchNorm(momentum=0.1), Linear(8), ReLU()))
    assert algorithm.policy_tensors == ("actor", "actor.buffers")
    state = algorithm.init(generators([0, 1]))
    fresh = clone(state)
    train(algorithm, state, data(algorithm, 5, torch.float32))
    obs = torch.randn(2, 5, OBS)
    mixed = {"actor": state["actor"], "actor.buffers": fresh["actor.buffers"]}
    assert algorithm.mode(state, obs).shape == (2, 5, A)
    assert not torch.allclose(algorithm.mode(mixed, obs), algorithm.mode(state, obs), atol=1e-4)
