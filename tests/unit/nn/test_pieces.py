"""Four pieces of modern actor-critics in whole updates: against plain torch.nn programs, and through runs.

BatchNorm critics, ten critics of which the target takes a random two, categorical critics, and projected optimisers.
"""

import copy
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from cases import Case, clone, data, fresh, generators, member_data, of_member, together, train
from compiled import assert_compiled_equals_eager
from modern import NORMALISED, UNIT
from plain_pieces import Plain, PlainCategorical, PlainProjected, PlainSubset, named
from torch import Tensor, nn

import maxent
from maxent.algorithms import Algorithm
from maxent.engine.compiling import INDUCTOR
from maxent.nn.optimiser import State

PIECES = {
    "batch norm": Case("sac", "continuous", {"critic_network": NORMALISED, "tau": 0.1}),
    "random subset of ten": Case("modern:RandomSubset", "continuous", {"critics": 10, "tau": 0.1}),
    "categorical": Case("modern:CategoricalSAC", "continuous", {"layer_norm": True, "tau": 0.1}),
    "projected": Case("modern:ProjectedSAC", "continuous", {"critic_network": UNIT, "tau": 0.1}),
}
every_piece = pytest.mark.parametrize("piece", PIECES)


PROGRAMS = {
    "batch norm": Plain, "random subset of ten": PlainSubset, "categorical": PlainCategorical,
    "projected": PlainProjected,
}  # fmt: skip


def started(algorithm: Algorithm) -> State:
    """Return a state in float64 in which targets and running statistics differ from their initial values."""
    state = fresh(algorithm)
    for name in [name for name in state if name.endswith(".buffers")]:
        network = algorithm.networks[name.removesuffix(".buffers")]
        for key, view in network.buffer_views(state[name]).items():
            view += 0.3 * torch.rand(view.shape, generator=generators([len(name)])[0]) * (1 + key.endswith("var"))
    return state


def assert_views(views: Mapping[str, Tensor], group: int, peer: nn.Sequential, *, gradients: bool = False) -> None:
    expected = named(peer, gradients=gradients)
    assert set(views) <= set(expected)
    for name, view in views.items():
        value = 0.1 * expected[name] if gradients else expected[name]
        torch.testing.assert_close(view[group], value, atol=1e-9, rtol=1e-7, msg=lambda m, n=name: f"{n}: {m}")


@every_piece
def test_three_updates_equal_a_plain_program(piece: str) -> None:
    """Parameters, targets, running statistics and α of both members, in float64."""
    algorithm = PIECES[piece].make()
    state = started(algorithm)
    peers = [PROGRAMS[piece](algorithm, state, member) for member in range(2)]
    before, updates = clone(state), data(algorithm, 3)
    train(algorithm, state, updates)
    for member, peer in enumerate(peers):
        for update in updates:
            peer.update(*of_member(*update, member))
        assert_views(algorithm.networks["actor"].views(state["actor"]), member, peer.actor)
        torch.testing.assert_close(state["log_alpha"][member, 0], peer.log_alpha.data, atol=1e-10, rtol=0.0)
        for name, modules in (("critic", peer.critics), ("target_critic", peer.targets)):
            network = algorithm.networks[name]
            views = network.views(state[name])
            if network.buffer_size:
                views |= network.buffer_views(state[f"{name}.buffers"])
                assert not torch.equal(state[f"{name}.buffers"], before[f"{name}.buffers"])
            for e, each in enumerate(modules):
                assert_views(views, member * len(modules) + e, each)


