"""One update of SAC, looked at from all sides: against a plain implementation with torch.nn, and property by property.

Tests that compare numbers run in float64, where an error in the equations cannot hide in rounding.
"""

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
import torch
from flat import flatten
from gymnasium.spaces import Box
from torch import Tensor, nn

from maxent import UserError, objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.parts import TD_ERROR
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import LearnedAlpha
from maxent.batch import Batch
from maxent.nn.network import Network
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout

OBS, A, B = 3, 2, 16
HIDDEN = (12, 10)
UPDATES = 50


def make(config: SACConfig, members: int = 2) -> SoftActorCritic:
    return SoftActorCritic(
        config, members, ObservationLayout.vector(OBS), ActionLayout.from_space(Box(-1.0, 1.0, (A,), np.float32))
    )


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def double(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


def clone(state: State) -> State:
    return {name: tensor.clone() for name, tensor in state.items()}


def member_data(seed: int, updates: int, dtype: torch.dtype = torch.float64) -> list[tuple[Batch, Noise]]:
    """Batches and noise for the updates of one member, P = 1."""
    (generator,) = generators([seed])

    def normal(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=generator, dtype=torch.float64).to(dtype)

    return [
        (
            Batch(
                obs=normal(B, OBS),
                action=torch.tanh(normal(B, A)),
                reward=normal(B),
                discount=0.9 * (normal(B) < 1.0),  # about one in six terminates
                next_obs=normal(B, OBS),
            ),
            {"next_action": normal(B, A), "action": normal(B, A)},
        )
        for _ in range(updates)
    ]


def together(members: Sequence[list[tuple[Batch, Noise]]]) -> list[tuple[Batch, Noise]]:
    """The data of several members as one list with P = len(members)."""
    joined = []
    for updates in zip(*members, strict=True):
        batch = Batch(*(torch.cat(parts) for parts in zip(*(batch[:5] for batch, _ in updates), strict=True)))
        noise = {name: torch.cat([noise[name] for _, noise in updates]) for name in updates[0][1]}
        joined.append((batch, noise))
    return joined


def data(members: int, updates: int, dtype: torch.dtype = torch.float64) -> list[tuple[Batch, Noise]]:
    return together([member_data(100 + p, updates, dtype) for p in range(members)])


def train(algorithm: SoftActorCritic, state: State, updates: list[tuple[Batch, Noise]]) -> list[dict[str, Tensor]]:
    """The updates as the engine makes them: numbered from 1, without gradient tracking."""
    metrics = []
    with torch.no_grad():
        for number, (batch, noise) in enumerate(updates, start=1):
            policy, target = algorithm.due(number)
            metrics.append(algorithm.update(state, batch, noise, policy=policy, target=target))
    return metrics


def fresh(config: SACConfig, members: int = 2) -> tuple[SoftActorCritic, State]:
    """An algorithm with a state in float64 whose targets differ from its critics, as they do in a run."""
    algorithm = make(config, members)
    state = double(algorithm.init(generators(range(members))))
    (generator,) = generators([99])
    targets = algorithm.networks["target_critic"].views(state["target_critic"])
    for view in targets.values():
        view += 0.1 * torch.randn(view.shape, generator=generator, dtype=torch.float64)
    return algorithm, state


# ---------------------------------------------------------------------------- a plain implementation to compare with


class PlainSAC:
    """2018b algorithm 1 for one member, with torch.nn, torch.optim and torch.distributions, copied from a state."""

    def __init__(self, algorithm: SoftActorCritic, state: State, member: int, config: SACConfig) -> None:
        self.config = config
        self.actor = modules(algorithm.networks["actor"], state["actor"][member])
        self.critics = [
            modules(algorithm.networks["critic"], state["critic"][member, e]) for e in range(config.critics)
        ]
        self.targets = [
            modules(algorithm.networks["critic"], state["target_critic"][member, e]) for e in range(config.critics)
        ]
        self.log_alpha = nn.Parameter(state["log_alpha"][member, 0].clone())
        rate = config.learning_rate
        self.critic_parameters = list(chain.from_iterable(critic.parameters() for critic in self.critics))
        self.critic_optimiser = torch.optim.Adam(self.critic_parameters, lr=config.critic_learning_rate or rate)
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), lr=config.actor_learning_rate or rate)
        self.alpha_optimiser = torch.optim.Adam(
            [self.log_alpha], lr=getattr(config.alpha, "learning_rate", None) or rate
        )

    def sample(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(obs).chunk(2, -1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
        squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
        action = torch.tanh(mean + normal.stddev * noise)
        return action, squashed.log_prob(action).sum(-1)

    def update(self, batch: Batch, noise: Noise, number: int) -> None:
        """Everything [B, …]: the batch of this member alone."""
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            next_action, next_log_prob = self.sample(batch.next_obs, noise["next_action"])
            next_q = torch.stack([q_value(target, batch.next_obs, next_action) for target in self.targets])
            y = batch.reward + batch.discount * (next_q.min(0).values - alpha * next_log_prob)
        # eq. 5, for each critic
        errors = [q_value(critic, batch.obs, batch.action) - y for critic in self.critics]
        self.critic_optimiser.zero_grad()
        sum(0.5 * (error**2).mean() for error in errors).backward()
        self.critic_optimiser.step()
        if number % self.config.policy_delay == 0:
            action, log_prob = self.sample(batch.obs, noise["action"])
            q = torch.stack([q_value(critic, batch.obs, action) for critic in self.critics]).min(0).values
            self.actor_optimiser.zero_grad()
            (alpha * log_prob - q).mean().backward(inputs=list(self.actor.parameters()))  # eq. 9
            self.actor_optimiser.step()
            if isinstance(self.config.alpha, LearnedAlpha):
                self.alpha_optimiser.zero_grad()
                (-self.log_alpha * (log_prob.detach() - A)).mean().backward()  # eq. 18 with H̄ = −A, log α for α
                self.alpha_optimiser.step()
        if number % self.config.target_delay == 0:
            for target, critic in zip(self.targets, self.critics, strict=True):
                for old, new in zip(target.parameters(), critic.parameters(), strict=True):
                    old.data = (1 - self.config.tau) * old.data + self.config.tau * new.data


def of_one_group(network: Network) -> Network:
    return Network((), network.inputs, network.layers)


def modules(network: Network, flat: Tensor) -> nn.Sequential:
    """The layers of one group [n] as torch.nn modules, whose weights are [out, in]."""
    alone = of_one_group(network)
    views, layer_norm = alone.views(flat), "norm_0.scale" in alone.shapes
    layers: list[nn.Module] = []
    weights = [shape for name, shape in alone.shapes.items() if name.endswith(".weight")]
    count = len(weights)
    for i, (rows, columns) in enumerate(weights):
        linear = nn.Linear(rows, columns, dtype=torch.float64)
        linear.weight.data = views[f"layer_{i}.weight"][0].T.clone()
        linear.bias.data = views[f"layer_{i}.bias"][0, 0].clone()
        layers.append(linear)
        if i < count - 1:
            if layer_norm:
                norm = nn.LayerNorm(columns, dtype=torch.float64)
                norm.weight.data = views[f"norm_{i}.scale"][0, 0].clone()
                norm.bias.data = views[f"norm_{i}.shift"][0, 0].clone()
                layers.append(norm)
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def q_value(critic: nn.Sequential, obs: Tensor, action: Tensor) -> Tensor:
    return critic(torch.cat([obs, action], -1)).squeeze(-1)


def flat_parameters(network: Network, sequential: nn.Sequential, *, gradient: bool = False) -> Tensor:
    """The inverse of `modules`, for parameters or their gradients → [n]."""
    linears = [module for module in sequential if isinstance(module, nn.Linear)]
    norms = [module for module in sequential if isinstance(module, nn.LayerNorm)]

    def part(parameter: nn.Parameter) -> Tensor:
        value = parameter.grad if gradient else parameter.data
        return (value.T if value.dim() == 2 else value).reshape(1, -1, 1)

    views = {f"layer_{i}.weight": part(linear.weight) for i, linear in enumerate(linears)}
    views |= {f"layer_{i}.bias": part(linear.bias) for i, linear in enumerate(linears)}
    views |= {f"norm_{i}.scale": part(norm.weight) for i, norm in enumerate(norms)}
    views |= {f"norm_{i}.shift": part(norm.bias) for i, norm in enumerate(norms)}
    return flatten(of_one_group(network), views)


def of_member(batch: Batch, noise: Noise, member: int) -> tuple[Batch, Noise]:
    return Batch(*(part[member] for part in batch[:5])), {name: part[member] for name, part in noise.items()}


PLAIN_CONFIGS = {
    "defaults": SACConfig(hidden=HIDDEN),
    "fixed alpha": SACConfig(hidden=HIDDEN, alpha=0.3),
    "delays": SACConfig(hidden=HIDDEN, policy_delay=2, target_delay=3),
    "layer norm, three critics": SACConfig(hidden=HIDDEN, layer_norm=True, critics=3),
    "own rates, one critic": SACConfig(
        hidden=HIDDEN,
        critics=1,
        actor_learning_rate=1e-3,
        critic_learning_rate=2e-3,
        tau=0.1,
        alpha=LearnedAlpha(learning_rate=1e-2),
    ),
}


@pytest.mark.parametrize("config", PLAIN_CONFIGS.values(), ids=PLAIN_CONFIGS.keys())
def test_six_updates_equal_a_plain_implementation(config: SACConfig) -> None:
    algorithm, state = fresh(config)
    plain = [PlainSAC(algorithm, state, member, config) for member in range(2)]
    updates = data(members=2, updates=6)
    train(algorithm, state, updates)
    for member, peer in enumerate(plain):
        for number, (batch, noise) in enumerate(updates, start=1):
            peer.update(*of_member(batch, noise, member), number)
        expected = {
            "actor": flat_parameters(algorithm.networks["actor"], peer.actor),
            "critic": torch.stack([flat_parameters(algorithm.networks["critic"], q) for q in peer.critics]),
            "target_critic": torch.stack([flat_parameters(algorithm.networks["critic"], q) for q in peer.targets]),
            "log_alpha": peer.log_alpha.data.reshape(1),
        }
        for name, tensor in expected.items():
            # torch's tanh transform finds u again by atanh, which costs some of the sixteen digits
            torch.testing.assert_close(state[name][member], tensor, atol=1e-9, rtol=0.0)


def test_the_critics_gradient_is_that_of_equation_5() -> None:
    """Adam hides the size of a gradient; after the first update, its first moment is (1 − 0.9) times the gradient."""
    config = SACConfig(hidden=HIDDEN)
    algorithm, state = fresh(config)
    plain = [PlainSAC(algorithm, state, member, config) for member in range(2)]
    updates = data(members=2, updates=1)
    train(algorithm, state, updates)
    for member, peer in enumerate(plain):
        peer.update(*of_member(*updates[0], member), 1)
        gradients = [flat_parameters(algorithm.networks["critic"], q, gradient=True) for q in peer.critics]
        torch.testing.assert_close(state["critic.adam_m"][member], 0.1 * torch.stack(gradients), atol=1e-10, rtol=0.0)
        gradient = flat_parameters(algorithm.networks["actor"], peer.actor, gradient=True)
        torch.testing.assert_close(state["actor.adam_m"][member], 0.1 * gradient, atol=1e-10, rtol=0.0)


# ------------------------------------------------------------------------------------------- what an update may change


def test_targets_move_by_exactly_tau_and_only_when_told() -> None:
    """No gradient reaches the targets: θ̄ changes by τ (θ − θ̄) with the new θ, and not at all without `target`."""
    algorithm, state = fresh(SACConfig(hidden=HIDDEN, tau=0.25))
    (batch, noise), old = data(2, 1)[0], state["target_critic"].clone()
    with torch.no_grad():
        algorithm.update(state, batch, noise, policy=True, target=False)
        assert torch.equal(state["target_critic"], old)
        algorithm.update(state, batch, noise, policy=True, target=True)
    torch.testing.assert_close(state["target_critic"] - old, 0.25 * (state["critic"] - old), atol=1e-15, rtol=0.0)
    assert not torch.equal(state["target_critic"], old)


def test_the_actors_step_leaves_critics_and_targets_alone() -> None:
    """An update with the actor's step and one without it end with bitwise the same critics, moments and targets."""
    algorithm, state = fresh(SACConfig(hidden=HIDDEN))
    other = clone(state)
    batch, noise = data(2, 1)[0]
    with torch.no_grad():
        algorithm.update(state, batch, noise, policy=True, target=True)
        algorithm.update(other, batch, noise, policy=False, target=True)
    for name in ("critic", "critic.adam_m", "critic.adam_v", "target_critic"):
        assert torch.equal(state[name], other[name])
    assert not torch.equal(state["actor"], other["actor"])


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_every_learnable_tensor_moves_and_updates_are_counted(layer_norm: bool) -> None:
    algorithm = make(SACConfig(hidden=HIDDEN, layer_norm=layer_norm))
    state = algorithm.init(generators([0, 1]))
    before = clone(state)
    train(algorithm, state, data(2, 3, torch.float32))
    for name in ("actor", "critic", "target_critic"):
        network = algorithm.networks[name]
        old, new = network.views(before[name]), network.views(state[name])
        for layer, view in new.items():
            assert bool((view != old[layer]).flatten(1).any(1).all()), f"{name}/{layer} of some group did not move"
    assert bool((state["log_alpha"] != before["log_alpha"]).all())
    assert state["critic.adam_steps"].item() == 3
    assert state["actor.adam_steps"].item() == 3
    assert not any(tensor.requires_grad for tensor in state.values())


def test_delays_count_and_skip() -> None:
    """Of updates 1 to 7: the policy moves at 3 and 6, the targets at 2, 4 and 6."""
    config = SACConfig(hidden=HIDDEN, policy_delay=3, target_delay=2)
    algorithm, state = fresh(config)
    assert [algorithm.due(update) for update in range(1, 8)] == [
        (False, False), (False, True), (True, False), (False, True), (False, False), (True, True), (False, False),
    ]  # fmt: skip
    seen = []
    for number, (batch, noise) in enumerate(data(2, 7), start=1):
        before = clone(state)
        policy, target = algorithm.due(number)
        with torch.no_grad():
            metrics = algorithm.update(state, batch, noise, policy=policy, target=target)
        learned = ("actor", "log_alpha", "critic", "target_critic")
        seen.append({name for name in learned if not torch.equal(state[name], before[name])})
        assert ("train/actor_loss" in metrics) == policy
    assert seen == [
        {"critic"},
        {"critic", "target_critic"},
        {"critic", "actor", "log_alpha"},
        {"critic", "target_critic"},
        {"critic"},
        {"critic", "target_critic", "actor", "log_alpha"},
        {"critic"},
    ]
    assert state["critic.adam_steps"].item() == 7
    assert state["actor.adam_steps"].item() == 2


# ------------------------------------------------------------------------------------------------------------------ α


def actor_log_prob(algorithm: SoftActorCritic, state: State, batch: Batch, noise: Noise) -> Tensor:
    """log π of the actor as it stands, at the actions that its loss looks at. [P, B]"""
    return algorithm.actor(state, batch.obs).sample(noise["action"])[1]


def test_alphas_gradient_is_that_of_its_loss() -> None:
    algorithm, state = fresh(SACConfig(hidden=HIDDEN))
    batch, noise = data(2, 1)[0]
    log_alpha = state["log_alpha"].clone().requires_grad_()
    log_prob = actor_log_prob(algorithm, state, batch, noise)
    loss = objectives.alpha_loss(log_alpha, log_prob, target_entropy=-float(A))
    loss.sum().backward()
    (metrics,) = train(algorithm, state, [(batch, noise)])
    torch.testing.assert_close(state["log_alpha.adam_m"], 0.1 * log_alpha.grad, atol=1e-14, rtol=0.0)
    torch.testing.assert_close(metrics["train/ent_coef_loss"], loss.detach(), atol=1e-14, rtol=0.0)
    torch.testing.assert_close(metrics["train/entropy"], -log_prob.mean(-1), atol=1e-14, rtol=0.0)
    assert metrics["train/target_entropy"].tolist() == [-2.0, -2.0]
    assert metrics["train/ent_coef"].tolist() == [1.0, 1.0]  # α before the step: its initial value


@pytest.mark.parametrize(("target_entropy", "sign"), [(10.0, 1.0), (-1000.0, -1.0)])
def test_alpha_rises_where_entropy_is_below_its_target(target_entropy: float, sign: float) -> None:
    """No policy on (−1, 1)² has more entropy than 2 log 2 < 10; and log σ > −20 keeps it above −1000."""
    algorithm, state = fresh(
        SACConfig(hidden=HIDDEN, alpha=LearnedAlpha(target_entropy=target_entropy, learning_rate=0.01))
    )
    train(algorithm, state, data(2, 5))
    # five steps of Adam with a gradient of one sign: 5 · 0.01, a little less as its size changes
    assert bool((state["log_alpha"] * sign > 0.04).all())


@pytest.mark.parametrize("alpha", [0.0, 0.2, 3])
def test_a_fixed_alpha_stays(alpha: float) -> None:
    algorithm, state = fresh(SACConfig(hidden=HIDDEN, alpha=alpha))
    metrics = train(algorithm, state, data(2, 3))
    expected = torch.full((2, 1), -math.inf if alpha == 0 else math.log(alpha))
    torch.testing.assert_close(state["log_alpha"], expected.double(), atol=1e-7, rtol=0.0)
    assert all("train/ent_coef_loss" not in each for each in metrics)
    assert all(bool(torch.isfinite(state[name]).all()) for name in ("actor", "critic"))
    torch.testing.assert_close(metrics[-1]["train/ent_coef"], torch.full((2,), float(alpha)).double())


def test_alpha_starts_at_its_initial_value() -> None:
    state = make(SACConfig(hidden=HIDDEN, alpha=LearnedAlpha(initial=0.1))).init(generators([0, 1]))
    assert state["log_alpha"].exp().tolist() == [[pytest.approx(0.1)], [pytest.approx(0.1)]]


# ---------------------------------------------------------------------------------------------------- gradient clipping


def test_gradients_are_clipped_by_the_norm_of_each_member() -> None:
    """Member 0's rewards are a million times larger, so only its critic's gradient is cut to the given norm."""
    (batch, noise), limit = data(2, 1)[0], 100.0
    batch = batch._replace(reward=batch.reward * torch.tensor([[1e6], [1.0]], dtype=torch.float64))
    norms = []
    for max_grad_norm in (None, limit):
        algorithm, state = fresh(SACConfig(hidden=HIDDEN, max_grad_norm=max_grad_norm))
        train(algorithm, state, [(batch, noise)])
        norms.append(state["critic.adam_m"].flatten(1).norm(dim=1) / 0.1)  # of the gradient, over both critics
    raw, clipped = norms
    assert raw[0] > 10 * limit
    assert raw[1] < limit
    torch.testing.assert_close(clipped[0].item(), limit, atol=1e-9, rtol=0.0)
    assert clipped[1] == raw[1]


# -------------------------------------------------------------------------------------------------------------- members


@pytest.mark.parametrize(
    "config",
    [SACConfig(hidden=HIDDEN), SACConfig(hidden=HIDDEN, layer_norm=True, max_grad_norm=0.5, policy_delay=2)],
    ids=["defaults", "options"],
)
def test_members_together_equal_each_alone(config: SACConfig) -> None:
    """P members in one update equal P updates of one, after 50 updates in float32."""
    P = 3
    own = [member_data(200 + p, UPDATES, torch.float32) for p in range(P)]
    population = make(config, P)
    state = population.init(generators(range(P)))
    train(population, state, together(own))
    start = population.init(generators(range(P)))
    for p in range(P):
        solo = make(config, 1)
        alone = solo.init(generators([p]))
        train(solo, alone, own[p])
        for name in ("actor", "critic", "target_critic", "log_alpha"):
            # A tenth of one of Adam's steps of 3e-4 for rounding; parameters have moved by several steps, targets too.
            torch.testing.assert_close(state[name][p : p + 1], alone[name], atol=3e-5, rtol=0.0)
            assert (state[name][p] - start[name][p]).abs().max() > 10 * 3e-5


def test_a_member_does_not_notice_what_the_others_learn_from() -> None:
    """Bitwise: member 1 sees other data, with rewards a thousand times larger, and member 0 stays as it was."""
    algorithm = make(SACConfig(hidden=HIDDEN, max_grad_norm=1.0))
    zero, one, other = (member_data(seed, 10, torch.float32) for seed in (1, 2, 3))
    other = [(batch._replace(reward=1000.0 * batch.reward), noise) for batch, noise in other]
    states = []
    for second in (one, other):
        state = algorithm.init(generators([0, 1]))
        train(algorithm, state, together([zero, second]))
        states.append(state)
    for name in ("actor", "critic", "target_critic", "log_alpha"):
        for moments in ("", ".adam_m", ".adam_v") if name != "target_critic" else ("",):
            first, second = (state[name + moments] for state in states)
            assert torch.equal(first[0], second[0])
            assert not torch.equal(first[1], second[1])


# --------------------------------------------------------------------------------------------------------------- acting


def test_acting_samples_the_policy_and_mode_is_its_centre() -> None:
    algorithm, state = fresh(SACConfig(hidden=HIDDEN))
    obs = torch.randn(2, 7, OBS, dtype=torch.float64)  # [P, N, OBS]
    noise = torch.randn(2, 7, A, dtype=torch.float64)
    with torch.no_grad():
        for member in range(2):
            network = modules(algorithm.networks["actor"], state["actor"][member])
            mean, log_std = network(obs[member]).chunk(2, -1)
            action = algorithm.act(state, obs, noise, 0)[member]
            torch.testing.assert_close(action, torch.tanh(mean + log_std.exp() * noise[member]), atol=1e-12, rtol=0.0)
            torch.testing.assert_close(algorithm.mode(state, obs)[member], torch.tanh(mean), atol=1e-12, rtol=0.0)
        # acting needs the policy's tensors and no others
        policy = {name: state[name] for name in algorithm.policy_tensors}
        assert torch.equal(algorithm.act(policy, obs, noise, 0), algorithm.act(state, obs, noise, 0))


def test_update_noise_names_what_update_reads() -> None:
    algorithm, state = fresh(SACConfig(hidden=HIDDEN))
    assert algorithm.update_noise(B) == {"next_action": (B, A), "action": (B, A)}
    (metrics,) = train(algorithm, state, data(2, 1))
    assert metrics.pop(TD_ERROR).shape == (2, B)
    assert set(metrics) == set(algorithm.metrics)
    assert all(value.shape == (2,) for value in metrics.values())


# ------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gamma", -0.1), ("gamma", 1.1), ("gamma", math.nan),
        ("learning_rate", 0.0), ("learning_rate", -1e-3), ("learning_rate", math.nan),
        ("hidden", (256, 0)),
        ("reward_scale", 0.0), ("reward_scale", math.nan),
        ("max_grad_norm", 0.0),
        ("tau", 0.0), ("tau", 1.5),
        ("actor_learning_rate", 0.0), ("critic_learning_rate", -1.0),
        ("alpha", -0.1), ("alpha", "auto_0.1"), ("alpha", math.inf), ("alpha", True),
        ("critics", 0), ("critics", 2.5), ("policy_delay", 0), ("target_delay", 0),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"^{setting}: expected .*, got ") as caught:
        SACConfig(**{setting: value})
    assert repr(value) in str(caught.value)


def test_settings_at_their_limits_are_taken() -> None:
    config = SACConfig(
        gamma=0.0, tau=1.0, max_grad_norm=1e-9, alpha=LearnedAlpha(target_entropy=0.0), reward_scale=-1.0
    )
    assert make(config).target_entropy == 0.0  # and not the default
    assert make(SACConfig(gamma=1.0, alpha=0.0)).target_entropy == -A
    config = SACConfig(learning_rate=1.0, critic_learning_rate=2.0)
    assert (config.actor_rate, config.critic_rate, make(config).alpha.optimiser.step_size) == (1.0, 2.0, 1.0)
