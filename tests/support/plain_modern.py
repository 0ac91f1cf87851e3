"""REDQ, DroQ, TQC, CrossQ, XQC and FlashSAC as plain torch.nn programs for one member, written from the papers.

The networks are built here, layer by layer; from the library come initial values and the masks of dropout.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from cases import A, squash
from torch import Tensor, nn

from maxent.algorithms import Algorithm
from maxent.batch import Batch
from maxent.nn.layers import Dropout
from maxent.nn.network import Network
from maxent.nn.optimiser import State

F64 = torch.float64


class Masked(nn.Module):
    """Dropout whose key is set before each pass; without one it does nothing."""

    key: Tensor | None = None

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.mask = Dropout(rate)

    def forward(self, x: Tensor) -> Tensor:
        if self.key is None:
            return x
        return self.mask.forward({"draws": self.key.reshape(1, 1, 2)}, x[None], None)[0]


class Renorm(nn.BatchNorm1d):
    """1702.03275 algorithm 1, with statistics σ² + ε; before `warm` it is BatchNorm."""

    warm = False

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.warm):
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        mean, std = x.mean(0), (x.var(0, correction=0) + self.eps).sqrt()
        old_mean, old_std = self.running_mean.clone(), (self.running_var + self.eps).sqrt()
        r, d = (std / old_std).detach().clamp(1 / 3, 3), ((mean - old_mean) / old_std).detach().clamp(-5, 5)
        self.running_mean += self.momentum * (mean.detach() - old_mean)
        self.running_var += self.momentum * (x.var(0).detach() - self.running_var)
        return ((x - mean) / std * r + d) * self.weight + self.bias


class Block(nn.Module):
    """x + ReLU(BN(W₂ ReLU(BN(W₁ x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 4 * width
        self.f = nn.Sequential(
            unit(width, inner), norm(inner, 1e-5, on_sphere=True), nn.ReLU(),
            unit(inner, width), norm(width, 1e-5, on_sphere=True), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)


def marked(module: Any, *, on_sphere: bool) -> Any:
    module.on_sphere = on_sphere
    return module


def unit(inputs: int, outputs: int, *, bias: bool = False) -> Any:
    return marked(nn.Linear(inputs, outputs, bias=bias, dtype=F64), on_sphere=True)


def norm(size: int, epsilon: float, *, on_sphere: bool = False) -> Any:
    return marked(nn.BatchNorm1d(size, eps=epsilon, momentum=0.01, dtype=F64), on_sphere=on_sphere)


def linear(inputs: int, outputs: int) -> Any:
    return marked(nn.Linear(inputs, outputs, dtype=F64), on_sphere=False)


def plain(inputs: int, hidden: tuple[int, ...], outputs: int, *between: Any) -> nn.Sequential:
    """Linear, what is between, and ReLU for each size."""
    sizes, layers = (inputs, *hidden), []
    for i, units in enumerate(hidden):
        layers += [linear(sizes[i], units), *(make(units) for make in between), nn.ReLU()]
    return nn.Sequential(*layers, linear(sizes[-1], outputs))


def crossq(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    sizes = (inputs, *hidden)
    layers: list[Any] = [marked(Renorm(inputs, eps=1e-3, momentum=0.01, dtype=F64), on_sphere=False)]
    for i, units in enumerate(hidden):
        layers += [linear(sizes[i], units), nn.ReLU()]
        layers.append(marked(Renorm(units, eps=1e-3, momentum=0.01, dtype=F64), on_sphere=False))
    return nn.Sequential(*layers, linear(sizes[-1], outputs))


def xqc(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    sizes, layers = (inputs, *hidden), [norm(inputs, 1e-3)]
    layers[0].bias.requires_grad_(False)  # the next BatchNorm subtracts its effect
    for i, units in enumerate(hidden):
        layers += [unit(sizes[i], units), norm(units, 1e-3), nn.ReLU()]
    return nn.Sequential(*layers, unit(sizes[-1], outputs, bias=True))


def flash(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    width = hidden[0]
    rms = marked(nn.RMSNorm(width, eps=1e-6, dtype=F64), on_sphere=True)
    head = unit(width, outputs, bias=True)
    trunk = (norm(inputs, 1e-5, on_sphere=True), unit(inputs, width), *(Block(width) for _ in hidden), rms)
    return nn.Sequential(*trunk, head)


def named(module: nn.Module, *, gradients: bool = False) -> dict[str, Tensor]:
    """Return parameters, or their gradients, and running statistics under the names of a network."""
    found: dict[str, Tensor] = {}
    linears = norms = 0
    for each in module.modules():
        parts = {n: p.grad if gradients else p.data for n, p in each.named_parameters(recurse=False) if p.requires_grad}
        if isinstance(each, nn.Linear):
            names = {"weight": f"layer_{linears}.weight", "bias": f"layer_{linears}.bias"}
            linears += 1
        elif isinstance(each, nn.BatchNorm1d | nn.LayerNorm | nn.RMSNorm):
            names = {"weight": f"norm_{norms}.scale", "bias": f"norm_{norms}.shift"}
            if isinstance(each, nn.BatchNorm1d) and not gradients:
                found |= {f"norm_{norms}.mean": each.running_mean[None], f"norm_{norms}.var": each.running_var[None]}  # type: ignore[index]
            norms += 1
        else:
            continue
        found |= {names[n]: value.T if value.dim() == 2 else value[None] for n, value in parts.items()}
    return found


def load(module: nn.Module, network: Network, flat: Tensor, buffers: Tensor | None) -> None:
    alone = Network((), network.inputs, network.layers)
    views = {name: view[0] for name, view in alone.views(flat).items()}
    if buffers is not None:
        views |= {name: view[0] for name, view in alone.buffer_views(buffers).items()}
        for each in module.modules():
            if isinstance(each, Renorm):
                each.warm = bool(views["norm_0.passes"].max() >= 100_000)
    own = named(module)
    assert set(own) == {name for name in views if not name.endswith("passes")}
    for name, value in own.items():
        value.copy_(views[name].reshape(value.shape))


class PlainSAC:
    """2018b algorithm 1 with delays; subclasses have the papers' changes."""

    clip = (-20.0, 2.0)
    betas = (0.9, 0.999)
    target_entropy = -float(A)
    targets: list[nn.Sequential]

    def __init__(self, algorithm: Algorithm, state: State, member: int) -> None:
        self.config: Any = algorithm.config  # type: ignore[attr-defined]
        networks = algorithm.networks

        def loaded(made: nn.Sequential, name: str, *group: int) -> nn.Sequential:
            buffers = state.get(f"{name}.buffers")
            load(made, networks[name], state[name][group], None if buffers is None else buffers[group])
            return made.eval()

        actor, critic = networks["actor"], networks["critic"]
        each = range(self.config.critics)
        self.actor = loaded(self.make_actor(actor.inputs), "actor", member)
        self.critics = [loaded(self.make_critic(critic.inputs), "critic", member, e) for e in each]
        self.targets = []
        if "target_critic" in networks:
            self.targets = [loaded(self.make_critic(critic.inputs), "target_critic", member, e) for e in each]
        self.log_alpha = state["log_alpha"][member, 0].clone().requires_grad_()
        groups = [self.actor.parameters(), [p for c in self.critics for p in c.parameters()], [self.log_alpha]]
        rate = self.config.learning_rate
        made = []
        for i, group in enumerate(groups):
            own = [p for p in group if p.requires_grad]
            made.append(torch.optim.Adam(own, lr=rate, betas=self.betas if i < 2 else (0.9, 0.999)))
        self.of_actor, self.of_critics, self.of_alpha = made
        self.schedules = {each: self.schedule(each) for each in made}
        self.critic_gradients: list[dict[str, Tensor]] = []

    def make_actor(self, inputs: int) -> nn.Sequential:
        return plain(inputs, self.config.hidden, 2 * A)

    def make_critic(self, inputs: int) -> nn.Sequential:
        return plain(inputs, self.config.hidden, 1)

    def schedule(self, optimiser: torch.optim.Optimizer) -> Any:
        return None

    def policy(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(obs).chunk(2, -1)
        return mean, log_std.clamp(*self.clip)

    def sample(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self.sample_of(*self.policy(obs), noise)

    @staticmethod
    def sample_of(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        u = mean + log_std.exp() * noise
        return torch.tanh(u), squash(u, mean, log_std)

    def outputs(self, critics: list[nn.Sequential], obs: Tensor, action: Tensor, key: Tensor | None = None) -> Tensor:
        """[E, B, out]"""
        return torch.stack([critic(torch.cat([obs, action], -1)) for critic in critics])

    def step(self, optimiser: torch.optim.Optimizer, loss: Tensor, *networks: nn.Module) -> None:
        own = [p for group in optimiser.param_groups for p in group["params"]]
        optimiser.zero_grad()
        loss.backward(inputs=own)
        optimiser.step()
        if self.schedules[optimiser] is not None:
            self.schedules[optimiser].step()
        with torch.no_grad():
            for module in (m for network in networks for m in network.modules() if getattr(m, "on_sphere", False)):
                if isinstance(module, nn.Linear):
                    module.weight /= module.weight.norm(dim=1, keepdim=True)
                    continue
                parameters = list(module.parameters())
                length = math.sqrt(sum(float(p.square().sum()) for p in parameters) / len(parameters[0]))
                for p in parameters:
                    p /= length

    def soft_value(self, batch: Batch, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        action, log_prob = self.sample(batch.next_obs, noise["next_action"])
        out = self.outputs(self.targets, batch.next_obs, action, noise.get("critic_target"))
        return out, self.log_alpha.exp() * log_prob, action

    def target_of(self, q: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        return q.amin(0)

    def critic_loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            out, penalty, _ = self.soft_value(batch, noise)
            y = batch.reward + batch.discount * (self.target_of(out[..., 0], noise) - penalty)
        q = self.outputs(self.critics, batch.obs, batch.action, noise.get("critic_loss"))[..., 0]
        return 0.5 * (q - y).square().mean(-1).sum()

    def actor_value(self, out: Tensor) -> Tensor:
        return out[..., 0].amin(0)

    def critics_step(self, batch: Batch, noise: Mapping[str, Tensor]) -> None:
        for critic in self.critics:
            critic.train()
        self.step(self.of_critics, self.critic_loss(batch, noise), *self.critics)
        for critic in self.critics:
            critic.eval()
        self.critic_gradients = [named(critic, gradients=True) for critic in self.critics]

    def train_actor(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.policy(batch.obs)

    def alpha_loss(self, gap: Tensor) -> Tensor:
        return -self.log_alpha * gap

    def actor_step(self, batch: Batch, noise: Mapping[str, Tensor]) -> None:
        self.actor.train()
        action, log_prob = self.sample_of(*self.train_actor(batch), noise["action"])
        out = self.outputs(self.critics, batch.obs, action, noise.get("critic_actor"))
        loss = (self.log_alpha.exp().detach() * log_prob - self.actor_value(out)).mean()
        self.step(self.of_actor, loss, self.actor)
        self.actor.eval()
        self.step(self.of_alpha, self.alpha_loss((log_prob.detach() + self.target_entropy).mean()))

    def update(self, batch: Batch, noise: Mapping[str, Tensor], number: int) -> None:
        self.critics_step(batch, noise)
        if number % self.config.policy_delay == 0:
            self.actor_step(batch, noise)
        self.move_targets(number)

    def move_targets(self, number: int) -> None:
        if not self.targets or number % self.config.target_delay:
            return
        for target, critic in zip(self.targets, self.critics, strict=True):
            for old, new in zip(target.parameters(), critic.parameters(), strict=True):
                old.data = (1 - self.config.tau) * old.data + self.config.tau * new.data
