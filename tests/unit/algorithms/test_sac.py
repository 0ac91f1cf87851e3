"""SAC against a plain implementation with torch.nn; acting, and settings.

Tests that compare numbers run in float64, where an error in the equations cannot hide in rounding.
"""

import math
from itertools import chain

import pytest
import torch
from flat import flatten
from small_sac import HIDDEN, OBS, A, B, data, fresh, make, of_member, train
from torch import Tensor, nn

from maxent import UserError
from maxent.algorithms.base import Noise
from maxent.algorithms.parts import TD_ERROR
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import LearnedAlpha
from maxent.batch import Batch
from maxent.nn.network import Network
from maxent.nn.optimiser import State

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

    def target(self, batch: Batch, noise: Noise) -> Tensor:
        """Return y [B]."""
        with torch.no_grad():
            next_action, next_log_prob = self.sample(batch.next_obs, noise["next_action"])
            next_q = torch.stack([q_value(target, batch.next_obs, next_action) for target in self.targets])
            return batch.reward + batch.discount * (next_q.min(0).values - self.log_alpha.exp() * next_log_prob)

    def errors(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return Q_i(s, a) [E, B] and y [B]."""
        with torch.no_grad():
            q = torch.stack([q_value(critic, batch.obs, batch.action) for critic in self.critics])
        return q, self.target(batch, noise)

    def update(self, batch: Batch, noise: Noise, number: int) -> None:
        """Everything [B, …]: the batch of this member alone."""
        alpha, y = self.log_alpha.exp().detach(), self.target(batch, noise)
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
    (metrics,) = train(algorithm, state, updates)
    for member, peer in enumerate(plain):
        q, y = peer.errors(*of_member(*updates[0], member))  # [E, B], [B]; before the update
        error = torch.stack([(each - y).abs() for each in q]).mean(0)
        assert ((q - y) < 0).any()
        torch.testing.assert_close(metrics[TD_ERROR][member], error, atol=1e-10, rtol=0.0)
        torch.testing.assert_close(metrics["train/q_mean"][member], q.mean(), atol=1e-10, rtol=0.0)
        loss = 0.5 * ((q - y) ** 2).mean(1).sum()
        torch.testing.assert_close(metrics["train/critic_loss"][member], loss, atol=1e-10, rtol=0.0)
        peer.update(*of_member(*updates[0], member), 1)
        gradients = [flat_parameters(algorithm.networks["critic"], q, gradient=True) for q in peer.critics]
        torch.testing.assert_close(state["critic.adam_m"][member], 0.1 * torch.stack(gradients), atol=1e-10, rtol=0.0)
        gradient = flat_parameters(algorithm.networks["actor"], peer.actor, gradient=True)
        torch.testing.assert_close(state["actor.adam_m"][member], 0.1 * gradient, atol=1e-10, rtol=0.0)


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
def test_invalid_settings_raise(setting: str, value: object) -> None:
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
