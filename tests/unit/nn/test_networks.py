"""Batched layers against stacks of torch.nn modules with the same weights."""

import math

import pytest
import torch
from flat import flatten
from torch import Tensor, nn

from maxent.nn.networks import (
    ALIGNMENT,
    MLP,
    CategoricalActor,
    CriticEnsemble,
    DeterministicActor,
    DiscreteCriticEnsemble,
    GaussianActor,
    StateValue,
    Views,
    take_action,
)

TOLERANCE = {"atol": 1e-12, "rtol": 1e-12}  # float64: the two sides add in different orders


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def random_parameters(network: MLP, seed: int = 0) -> Tensor:
    """Parameters in float64 of which none has its initial value: LayerNorm scales and shifts differ from 1 and 0."""
    views = network.views(torch.zeros(*network.groups, network.size, dtype=torch.float64))
    (generator,) = generators(seed)
    return flatten(network, {
        name: torch.randn(view.shape, dtype=torch.float64, generator=generator) * 0.5 for name, view in views.items()
    })  # fmt: skip


def stack(network: MLP, views: Views, group: int) -> nn.Sequential:
    """One group as torch.nn modules. Their weights are [out, in], ours [in, out]."""
    modules: list[nn.Module] = []
    last = len(network.sizes) - 2
    for i in range(last + 1):
        linear = nn.Linear(network.sizes[i], network.sizes[i + 1], dtype=torch.float64)
        linear.weight.data = views[f"layer_{i}.weight"][group].T
        linear.bias.data = views[f"layer_{i}.bias"][group, 0]
        modules.append(linear)
        if i < last and network.layer_norm:
            norm = nn.LayerNorm(network.sizes[i + 1], dtype=torch.float64)
            norm.weight.data = views[f"norm_{i}.scale"][group, 0]
            norm.bias.data = views[f"norm_{i}.shift"][group, 0]
            modules.append(norm)
        if i < last:
            modules.append(nn.ReLU())
    return nn.Sequential(*modules)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
