"""Four pieces of modern actor-critics in whole updates: against plain torch.nn programs, and through runs.

BatchNorm critics, ten critics of which the target takes a random two, categorical critics, and projected optimisers.
"""

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import Case, clone, data, fresh, generators, member_data, of_member, squash, together, train
from compiled import assert_compiled_equals_eager
from modern import COUNT, HIGH, LOW, NORMALISED, OPTIMISER, UNIT
from torch import Tensor, nn

import maxent
from maxent.algorithms import Algorithm
from maxent.batch import Batch
from maxent.engine.compiling import INDUCTOR
from maxent.nn.layers import BatchNorm, LayerNorm, Linear, ReLU, RMSNorm
from maxent.nn.network import Network
from maxent.nn.optimiser import State

PIECES = {
    "batch norm": Case("sac", "continuous", {"critic_network": NORMALISED, "tau": 0.1}),
    "random subset of ten": Case("modern:RandomSubset", "continuous", {"critics": 10, "tau": 0.1}),
    "categorical": Case("modern:CategoricalSAC", "continuous", {"layer_norm": True, "tau": 0.1}),
    "projected": Case("modern:ProjectedSAC", "continuous", {"critic_network": UNIT, "tau": 0.1}),
}
every_piece = pytest.mark.parametrize("piece", PIECES)


# ------------------------------------------------------------------------------------------------------ plain programs


def module(network: Network, flat: Tensor, buffers: Tensor | None) -> nn.Sequential:
    """Return one group, parameters [n] and buffers [m], as torch.nn modules."""
    alone = Network((), network.inputs, network.layers)
    tensors = {name: view[0].clone() for name, view in alone.views(flat).items()}
    if buffers is not None:
        tensors |= {name: view[0, 0].clone() for name, view in alone.buffer_views(buffers).items()}
    modules: list[Any] = []
    size, linears, norms = network.inputs, 0, 0
    for layer in network.layers:
        if isinstance(layer, Linear):
            made: Any = nn.Linear(size, layer.units, bias=layer.bias, dtype=torch.float64)
            made.weight.data = tensors[f"layer_{linears}.weight"].T.clone()
            if layer.bias:
                made.bias.data = tensors[f"layer_{linears}.bias"][0]
            size, linears = layer.units, linears + 1
        elif isinstance(layer, ReLU):
            made = nn.ReLU()
        else:
            assert isinstance(layer, BatchNorm | LayerNorm | RMSNorm)
            kinds: Any = {BatchNorm: nn.BatchNorm1d, LayerNorm: nn.LayerNorm, RMSNorm: nn.RMSNorm}
            made = kinds[type(layer)](size, eps=layer.epsilon, dtype=torch.float64)
            made.weight.data = tensors[f"norm_{norms}.scale"][0]
            if not isinstance(layer, RMSNorm):
                made.bias.data = tensors[f"norm_{norms}.shift"][0]
            if isinstance(layer, BatchNorm):
                made.momentum = layer.momentum
                made.running_mean, made.running_var = tensors[f"norm_{norms}.mean"], tensors[f"norm_{norms}.var"]
            norms += 1
        made.unit_norm = getattr(layer, "unit_norm", False)
        modules.append(made)
    return nn.Sequential(*modules).eval()


def named(sequential: nn.Sequential, *, gradients: bool = False) -> dict[str, Tensor]:
    """Return parameters, or their gradients, and running statistics under the names of a network."""
    found, linears, norms = {}, 0, 0
    for each in sequential:
        if isinstance(each, nn.ReLU):
            continue
        parts = {name: p.grad if gradients else p.data for name, p in each.named_parameters()}
        if isinstance(each, nn.Linear):
            found[f"layer_{linears}.weight"] = parts["weight"].T
            if "bias" in parts:
                found[f"layer_{linears}.bias"] = parts["bias"][None]
            linears += 1
            continue
        found |= {f"norm_{norms}.{ {'weight': 'scale', 'bias': 'shift'}[name] }": p[None] for name, p in parts.items()}
        if isinstance(each, nn.BatchNorm1d) and not gradients:
            found |= {f"norm_{norms}.mean": each.running_mean[None], f"norm_{norms}.var": each.running_var[None]}
        norms += 1
    return found


