"""The gradient that each network gets in one update, against central differences of its loss written in NumPy.

After the first step of Adam its first moment is a tenth of the gradient. Nothing here uses autograd, and the only
things taken from the library are parameters before and after the update. Batches have importance weights; where an
algorithm can keep the entropy of an n-step return, they have two steps in between.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from cases import CASES, A, B, K, data, fresh
from numpy.typing import NDArray
from scipy.special import log_softmax

from maxent.algorithms import Algorithm
from maxent.batch import Batch
from maxent.nn.optimiser import State

Array = NDArray[np.float64]
Parameters = dict[str, Array]
MEMBERS, EVERY = 2, slice(None)
ROWS = np.arange(B)


class Done:
    """One update: the state before and after it, and what it was made of."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.algorithm: Algorithm = CASES[name].make(MEMBERS, **settings)
        self.before: State = fresh(self.algorithm)
        if "log_alpha" in self.before:
            self.before["log_alpha"] += torch.tensor([[-0.7], [0.4]], dtype=torch.float64)
        ((batch, self.noise),) = data(self.algorithm, 1)
        draw = torch.Generator().manual_seed(7)
        batch = batch._replace(weight=torch.rand(MEMBERS, B, generator=draw, dtype=torch.float64))
        if self.algorithm.soft_returns:
            obs = torch.randn(MEMBERS, 2 * B, 3, generator=draw, dtype=torch.float64)
            discount = (torch.rand(MEMBERS, 2 * B, generator=draw, dtype=torch.float64) - 0.3).clamp_min(0.0)
            batch = batch._replace(path_obs=obs, path_discount=discount)
        self.batch: Batch = batch
        self.after = {key: tensor.clone() for key, tensor in self.before.items()}
        with torch.no_grad():
            self.algorithm.update(self.after, batch, self.noise, policy=True, target=True)

    def network(self, name: str, group: int, *, after: bool = False) -> Parameters:
        state = self.after if after else self.before
        return self.views(name, state[name], group)

    def views(self, name: str, flat: torch.Tensor, group: int) -> Parameters:
        return {key: view[group].numpy() for key, view in self.algorithm.networks[name].views(flat).items()}

    def groups(self, name: str, member: int) -> range:
        """Return the critics of a member."""
        count = self.algorithm.networks[name].groups[1]
        return range(member * count, (member + 1) * count)

    def critics(self, member: int, *, target: bool = False, after: bool = False) -> list[Parameters]:
        name = "target_critic" if target else "critic"
        return [self.network(name, group, after=after) for group in self.groups(name, member)]

    def drawn(self, name: str, member: int) -> Array:
        return np.asarray(self.noise[name][member])

    def check(self, name: str, group: int, loss: Callable[[Parameters], float]) -> None:
        """Compare the gradient with central differences of fourth order in three random directions."""
        own, rng, h = self.network(name, group), np.random.default_rng(group), 1e-7
        gradient = self.views(name, self.after[f"{name}.adam_m"] / 0.1, group)
        size = math.sqrt(sum(float((part**2).sum()) for part in gradient.values()))
        for _ in range(3):
            way = {key: rng.normal(size=part.shape) for key, part in own.items()}
            length = math.sqrt(sum(float((part**2).sum()) for part in way.values()))

            def at(t: float, way: Parameters = way) -> float:
                return loss({key: own[key] + t * way[key] for key in own})

            slope = (8.0 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12.0 * h)
            along = sum(float((gradient[key] * way[key]).sum()) for key in own)
            assert abs(slope - along) < 1e-7 * size * length

    def check_critics(self, member: int, y: Array, q: Callable[[Parameters], Array]) -> None:
        weight = self.batch.weight
        assert weight is not None
        for group in self.groups("critic", member):
            self.check("critic", group, lambda own: 0.5 * float((weight[member].numpy() * (q(own) - y) ** 2).mean()))


def net(own: Parameters, *inputs: Array) -> Array:
    x, count = np.concatenate(inputs, -1), sum(name.endswith("weight") for name in own)
    for i in range(count):
        x = x @ own[f"layer_{i}.weight"] + own[f"layer_{i}.bias"][0]
        x = np.maximum(x, 0.0) if i < count - 1 else x
    return x


def gaussian(own: Parameters, obs: Array, noise: Array) -> tuple[Array, Array]:
    """a = tanh(μ + σ ε) and log π(a|s), with log(1 − tanh² u) = −2 log cosh u."""
    mean, log_std = np.split(net(own, obs), 2, -1)
    u = mean + np.exp(log_std) * noise
    log_cosh = np.logaddexp(u, -u) - math.log(2.0)
    return np.tanh(u), (-0.5 * noise**2 - log_std - 0.5 * math.log(2.0 * math.pi) + 2.0 * log_cosh).sum(-1)


