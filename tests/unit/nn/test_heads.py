"""Heads against torch.nn modules with the same weights: policies, values, and ensembles of critics."""

import pytest
import torch
from stacks import TOLERANCE, generators, random_parameters, stack

from maxent.nn.heads import (
    CategoricalActor,
    CategoricalCriticEnsemble,
    CriticEnsemble,
    DeterministicActor,
    DiscreteCriticEnsemble,
    GaussianActor,
    StateValue,
    take_action,
)
from maxent.nn.layers import BatchNorm, Linear, ReLU, relu_layers


def test_the_critics_of_an_ensemble_share_nothing() -> None:
    """Changing the parameters of member 1's critic 0 changes its values and no other."""
    ensemble = CriticEnsemble(2, 3, 5, relu_layers((8, 8)))
    flat = random_parameters(ensemble.network)
    obs, action = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 2, dtype=torch.float64)
    before = ensemble(flat, obs, action)
    assert before.shape == (2, 3, 5)
    flat[1, 0] += 0.1
    after = ensemble(flat, obs, action)
    changed = (after != before).all(-1)  # [P, E]
    assert changed.tolist() == [[False, False, False], [True, False, False]]
    assert torch.equal(after[~changed], before[~changed])


def test_a_critic_reads_its_members_observation_and_action() -> None:
    ensemble = CriticEnsemble(2, 2, 5, relu_layers((8,), layer_norm=True))
    parameters = random_parameters(ensemble.network)
    views = ensemble.network.views(parameters)
    obs, action = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 2, dtype=torch.float64)
    q = ensemble(parameters, obs, action)
    for p in range(2):
        for e in range(2):
            module = stack(ensemble.network, views, group=2 * p + e)
            expected = module(torch.cat([obs[p], action[p]], -1)).squeeze(-1)
            torch.testing.assert_close(q[p, e], expected, **TOLERANCE)


def test_the_actor_has_a_mean_and_clipped_log_std() -> None:
    """Without hidden units and with zero weights the output is the bias: (mean | log σ), clipped to [−20, 2]."""
    actor = GaussianActor(1, 3, 4, ())
    parameters = torch.zeros(1, actor.network.size)
    actor.network.views(parameters)["layer_0.bias"][0, 0] = torch.tensor(
        [0.5, -7.0, 30.0, -30.0, -21.0, -19.5, 1.5, 2.5]
    )
    policy = actor(parameters, torch.randn(1, 2, 3))
    assert policy.mean.tolist() == [[[0.5, -7.0, 30.0, -30.0]] * 2]
    assert policy.log_std.tolist() == [[[-20.0, -19.5, 1.5, 2.0]] * 2]


def test_a_categorical_actor_is_the_softmax_of_its_members_network() -> None:
    actor = CategoricalActor(2, 3, 4, relu_layers((8, 5)))
    parameters, obs = random_parameters(actor.network), torch.randn(2, 6, 3, dtype=torch.float64)
    views = actor.network.views(parameters)
    policy = actor(parameters, obs)
    for p in range(2):
        expected = torch.softmax(stack(actor.network, views, p)(obs[p]), -1)
        torch.testing.assert_close(policy.probs[p], expected, **TOLERANCE)
    torch.testing.assert_close(policy.probs.sum(-1), torch.ones(2, 6, dtype=torch.float64), **TOLERANCE)