@every_piece
def test_the_critics_gradient_equals_that_of_a_plain_program(piece: str) -> None:
    """After the first update Adam's first moment is (1 − β₁) times the gradient."""
    algorithm = PIECES[piece].make()
    state = started(algorithm)
    peers = [PROGRAMS[piece](algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 1)
    train(algorithm, state, updates)
    network = algorithm.networks["critic"]
    share = 0.2 if piece == "projected" else 0.1
    for member, peer in enumerate(peers):
        peer.update(*of_member(*updates[0], member))
        for e, gradient in enumerate(peer.critic_gradients):
            for name, view in network.views(state["critic.adam_m"]).items():
                own = view[member * len(peer.critics) + e]
                torch.testing.assert_close(own, share * gradient[name], atol=1e-11, rtol=1e-8)
    assert state["critic.adam_m"].abs().max() > 1e-3


def test_projected_layers_stay_on_their_spheres() -> None:
    algorithm = PIECES["projected"].make()
    state = algorithm.init(generators([0, 1]))
    before = state["critic"].clone()
    train(algorithm, state, data(algorithm, 3, torch.float32))
    assert not torch.equal(state["critic"], before)
    views = algorithm.networks["critic"].views(state["critic"])
    for name in ("layer_0.weight", "layer_1.weight"):
        norm = torch.linalg.vector_norm(views[name], dim=-2)
        torch.testing.assert_close(norm, torch.ones_like(norm))
    torch.testing.assert_close(views["norm_0.scale"].square().sum(-1), torch.full((4, 1), 12.0))
    both = torch.cat([views["norm_1.scale"], views["norm_1.shift"]], -1)
    torch.testing.assert_close(both.square().sum(-1), torch.full((4, 1), 10.0))
    free = torch.linalg.vector_norm(views["layer_2.weight"], dim=-2)
    assert bool((free != 1.0).all())


def test_a_subset_is_drawn_anew_for_every_update_and_member() -> None:
    """Other draws of member 1 change its critics, and not those of member 0."""
    algorithm = PIECES["random subset of ten"].make()
    ((batch, noise),) = data(algorithm, 1)
    one, two = started(algorithm), started(algorithm)
    train(algorithm, one, [(batch, noise)])
    other = noise["subset"].clone()
    other[1] = -other[1]
    train(algorithm, two, [(batch, {**noise, "subset": other})])
    assert torch.equal(one["critic"][0], two["critic"][0])
    assert not torch.equal(one["critic"][1], two["critic"][1])


# ------------------------------------------------------------------------------------ members, compilation and resuming


@every_piece
def test_members_together_equal_each_alone(piece: str) -> None:
    """Every tensor of the state, bit for bit, after ten updates in float32."""
    population = PIECES[piece].make(3)
    own = [member_data(population, 200 + p, 10, torch.float32) for p in range(3)]
    state = population.init(generators(range(3)))
    train(population, state, together(own))
    for p in range(3):
        solo = PIECES[piece].make(1)
        alone = solo.init(generators([p]))
        train(solo, alone, own[p])
        for name, tensor in alone.items():
            theirs = state[name] if name.endswith(("adam_steps", "adam_scale")) else state[name][p : p + 1]
            assert torch.equal(theirs, tensor), name


@every_piece
def test_the_compiled_update_is_one_graph_that_equals_the_eager_one(piece: str) -> None:
    assert_compiled_equals_eager(PIECES[piece].make(), backend="aot_eager")


@pytest.mark.slow
@every_piece
def test_the_machine_code_equals_the_eager_update(piece: str) -> None:
    """Through Inductor, as in a run."""
    assert_compiled_equals_eager(PIECES[piece].make(), options=INDUCTOR)


def agent(piece: str) -> maxent.Agent:
    case = PIECES[piece]
    return maxent.Agent(
        "Pendulum-v1", algorithm=case.name, hidden=(12, 10), seeds=2, batch_size=16, learning_starts=20,
        eval_every=0, compile="off", verbose=False, **case.settings,
    )  # fmt: skip


@every_piece
def test_a_run_that_was_saved_and_loaded_equals_an_uninterrupted_one(piece: str, tmp_path: Path) -> None:
    """Every tensor of the state, running statistics and moments too, bit for bit."""
    whole = agent(piece)
    whole.learn(60)
    first = agent(piece)
    first.learn(40)
    halfway = copy.deepcopy(first._learner.state)
    first.save(tmp_path / "agent")
    first.close()
    second = maxent.load(tmp_path / "agent", verbose=False)
    assert second.name == whole.name
    second.learn(20)
    expected, found = whole._learner.state, second._learner.state
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    with_buffers = PIECES[piece].settings.get("critic_network") is not None
    assert ("critic.buffers" in found) == with_buffers
    assert all(not torch.equal(found[n], halfway[n]) for n in found if n in ("critic", "actor", "critic.buffers"))
    whole.close()
    second.close()