def entropy(own: Parameters, obs: Array) -> Array:
    """−E[log π] by a Riemann sum over ε, dimension after dimension."""
    z = np.linspace(-9.0, 9.0, 2001)
    mean, log_std = np.split(net(own, obs), 2, -1)
    u = mean[..., None] + np.exp(log_std)[..., None] * z
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) * (z[1] - z[0])
    log_det = -2.0 * ((np.logaddexp(u, -u) - math.log(2.0)) * density).sum(-1)
    return np.asarray((log_std + 0.5 * math.log(2.0 * math.pi * math.e) + log_det).sum(-1))


def parts(done: Done, member: int) -> tuple[Array, ...]:
    """Return obs, action, reward, discount and next_obs of a member."""
    return tuple(np.asarray(done.batch[k][member]) for k in range(5))


def soft_return(done: Done, member: int, h: Callable[[Array], Array], alpha: float) -> Array:
    assert done.batch.path_obs is not None
    assert done.batch.path_discount is not None
    path = np.asarray(done.batch.path_discount[member]) * h(np.asarray(done.batch.path_obs[member]))
    return np.asarray(done.batch.reward[member]) + alpha * path.reshape(2, B).sum(0)


@pytest.mark.parametrize("name", ["sac", "redq", "tqc"])
@pytest.mark.parametrize("factor", ["log_alpha", "alpha"])
def test_sac_redq_and_tqc(name: str, factor: str) -> None:
    done = Done(name, alpha={"kind": "auto", "factor": factor})
    mean = name != "sac"
    for p in range(MEMBERS):
        obs, action, _, discount, next_obs = parts(done, p)
        actor, log_alpha = done.network("actor", p), float(done.before["log_alpha"][p])
        alpha = math.exp(log_alpha)
        next_action, next_log_prob = gaussian(actor, next_obs, done.drawn("next_action", p))
        reward = soft_return(done, p, lambda s, own=actor: entropy(own, s), alpha)
        z = np.stack([net(own, next_obs, next_action) for own in done.critics(p, target=True)])  # [E, B, M]
        if name == "tqc":
            kept = np.sort(z.transpose(1, 0, 2).reshape(B, -1), -1)[:, : 2 * (5 - 2)]
            y = reward[:, None] + discount[:, None] * (kept - alpha * next_log_prob[:, None])
            weight = np.asarray(done.batch.weight)[p]

            def quantile_loss(own: Parameters, y: Array = y, weight: Array = weight, p: int = p) -> float:
                u = y[:, None, :] - net(own, *parts(done, p)[:2])[:, :, None]
                level, huber = (np.arange(5) + 0.5) / 5, np.where(np.abs(u) <= 1.0, 0.5 * u * u, np.abs(u) - 0.5)
                return float((weight * (np.abs(level[:, None] - (u < 0)) * huber).mean((1, 2))).mean())

            for group in done.groups("critic", p):
                done.check("critic", group, quantile_loss)
        else:
            chosen = np.argsort(-done.drawn("subset", p))[:2] if name == "redq" else EVERY
            y = reward + discount * (z[chosen, :, 0].min(0) - alpha * next_log_prob)
            done.check_critics(p, y, lambda own, x=(obs, action): net(own, *x)[:, 0])
        critics = done.critics(p, after=True)

        def actor_loss(own: Parameters, p: int = p, alpha: float = alpha, critics: Any = critics) -> float:
            obs = parts(done, p)[0]
            action, log_prob = gaussian(own, obs, done.drawn("action", p))
            q = np.stack([net(critic, obs, action).mean(-1) for critic in critics])
            return float((alpha * log_prob - (q.mean(0) if mean else q.min(0))).mean())

        done.check("actor", p, actor_loss)
        gap = gaussian(actor, obs, done.drawn("action", p))[1].mean() - A  # H̄ = −dim(A)
        slope = -gap * (alpha if factor == "alpha" else 1.0)
        moved = log_alpha - 3e-4 * slope / (abs(slope) + 1e-8)
        assert done.after["log_alpha"][p].item() == pytest.approx(moved, abs=1e-15)
    target = 0.005 * done.after["critic"] + 0.995 * done.before["target_critic"]
    torch.testing.assert_close(done.after["target_critic"], target, atol=1e-15, rtol=0.0)