def test_a_deterministic_actor_is_the_tanh_of_its_members_network() -> None:
    actor = DeterministicActor(2, 3, 2, relu_layers((8, 5)))
    parameters, obs = random_parameters(actor.network), torch.randn(2, 6, 3, dtype=torch.float64)
    views = actor.network.views(parameters)
    action = actor(parameters, obs)
    for p in range(2):
        torch.testing.assert_close(action[p], torch.tanh(stack(actor.network, views, p)(obs[p])), **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_a_state_value_is_the_output_of_its_members_network(layer_norm: bool) -> None:
    value = StateValue(2, 3, relu_layers((8, 5), layer_norm=layer_norm))
    parameters, obs = random_parameters(value.network), torch.randn(2, 6, 3, dtype=torch.float64)
    views = value.network.views(parameters)
    found = value(parameters, obs)
    assert found.shape == (2, 6)
    for p in range(2):
        torch.testing.assert_close(found[p], stack(value.network, views, p)(obs[p]).squeeze(-1), **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
@pytest.mark.parametrize("dueling", [False, True], ids=["q", "dueling"])
def test_discrete_critics_equal_single_networks(dueling: bool, layer_norm: bool) -> None:
    """Each of 2 · 3 networks on its own; dueling, Q = V + A − mean A with V the first of its outputs."""
    ensemble = DiscreteCriticEnsemble(2, 3, 3, 4, relu_layers((8, 5), layer_norm=layer_norm), dueling=dueling)
    assert ensemble.network.outputs == (5 if dueling else 4)
    parameters = random_parameters(ensemble.network)
    views = ensemble.network.views(parameters)
    obs = torch.randn(2, 6, 3, dtype=torch.float64)
    action = torch.tensor([[0, 1, 2, 3, 3, 0], [2, 2, 1, 0, 3, 1]]).unsqueeze(-1)
    q = ensemble(parameters, obs)
    taken = take_action(q, action.double())
    assert q.shape == (2, 3, 6, 4)
    assert taken.shape == (2, 3, 6)
    for p in range(2):
        for e in range(3):
            expected = stack(ensemble.network, views, group=3 * p + e)(obs[p])
            if dueling:
                advantage = expected[:, 1:]
                expected = expected[:, :1] + advantage - advantage.mean(-1, keepdim=True)
            torch.testing.assert_close(q[p, e], expected, **TOLERANCE)
            for b in range(6):
                assert taken[p, e, b] == q[p, e, b, action[p, b, 0]]


def test_a_dueling_advantage_has_the_mean_zero() -> None:
    """The mean of Q over actions is V alone, so adding anything to every advantage changes nothing."""
    ensemble = DiscreteCriticEnsemble(2, 2, 3, 4, relu_layers((8,)), dueling=True)
    flat, obs = random_parameters(ensemble.network), torch.randn(2, 6, 3, dtype=torch.float64)
    views = ensemble.network.views(flat)
    q = ensemble(flat, obs)
    value = ensemble.network(flat, obs.repeat_interleave(2, 0))[..., 0].reshape(2, 2, 6)
    torch.testing.assert_close(q.mean(-1), value, **TOLERANCE)
    views["layer_1.bias"][..., 1:] += 7.0
    torch.testing.assert_close(ensemble(flat, obs), q, **TOLERANCE)
    views["layer_1.bias"][..., 0] += 7.0
    torch.testing.assert_close(ensemble(flat, obs), q + 7.0, **TOLERANCE)


def test_take_action_by_hand() -> None:
    """Q [P, E, B, K] = [1, 2, 2, 3]; of the first transition action 2, of the second action 0."""
    q = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[7.0, 8.0, 9.0], [10.0, 11.0, 12.0]]]])
    assert take_action(q, torch.tensor([[[2.0], [0.0]]])).tolist() == [[[3.0, 4.0], [9.0, 10.0]]]


def test_the_gradient_of_an_action_taken_reaches_that_action_alone() -> None:
    q = torch.zeros(1, 2, 2, 3, requires_grad=True)
    take_action(q, torch.tensor([[[2.0], [0.0]]])).sum().backward()
    assert q.grad is not None
    assert q.grad.tolist() == [[[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]] * 2]


def test_new_networks_start_as_their_members_would_alone() -> None:
    for together, alone in (
        (CategoricalActor(2, 3, 4, relu_layers((8,))).network, CategoricalActor(1, 3, 4, relu_layers((8,))).network),
        (
            DeterministicActor(2, 3, 2, relu_layers((8,))).network,
            DeterministicActor(1, 3, 2, relu_layers((8,))).network,
        ),
        (StateValue(2, 3, relu_layers((8,))).network, StateValue(1, 3, relu_layers((8,))).network),
        (
            DiscreteCriticEnsemble(2, 3, 3, 4, relu_layers((8,))).network,
            DiscreteCriticEnsemble(1, 3, 3, 4, relu_layers((8,))).network,
        ),
    ):
        both = together.init(generators(5, 6))
        assert all(torch.equal(both[k], alone.init(generators(5 + k))[0]) for k in range(2))


def test_a_categorical_critic_has_the_log_probabilities_of_its_members_networks() -> None:
    ensemble = CategoricalCriticEnsemble(2, 3, 5, relu_layers((8,)), count=7)
    parameters = random_parameters(ensemble.network)
    views = ensemble.network.views(parameters)
    obs, action = torch.randn(2, 6, 3, dtype=torch.float64), torch.randn(2, 6, 2, dtype=torch.float64)
    log_probs = ensemble(parameters, obs, action)
    assert log_probs.shape == (2, 3, 6, 7)
    for p in range(2):
        for e in range(3):
            out = stack(ensemble.network, views, group=3 * p + e)(torch.cat([obs[p], action[p]], -1))
            torch.testing.assert_close(log_probs[p, e].exp(), torch.softmax(out, -1), **TOLERANCE)


def test_training_normalises_by_the_batch_and_evaluation_by_the_buffers() -> None:
    """Both outputs of a head with BatchNorm, and the buffers that follow."""
    value = StateValue(2, 3, (Linear(8), BatchNorm(), ReLU()))
    parameters, buffers = random_parameters(value.network), value.network.init_buffers().double()
    obs = 3.0 + torch.randn(2, 6, 3, dtype=torch.float64)
    out, moved = value.train(parameters, obs, buffers=buffers)
    assert out.shape == (2, 6)
    assert moved is not None
    assert moved.shape == buffers.shape
    assert not torch.equal(moved, buffers)
    assert not torch.allclose(value(parameters, obs, buffers=buffers), out)
    assert not torch.equal(value(parameters, obs, buffers=moved), value(parameters, obs, buffers=buffers))