class Plain:
    """SAC (2018b algorithm 1) for one member with torch.nn and torch.optim; subclasses have the pieces."""

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config  # type: ignore[attr-defined]
        self.actor = self._module(algorithm, state, "actor", member)
        each = range(self.config.critics)
        self.critics = [self._module(algorithm, state, "critic", member, e) for e in each]
        self.targets = [self._module(algorithm, state, "target_critic", member, e) for e in each]
        self.log_alpha = state["log_alpha"][member, 0].clone().requires_grad_()
        rate = self.config.learning_rate
        self.of_actor = torch.optim.Adam(self.actor.parameters(), lr=rate)
        self.of_alpha = torch.optim.Adam([self.log_alpha], lr=rate)
        self.of_critics = self.critic_optimiser([p for critic in self.critics for p in critic.parameters()])

    def _module(self, algorithm: Algorithm, state: State, name: str, *group: int) -> nn.Sequential:
        buffers = state.get(f"{name}.buffers")
        return module(algorithm.networks[name], state[name][group], None if buffers is None else buffers[group])

    def critic_optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.config.learning_rate)

    def sample(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(obs).chunk(2, -1)
        u = mean + log_std.exp() * noise
        return torch.tanh(u), squash(u, mean, log_std)

    def q(self, critic: nn.Module, obs: Tensor, action: Tensor) -> Tensor:
        return critic(torch.cat([obs, action], -1))[:, 0]

    def next_q(self, batch: Batch, action: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.q(target, batch.next_obs, action) for target in self.targets]).amin(0)

    def critic_loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            action, log_prob = self.sample(batch.next_obs, noise["next_action"])
            soft = self.next_q(batch, action, noise) - self.log_alpha.exp() * log_prob
            y = batch.reward + batch.discount * soft
        q = [self.q(critic.train(), batch.obs, batch.action) for critic in self.critics]
        return sum(((0.5 * (each - y) ** 2).mean() for each in q), torch.zeros(()))

    def after_step(self) -> None:
        """What follows each step of the critics."""

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> None:
        alpha = self.log_alpha.exp().detach()
        self.of_critics.zero_grad()
        self.critic_loss(batch, noise).backward()
        self.of_critics.step()
        self.after_step()
        for critic in self.critics:
            critic.eval()
        self.critic_gradients = [named(critic, gradients=True) for critic in self.critics]
        action, log_prob = self.sample(batch.obs, noise["action"])
        q = torch.stack([self.q(critic, batch.obs, action) for critic in self.critics]).amin(0)
        self.of_actor.zero_grad()
        (alpha * log_prob - q).mean().backward(inputs=list(self.actor.parameters()))
        self.of_actor.step()
        self.of_alpha.zero_grad()
        (-self.log_alpha * (log_prob.detach() - noise["action"].shape[-1])).mean().backward()
        self.of_alpha.step()
        for target, critic in zip(self.targets, self.critics, strict=True):
            old, new = (x.state_dict() for x in (target, critic))
            mixed = {key: old[key] + self.config.tau * (new[key] - old[key]) for key in old if "batches" not in key}
            target.load_state_dict(old | mixed)


class PlainSubset(Plain):
    """The two critics of the largest draws."""

    def next_q(self, batch: Batch, action: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        drawn = sorted(range(len(self.targets)), key=lambda e: -noise["subset"][e].item())[:2]
        return torch.minimum(*(self.q(self.targets[e], batch.next_obs, action) for e in drawn))


class PlainCategorical(Plain):
    """C51's pseudocode: each atom, moved, splits its mass between its neighbours."""

    atoms = tuple(LOW + k * (HIGH - LOW) / (COUNT - 1) for k in range(COUNT))

    def q(self, critic: nn.Module, obs: Tensor, action: Tensor) -> Tensor:
        probs = critic(torch.cat([obs, action], -1)).softmax(-1)
        return (probs * torch.tensor(self.atoms, dtype=torch.float64)).sum(-1)

    def critic_loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            action, log_prob = self.sample(batch.next_obs, noise["next_action"])
            q = torch.stack([self.q(target, batch.next_obs, action) for target in self.targets])  # [E, B]
            inputs = torch.cat([batch.next_obs, action], -1)
            projected = torch.zeros(len(q[0]), COUNT, dtype=torch.float64)
            for b, smallest in enumerate(q.argmin(0).tolist()):
                probs = self.targets[smallest](inputs[b : b + 1])[0].softmax(-1)
                for k, z in enumerate(self.atoms):
                    soft = z - float(self.log_alpha.exp() * log_prob[b])
                    moved = min(max(float(batch.reward[b] + batch.discount[b] * soft), LOW), HIGH)
                    place = (moved - LOW) / (self.atoms[1] - self.atoms[0])
                    lower = min(math.floor(place), COUNT - 2)
                    projected[b, lower] += probs[k] * (lower + 1 - place)
                    projected[b, lower + 1] += probs[k] * (place - lower)
        out = [critic.train()(torch.cat([batch.obs, batch.action], -1)) for critic in self.critics]
        return sum((nn.functional.cross_entropy(logits, projected) for logits in out), torch.zeros(()))


class PlainProjected(Plain):
    """AdamW with a cosine schedule, and weights scaled back to unit spheres after each step."""

    def critic_optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        options: Any = {"betas": OPTIMISER.betas, "eps": OPTIMISER.epsilon, "weight_decay": OPTIMISER.weight_decay}
        optimiser = torch.optim.AdamW(parameters, lr=3e-3, **options)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=4, eta_min=3e-4)
        return optimiser

    def after_step(self) -> None:
        self.schedule.step()
        for each in (each for critic in self.critics for each in critic if each.unit_norm):
            with torch.no_grad():
                if isinstance(each, nn.Linear):
                    each.weight /= each.weight.norm(dim=1, keepdim=True)  # torch has [out, in]
                    continue
                parameters = [p for p in (each.weight, getattr(each, "bias", None)) if p is not None]
                length = math.sqrt(sum(float(p.square().sum()) for p in parameters) / len(each.weight))
                for p in parameters:
                    p /= length


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
