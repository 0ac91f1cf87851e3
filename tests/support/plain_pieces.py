"""SAC with pieces of modern actor-critics as plain torch.nn programs for one member, copied from a state.

A program has the layers, losses and optimisers of torch alone; from the library it takes initial values.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from cases import squash
from modern import COUNT, HIGH, LOW, OPTIMISER
from torch import Tensor, nn

from maxent.algorithms import Algorithm
from maxent.batch import Batch
from maxent.nn.layers import BatchNorm, LayerNorm, Linear, ReLU, RMSNorm
from maxent.nn.network import Network
from maxent.nn.optimiser import State


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