def test_sac_v1() -> None:
    done = Done("sac-v1", alpha=0.3)
    for p in range(MEMBERS):
        obs, action, _, discount, next_obs = parts(done, p)
        actor, noise = done.network("actor", p), done.drawn("action", p)

        def least(own: Parameters, critics: Any, obs: Array = obs, noise: Array = noise) -> tuple[Array, Array]:
            action, log_prob = gaussian(own, obs, noise)
            return np.stack([net(one, obs, action)[:, 0] for one in critics]).min(0), log_prob

        q, log_prob = least(actor, done.critics(p))
        soft = q - 0.3 * log_prob
        done.check("value", p, lambda own, y=soft, s=obs: 0.5 * float(((net(own, s)[:, 0] - y) ** 2).mean()))
        reward = soft_return(done, p, lambda s, own=actor: entropy(own, s), 0.3)
        y = reward + discount * net(done.network("target_value", p), next_obs)[:, 0]
        done.check_critics(p, y, lambda own, x=(obs, action): net(own, *x)[:, 0])
        critics = done.critics(p, after=True)

        def actor_loss(own: Parameters, critics: Any = critics, least: Any = least) -> float:
            q, log_prob = least(own, critics)
            return float((0.3 * log_prob - q).mean())

        done.check("actor", p, actor_loss)


def test_discrete_sac() -> None:
    done = Done("sac-discrete", alpha=0.3)
    for p in range(MEMBERS):
        obs, action, _, discount, next_obs = parts(done, p)
        actor, alpha = done.network("actor", p), math.exp(float(done.before["log_alpha"][p]))

        def log_probs(obs: Array, own: Parameters = actor) -> Array:
            return np.asarray(log_softmax(net(own, obs), -1))

        reward = soft_return(done, p, lambda s, f=log_probs: -(np.exp(f(s)) * f(s)).sum(-1), alpha)
        q = np.stack([net(own, next_obs) for own in done.critics(p, target=True)]).min(0)
        y = reward + discount * (np.exp(log_probs(next_obs)) * (q - alpha * log_probs(next_obs))).sum(-1)
        taken = action[:, 0].astype(int)
        done.check_critics(p, y, lambda own, s=obs, a=taken: net(own, s)[ROWS, a])
        q = np.stack([net(own, obs) for own in done.critics(p, after=True)]).min(0)

        def actor_loss(
            own: Parameters, q: Array = q, obs: Array = obs, log_probs: Any = log_probs, alpha: float = alpha
        ) -> float:
            logs = log_probs(obs, own)
            return float((np.exp(logs) * (alpha * logs - q)).sum(-1).mean())

        done.check("actor", p, actor_loss)


@pytest.mark.parametrize("name", ["td3", "ddpg"])
def test_td3_and_ddpg(name: str) -> None:
    done = Done(name, **({"target_noise": 0.6} if name == "td3" else {}))
    for p in range(MEMBERS):
        obs, action, reward, discount, next_obs = parts(done, p)
        following = np.tanh(net(done.network("target_actor", p), next_obs))
        if name == "td3":
            following = np.clip(following + np.clip(0.6 * done.drawn("smoothing", p), -0.5, 0.5), -1.0, 1.0)
        q = np.stack([net(own, next_obs, following)[:, 0] for own in done.critics(p, target=True)]).min(0)
        done.check_critics(p, reward + discount * q, lambda own, x=(obs, action): net(own, *x)[:, 0])
        first = done.critics(p, after=True)[0]
        done.check("actor", p, lambda own, c=first, s=obs: -float(net(c, s, np.tanh(net(own, s))).mean()))
    for part in ("critic", "actor"):
        target = 0.005 * done.after[part] + 0.995 * done.before[f"target_{part}"]
        torch.testing.assert_close(done.after[f"target_{part}"], target, atol=1e-15, rtol=0.0)


@pytest.mark.parametrize("name", ["dqn", "dqn, double and dueling", "soft-q, discrete"])
def test_dqn_and_discrete_soft_q(name: str) -> None:
    done, dueling = Done(name), "dueling" in name

    def q(own: Parameters, obs: Array) -> Array:
        out = net(own, obs)
        return out[:, :1] + out[:, 1:] - out[:, 1:].mean(-1, keepdims=True) if dueling else out

    for p in range(MEMBERS):
        obs, action, reward, discount, next_obs = parts(done, p)
        next_q = np.stack([q(own, next_obs) for own in done.critics(p, target=True)]).min(0)
        best = np.stack([q(own, next_obs) for own in done.critics(p)]).min(0).argmax(-1)
        value = next_q[ROWS, best] if dueling else next_q.max(-1)
        if name == "soft-q, discrete":
            value = np.log(np.exp(next_q).sum(-1))  # α = 1
        taken = action[:, 0].astype(int)
        assert taken.max() < K
        done.check_critics(p, reward + discount * value, lambda own, s=obs, a=taken: q(own, s)[ROWS, a])
