"""The two policies of soft Q-learning: exp((Q − V)/α) over a finite set, and a sampling network on a box.

Each has V of the target critics, an update, and acting.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, final

import torch
from torch import Tensor

from maxent import objectives, stein
from maxent.algorithms.base import Noise
from maxent.algorithms.component import Component
from maxent.algorithms.parts import Critics
from maxent.distributions import LOG_2, LOG_SQRT_2PI, choose, tanh_log_det, uniform
from maxent.nn.heads import Head
from maxent.nn.layers import Layer, Linear
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, State, input_gradient

CANDIDATES = 32  # draws among which the best action for evaluation is found


@final
class BoltzmannPolicy:
    """π(a|s) = exp((Q(s, a) − V(s))/α) over a finite set of actions, without parameters.   2017 theorem 1."""

    def __init__(self, critics: Critics, alpha: float) -> None:
        self.critics, self.alpha = critics, alpha
        self.networks: dict[str, Network] = {}

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Leave the state as it is: the policy has no parameters."""

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return an empty dict: nothing is random."""
        return {}

    def value(self, state: Mapping[str, Tensor], obs: Tensor, noise: Noise) -> Tensor:
        """Return V(s) = α log Σ_a exp(Q_θ̄(s, a)/α). → [P, B]"""
        return objectives.log_sum_exp_value(self.critics.all_actions(state, obs, target=True), self.alpha)

    def fit(self, state: State, obs: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Return an empty dict: nothing is learned."""
        return {}

    def draw(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> Tensor:
        """Return a ~ π(·|s). noise [P, N, 1] → [P, N, 1]"""
        log_probs = objectives.boltzmann_log_probs(self.critics.all_actions(state, obs), self.alpha)
        return choose(log_probs.exp(), uniform(noise))

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return argmax_a Q(s, a)."""
        return self.critics.all_actions(state, obs).amin(1).argmax(-1, keepdim=True).to(obs.dtype)


class Sampler(Head[Tensor]):
    """u = f_φ(ξ; s): obs [P, B, O], noise [P, B, A] → [P, B, A]."""

    def __init__(self, members: int, inputs: int, actions: int, layers: Sequence[Layer]) -> None:
        self.network = Network((members,), inputs + actions, (*layers, Linear(actions)))

    def read(self, out: Tensor) -> Tensor:
        """Return the particles before tanh."""
        return out


@final
class SamplingPolicy:
    """a = tanh(f_φ(ξ; s)), ξ ~ N(0, I): a network that learns to draw from exp(Q/α) on a box.   2017 §3.2.

    Deviation: the Stein particles are u = f_φ(ξ; s) and not tanh(u), with the score of exp(Q(s, tanh u)/α) |da/du|,
    so no particle can leave the box or stick to its edge.

    Args:
        critics: Q.
        members, observation_size, action_size, layers: the shape of the sampling network.
        alpha: entropy coefficient.
        proposal: where the actions for V's estimate come from.
        value_particles: how many of them for each state, K.
        policy_particles: M, actions for each state that are compared, and as many that are moved.
        learning_rate, max_grad_norm: of the sampling network.
    """

    def __init__(
        self,
        critics: Critics,
        members: int,
        observation_size: int,
        action_size: int,
        layers: Sequence[Layer],
        *,
        alpha: float,
        proposal: Literal["uniform", "policy"],
        value_particles: int,
        policy_particles: int,
        learning_rate: float,
        max_grad_norm: float | None,
    ) -> None:
        self.critics, self.action_size, self.alpha, self.proposal = critics, action_size, alpha, proposal
        self.value_particles, self.policy_particles = value_particles, policy_particles
        head = Sampler(members, observation_size, action_size, layers)
        self.sampler = Component("sampler", head, Adam(learning_rate, max_grad_norm=max_grad_norm))
        self.networks = self.sampler.networks
        self.candidates = torch.randn((CANDIDATES, action_size), generator=torch.Generator().manual_seed(0))

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put an initial sampling network into the state."""
        self.sampler.init(state, generators)

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of proposals for V, and of ξ of the fixed and the moved particles."""
        particles = (self.policy_particles * batch_size, self.action_size)
        return {
            "proposal": (self.value_particles * batch_size, self.action_size),
            "fixed": particles,
            "moved": particles,
        }

    def value(self, state: Mapping[str, Tensor], obs: Tensor, noise: Noise) -> Tensor:
        """Return V(s) ≈ α log 1/K Σ_k exp(Q_θ̄(s, a_k)/α)/q(a_k). → [P, B]   2017 eq. 10

        Proposals are uniform, or a = tanh(f_φ(ξ; s)) with log q(a) = log N(ξ) − log|det ∂f_φ/∂ξ| − log|det ∂a/∂u|.
        The latter assumes that f_φ(·; s) is one-to-one (2017 appendix C); where it folds, V comes out too large.
        """
        members, batch, _ = obs.shape
        many = _repeat(obs, self.value_particles)  # [P, K·B, O]
        if self.proposal == "uniform":
            action = 2.0 * uniform(noise["proposal"]) - 1.0  # [P, K·B, A]
            log_density = torch.full_like(action[..., 0], -self.action_size * LOG_2)
        else:
            u, log_density = self.density(state, many, noise["proposal"])
            action = torch.tanh(u)
        q = self.critics(state, many, action, target=True)  # [P, E, K·B]
        shape = (members, self.value_particles, batch)
        return objectives.importance_value(q.reshape(members, -1, *shape[1:]), log_density.reshape(shape), self.alpha)

    def density(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return u = f_φ(ξ; s) and log q(tanh u): obs [P, B, O], ξ [P, B, A] → [P, B, A], [P, B]."""

        def coordinate(j: int) -> Callable[[Tensor], Tensor]:
            return lambda xi: self.sampler(state, obs, xi)[..., j]

        rows = [input_gradient(coordinate(j), noise) for j in range(self.action_size)]
        log_jacobian = torch.linalg.slogdet(torch.stack(rows, -2)).logabsdet.clamp_min(-20.0)  # [P, B]
        u = self.sampler(state, obs, noise)
        log_normal = (-0.5 * noise * noise - LOG_SQRT_2PI).sum(-1)
        return u, log_normal - log_jacobian - tanh_log_det(u)

    def fit(self, state: State, obs: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Make one step φ ← φ + λ E[Δ(u) ∂u/∂φ], u = f_φ(ξ; s), along the Stein direction Δ at the particles."""
        many = _repeat(obs, self.policy_particles)  # [P, M·B, O]

        def log_density(u: Tensor) -> Tensor:
            """Return log(exp(Q(s, tanh u)/α) |da/du|), without its normaliser. → [P, M·B]"""
            return self.critics(state, many, torch.tanh(u)).amin(1) / self.alpha + tanh_log_det(u)

        fixed = self.sampler(state, many, noise["fixed"])
        moved = self.sampler(state, many, noise["moved"])
        score = input_gradient(log_density, fixed)
        step = self._ungroup(stein.direction(self._group(fixed), self._group(score), self._group(moved)))

        def loss(particles: Tensor) -> tuple[Tensor, Tensor]:
            losses = -(step * particles).sum(-1).mean(-1)
            return losses, losses

        self.sampler.minimize(state, loss, many, noise["moved"])
        return {"train/stein_norm": torch.linalg.vector_norm(step, dim=-1).mean(-1)}

    def draw(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> Tensor:
        """Return a = tanh(f_φ(ξ; s)). → [P, N, A]"""
        return torch.tanh(self.sampler(state, obs, noise))

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return the best by Q of a few draws, always of the same ξ. → [P, N, A]"""
        members, envs, _ = obs.shape
        many = _repeat(obs, CANDIDATES)  # [P, C·N, O]
        noise = self.candidates.to(obs.device).repeat_interleave(envs, 0).expand(members, -1, -1)  # [P, C·N, A]
        action = self.draw(state, many, noise)
        q = self.critics(state, many, action).amin(1).reshape(members, CANDIDATES, envs)
        best = q.argmax(1)[:, None, :, None].expand(-1, 1, -1, self.action_size)  # [P, 1, N, A]
        return action.reshape(members, CANDIDATES, envs, -1).gather(1, best).squeeze(1)

    def _group(self, x: Tensor) -> Tensor:
        """Reshape [P, M·B, A] → [P, B, M, A]."""
        return x.reshape(x.shape[0], self.policy_particles, -1, self.action_size).transpose(1, 2)

    def _ungroup(self, x: Tensor) -> Tensor:
        """Reshape [P, B, M, A] → [P, M·B, A]."""
        return x.transpose(1, 2).reshape(x.shape[0], -1, self.action_size)


def _repeat(obs: Tensor, times: int) -> Tensor:
    """Repeat the batch: [P, B, O] → [P, times·B, O]."""
    return obs.repeat(1, times, 1)