@pytest.mark.parametrize("sizes", [(3, 2), (3, 7, 2), (3, 8, 5, 1)])
def test_groups_equal_separate_stacks(sizes: tuple[int, ...], layer_norm: bool) -> None:
    network = MLP((2, 3), sizes, layer_norm)
    parameters = random_parameters(network)
    views = network.views(parameters)
    x = torch.randn(6, 11, 3, dtype=torch.float64)
    expected = torch.stack([stack(network, views, group)(x[group]) for group in range(6)])
    torch.testing.assert_close(network(parameters, x), expected, **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_gradients_equal_those_of_separate_stacks(layer_norm: bool) -> None:
    network = MLP((2,), (3, 8, 5, 1), layer_norm)
    leaf = random_parameters(network).requires_grad_()
    x = torch.randn(2, 11, 3, dtype=torch.float64)
    network(leaf, x).square().sum().backward()
    answer = network.views(leaf.grad)
    for group in range(2):
        modules = stack(network, network.views(leaf.detach()), group)
        modules(x[group]).square().sum().backward()
        linears = [module for module in modules if isinstance(module, nn.Linear)]
        norms = [module for module in modules if isinstance(module, nn.LayerNorm)]
        expected = {f"layer_{i}.weight": linear.weight.grad.T for i, linear in enumerate(linears)}
        expected |= {f"layer_{i}.bias": linear.bias.grad[None] for i, linear in enumerate(linears)}
        expected |= {f"norm_{i}.scale": norm.weight.grad[None] for i, norm in enumerate(norms)}
        expected |= {f"norm_{i}.shift": norm.bias.grad[None] for i, norm in enumerate(norms)}
        assert expected.keys() == answer.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(answer[name][group], gradient, **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_views_are_windows_and_flatten_is_their_inverse(layer_norm: bool) -> None:
    network = MLP((2, 3), (3, 7, 2), layer_norm)
    flat = random_parameters(network)
    assert torch.equal(flatten(network, network.views(flat)), flat)
    # 3·7 + 7·2 weights and 7 + 2 biases; with LayerNorm 7 scales and 7 shifts more
    views = network.views(flat)
    assert sum(view[0].numel() for view in views.values()) == (21 + 14 + 9 + (14 if layer_norm else 0))
    for i, view in enumerate(views.values()):
        view.fill_(i + 1)
    # every view wrote its own part: each value is there as often as its view has elements, and the rest is padding
    for i, view in enumerate(views.values()):
        assert int((flat == i + 1).sum()) == view.numel()


def test_every_group_starts_on_a_cache_line_and_padding_stays_zero() -> None:
    network = MLP((2, 3), (3, 7, 2), layer_norm=True)  # 58 parameters, see above
    assert ALIGNMENT * torch.float32.itemsize == 64
    assert network.size == 64
    flat = network.init(generators(0, 1))
    assert flat.shape == (2, 3, 64)
    assert bool((flat[..., 58:] == 0).all())
    assert bool((flatten(network, network.views(torch.ones(2, 3, 64)))[..., 58:] == 0).all())
    starts = {(flat[p, e].data_ptr() - flat.data_ptr()) % 64 for p in range(2) for e in range(3)}
    assert starts == {0}


def test_initial_parameters_fill_the_interval_of_torch_nn_linear() -> None:
    """Uniform in ±b, b = 1/√fan_in: the extremes of n draws lie within 20b/n of ±b (but for e⁻¹⁰)."""
    network = MLP((1, 2), (16, 64, 25, 8), layer_norm=True)
    views = network.views(network.init(generators(0)))
    for i, fan_in in enumerate((16, 64, 25)):
        bound = 1.0 / math.sqrt(fan_in)
        for name in (f"layer_{i}.weight", f"layer_{i}.bias"):
            scaled = views[name].flatten() / bound
            n = len(scaled)
            assert scaled.abs().max().item() <= 1.0
            if n < 100:
                continue
            assert scaled.max().item() > 1.0 - 20.0 / n
            assert scaled.min().item() < -1.0 + 20.0 / n
            # the mean square of n uniform draws has standard deviation √((1/5 − 1/9)/n)
            assert abs(scaled.square().mean().item() - 1.0 / 3.0) < 4.0 * math.sqrt((1 / 5 - 1 / 9) / n)
    for i in range(2):
        assert bool((views[f"norm_{i}.scale"] == 1.0).all())
        assert bool((views[f"norm_{i}.shift"] == 0.0).all())


def test_member_k_starts_as_it_would_alone() -> None:
    together = MLP((3, 2), (4, 8, 1)).init(generators(5, 6, 7))
    for k, seed in enumerate((5, 6, 7)):
        assert torch.equal(together[k], MLP((1, 2), (4, 8, 1)).init(generators(seed))[0])
    # and no two networks start alike
    assert len({tuple(group.tolist()) for group in together.reshape(6, -1)}) == 6


def test_the_critics_of_an_ensemble_share_nothing() -> None:
    """Changing the parameters of member 1's critic 0 changes its answers and no other."""
    ensemble = CriticEnsemble(members=2, critics=3, observation_size=3, action_size=2, hidden=(8, 8))
    flat = random_parameters(ensemble.mlp)
    obs, action = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 2, dtype=torch.float64)
    before = ensemble(flat, obs, action)
    assert before.shape == (2, 3, 5)
    flat[1, 0] += 0.1
    after = ensemble(flat, obs, action)
    changed = (after != before).all(-1)  # [P, E]
    assert changed.tolist() == [[False, False, False], [True, False, False]]
    assert torch.equal(after[~changed], before[~changed])


def test_a_critic_reads_its_members_observation_and_action() -> None:
    ensemble = CriticEnsemble(members=2, critics=2, observation_size=3, action_size=2, hidden=(8,), layer_norm=True)
    parameters = random_parameters(ensemble.mlp)
    views = ensemble.mlp.views(parameters)
    obs, action = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 2, dtype=torch.float64)
    q = ensemble(parameters, obs, action)
    for p in range(2):
        for e in range(2):
            module = stack(ensemble.mlp, views, group=2 * p + e)
            expected = module(torch.cat([obs[p], action[p]], -1)).squeeze(-1)
            torch.testing.assert_close(q[p, e], expected, **TOLERANCE)


def test_the_actor_answers_mean_and_clipped_log_std() -> None:
    """Without hidden units and with zero weights the output is the bias: (mean | log σ), clipped to [−20, 2]."""
    actor = GaussianActor(members=1, observation_size=3, action_size=4, hidden=())
    parameters = torch.zeros(1, actor.mlp.size)
    actor.mlp.views(parameters)["layer_0.bias"][0, 0] = torch.tensor([0.5, -7.0, 30.0, -30.0, -21.0, -19.5, 1.5, 2.5])
    policy = actor(parameters, torch.randn(1, 2, 3))
    assert policy.mean.tolist() == [[[0.5, -7.0, 30.0, -30.0]] * 2]
    assert policy.log_std.tolist() == [[[-20.0, -19.5, 1.5, 2.0]] * 2]


