"""The six programs of `plain_modern`: what each paper changes in SAC."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from cases import A
from plain_modern import F64, Masked, PlainSAC, crossq, flash, plain, xqc
from torch import Tensor, nn

from maxent.batch import Batch


class PlainREDQ(PlainSAC):
    """2101.05982 algorithm 1; the two critics of the largest draws make the target."""

    def target_of(self, q: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        drawn = sorted(range(len(q)), key=lambda e: -noise["subset"][e].item())[: self.config.subset]
        return q[drawn].amin(0)

    def actor_value(self, out: Tensor) -> Tensor:
        return out[..., 0].mean(0)


class PlainDroQ(PlainSAC):
    """2110.02034 algorithm 2."""

    def make_critic(self, inputs: int) -> nn.Sequential:
        dropout, norm = (lambda _: Masked(self.config.dropout)), (lambda n: nn.LayerNorm(n, dtype=F64))
        return plain(inputs, self.config.hidden, 1, dropout, norm)

    def outputs(self, critics: list[nn.Sequential], obs: Tensor, action: Tensor, key: Tensor | None = None) -> Tensor:
        assert key is not None
        for critic, own in zip(critics, key.reshape(len(critics), -1), strict=True):
            masks = [m for m in critic.modules() if isinstance(m, Masked)]
            for mask, part in zip(masks, own.reshape(len(masks), -1), strict=True):
                mask.key = part
        return super().outputs(critics, obs, action)

    def actor_value(self, out: Tensor) -> Tensor:
        return out[..., 0].mean(0)


class PlainTQC(PlainSAC):
    """2005.04269 algorithm 1."""

    def make_critic(self, inputs: int) -> nn.Sequential:
        return plain(inputs, self.config.hidden, self.config.quantiles)

    def critic_loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            out, penalty, _ = self.soft_value(batch, noise)  # [E, B, M]
            keep = (self.config.quantiles - self.config.drop) * len(out)
            kept = torch.cat(list(out), -1).sort(-1).values[:, :keep]
            y = batch.reward[:, None] + batch.discount[:, None] * (kept - penalty[:, None])
        total = torch.zeros((), dtype=F64)
        for z in self.outputs(self.critics, batch.obs, batch.action):
            for m in range(self.config.quantiles):
                u = y - z[:, m : m + 1]
                level = (2 * m + 1) / (2 * self.config.quantiles)
                tilt = (level - (u < 0).double()).abs()
                huber = nn.functional.huber_loss(z[:, m : m + 1].expand_as(y), y, reduction="none", delta=1.0)
                total = total + (tilt * huber).mean() / self.config.quantiles
        return total

    def actor_value(self, out: Tensor) -> Tensor:
        return out.mean((0, -1))


class PlainCrossQ(PlainSAC):
    """1902.05605v4 algorithm 1."""

    betas = (0.5, 0.999)

    def make_actor(self, inputs: int) -> nn.Sequential:
        return crossq(inputs, self.config.hidden, 2 * A)

    def make_critic(self, inputs: int) -> nn.Sequential:
        return crossq(inputs, self.config.critic_hidden or self.config.hidden, 1)

    def critic_loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            action, log_prob = self.sample(batch.next_obs, noise["next_action"])
        obs, actions = torch.cat([batch.obs, batch.next_obs]), torch.cat([batch.action, action])
        q, following = self.outputs(self.critics, obs, actions)[..., 0].chunk(2, -1)
        soft = following.detach().amin(0) - self.log_alpha.exp().detach() * log_prob
        return 0.5 * (q - (batch.reward + batch.discount * soft)).square().mean(-1).sum()


class PlainCategorical(PlainSAC):
    """Critics over atoms and joint batches, the target by C51's pseudocode (1707.06887 algorithm 1)."""

    clip = (-10.0, 2.0)

    @property
    def atoms(self) -> Tensor:
        return torch.linspace(-self.config.value_bound, self.config.value_bound, self.config.atoms, dtype=F64)

    def actor_value(self, out: Tensor) -> Tensor:
        return (out.softmax(-1) * self.atoms).sum(-1).amin(0)

    def alpha_loss(self, gap: Tensor) -> Tensor:
        return -self.log_alpha.exp() * gap

    def critic_loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> Tensor:
        rows, bound = len(batch.obs), self.config.value_bound
        with torch.no_grad():
            action, log_prob = self.sample(batch.next_obs, noise["next_action"])
            obs, actions = torch.cat([batch.obs, batch.next_obs]), torch.cat([batch.action, action])
            for target in self.targets:
                target.train()
            probs = self.outputs(self.targets, obs, actions)[:, rows:].softmax(-1)
            smallest = (probs * self.atoms).sum(-1).argmin(0)
            y, spacing = torch.zeros(rows, self.config.atoms, dtype=F64), 2 * bound / (self.config.atoms - 1)
            for b in range(rows):
                for j, z in enumerate(self.atoms.tolist()):
                    soft = z - float(self.log_alpha.exp() * log_prob[b])
                    moved = min(max(float(batch.reward[b] + batch.discount[b] * soft), -bound), bound)
                    place, mass = (moved + bound) / spacing, probs[smallest[b], b, j]
                    lower = min(math.floor(place), self.config.atoms - 2)
                    y[b, lower] += mass * (lower + 1 - place)
                    y[b, lower + 1] += mass * (place - lower)
        logits = self.outputs(self.critics, obs, actions)[:, :rows]
        return -(y * logits.log_softmax(-1)).sum(-1).mean(-1).sum()


class PlainXQC(PlainCategorical):
    """2509.25174: BatchNorm and unit weights, linear schedule."""

    target_entropy = -0.5 * A

    def make_actor(self, inputs: int) -> nn.Sequential:
        return xqc(inputs, self.config.hidden, 2 * A)

    def make_critic(self, inputs: int) -> nn.Sequential:
        return xqc(inputs, self.config.critic_hidden or self.config.hidden, self.config.atoms)

    def schedule(self, optimiser: torch.optim.Optimizer) -> Any:
        share = self.config.final_learning_rate / self.config.learning_rate
        return torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, share, total_iters=self.config.horizon)


class PlainFlashSAC(PlainCategorical):
    """2604.04539: actor and α first, the actor trained on s and s′ together, cosine schedule."""

    target_entropy = 0.5 * A * math.log(2 * math.pi * math.e * 0.15**2)

    def make_actor(self, inputs: int) -> nn.Sequential:
        return flash(inputs, self.config.hidden, 2 * A)

    def make_critic(self, inputs: int) -> nn.Sequential:
        return flash(inputs, self.config.critic_hidden or self.config.hidden, self.config.atoms)

    def schedule(self, optimiser: torch.optim.Optimizer) -> Any:
        last, count = self.config.final_learning_rate, self.config.horizon
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=count, eta_min=last)

    def policy(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.actor(obs).chunk(2, -1)
        return mean, -10 + 6 * (1 + torch.tanh(raw))

    def train_actor(self, batch: Batch) -> tuple[Tensor, Tensor]:
        mean, log_std = self.policy(torch.cat([batch.obs, batch.next_obs]))
        return mean[: len(batch.obs)], log_std[: len(batch.obs)]

    def update(self, batch: Batch, noise: Mapping[str, Tensor], number: int) -> None:
        if number % self.config.policy_delay == 0:
            self.actor_step(batch, noise)
        self.critics_step(batch, noise)
        self.move_targets(number)