def test_a_categorical_actor_is_the_softmax_of_its_members_network() -> None:
    actor = CategoricalActor(members=2, observation_size=3, count=4, hidden=(8, 5))
    parameters, obs = random_parameters(actor.mlp), torch.randn(2, 6, 3, dtype=torch.float64)
    views = actor.mlp.views(parameters)
    policy = actor(parameters, obs)
    for p in range(2):
        expected = torch.softmax(stack(actor.mlp, views, p)(obs[p]), -1)
        torch.testing.assert_close(policy.probs[p], expected, **TOLERANCE)
    torch.testing.assert_close(policy.probs.sum(-1), torch.ones(2, 6, dtype=torch.float64), **TOLERANCE)


def test_a_deterministic_actor_is_the_tanh_of_its_members_network() -> None:
    actor = DeterministicActor(members=2, observation_size=3, action_size=2, hidden=(8, 5))
    parameters, obs = random_parameters(actor.mlp), torch.randn(2, 6, 3, dtype=torch.float64)
    views = actor.mlp.views(parameters)
    action = actor(parameters, obs)
    for p in range(2):
        torch.testing.assert_close(action[p], torch.tanh(stack(actor.mlp, views, p)(obs[p])), **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_a_state_value_is_the_output_of_its_members_network(layer_norm: bool) -> None:
    value = StateValue(members=2, observation_size=3, hidden=(8, 5), layer_norm=layer_norm)
    parameters, obs = random_parameters(value.mlp), torch.randn(2, 6, 3, dtype=torch.float64)
    views = value.mlp.views(parameters)
    answer = value(parameters, obs)
    assert answer.shape == (2, 6)
    for p in range(2):
        torch.testing.assert_close(answer[p], stack(value.mlp, views, p)(obs[p]).squeeze(-1), **TOLERANCE)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
@pytest.mark.parametrize("dueling", [False, True], ids=["q", "dueling"])
def test_discrete_critics_equal_single_networks(dueling: bool, layer_norm: bool) -> None:
    """Each of 2 · 3 networks on its own; dueling, Q = V + A − mean A with V the first of its outputs."""
    ensemble = DiscreteCriticEnsemble(2, 3, 3, 4, hidden=(8, 5), layer_norm=layer_norm, dueling=dueling)
    assert ensemble.mlp.sizes == (3, 8, 5, 5 if dueling else 4)
    parameters = random_parameters(ensemble.mlp)
    views = ensemble.mlp.views(parameters)
    obs = torch.randn(2, 6, 3, dtype=torch.float64)
    action = torch.tensor([[0, 1, 2, 3, 3, 0], [2, 2, 1, 0, 3, 1]]).unsqueeze(-1)
    q, taken = ensemble.all_actions(parameters, obs), ensemble(parameters, obs, action.double())
    assert q.shape == (2, 3, 6, 4)
    assert taken.shape == (2, 3, 6)
    for p in range(2):
        for e in range(3):
            expected = stack(ensemble.mlp, views, group=3 * p + e)(obs[p])
            if dueling:
                advantage = expected[:, 1:]
                expected = expected[:, :1] + advantage - advantage.mean(-1, keepdim=True)
            torch.testing.assert_close(q[p, e], expected, **TOLERANCE)
            for b in range(6):
                assert taken[p, e, b] == q[p, e, b, action[p, b, 0]]


def test_a_dueling_advantage_has_the_mean_zero() -> None:
    """The mean of Q over actions is V alone, so adding anything to every advantage changes nothing."""
    ensemble = DiscreteCriticEnsemble(2, 2, 3, 4, hidden=(8,), dueling=True)
    flat, obs = random_parameters(ensemble.mlp), torch.randn(2, 6, 3, dtype=torch.float64)
    views = ensemble.mlp.views(flat)
    q = ensemble.all_actions(flat, obs)
    value = ensemble.mlp(flat, obs.repeat_interleave(2, 0))[..., 0].reshape(2, 2, 6)
    torch.testing.assert_close(q.mean(-1), value, **TOLERANCE)
    views["layer_1.bias"][..., 1:] += 7.0
    torch.testing.assert_close(ensemble.all_actions(flat, obs), q, **TOLERANCE)
    views["layer_1.bias"][..., 0] += 7.0
    torch.testing.assert_close(ensemble.all_actions(flat, obs), q + 7.0, **TOLERANCE)


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
        (CategoricalActor(2, 3, 4, (8,)).mlp, CategoricalActor(1, 3, 4, (8,)).mlp),
        (DeterministicActor(2, 3, 2, (8,)).mlp, DeterministicActor(1, 3, 2, (8,)).mlp),
        (StateValue(2, 3, (8,)).mlp, StateValue(1, 3, (8,)).mlp),
        (DiscreteCriticEnsemble(2, 3, 3, 4, (8,)).mlp, DiscreteCriticEnsemble(1, 3, 3, 4, (8,)).mlp),
    ):
        both = together.init(generators(5, 6))
        assert all(torch.equal(both[k], alone.init(generators(5 + k))[0]) for k in range(2))
