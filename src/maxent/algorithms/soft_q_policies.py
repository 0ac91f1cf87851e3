"""The two policies of soft Q-learning: exp((Q − V)/α) over a finite set, and a sampling network on a box.

Each knows V of the target critics, how to learn, and how to act.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, final

import torch
from torch import Tensor

from maxent import objectives, stein
from maxent.algorithms.base import Noise
from maxent.algorithms.parts import Critics
from maxent.distributions import LOG_2, LOG_SQRT_2PI, choose, tanh_log_det, uniform
from maxent.nn.networks import MLP
from maxent.nn.optimiser import State, add_adam, descend, input_gradient

CANDIDATES = 32  # draws among which the best action for evaluation is found


@final
class BoltzmannPolicy:
    """π(a|s) = exp((Q(s, a) − V(s))/α) over a finite set of actions: Q is all there is to learn.   2017 theorem 1."""

    def __init__(self, critics: Critics, alpha: float) -> None:
        self.critics, self.alpha = critics, alpha
        self.networks: dict[str, MLP] = {}

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Nothing."""

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """None: V is a sum."""
        return {}

    def value(self, state: Mapping[str, Tensor], obs: Tensor, noise: Noise) -> Tensor:
        """V(s) = α log Σ_a exp(Q_θ̄(s, a)/α). → [P, B]"""
        return objectives.log_sum_exp_value(self.critics.all_actions(state, obs, target=True), self.alpha)

    def fit(self, state: State, obs: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def draw(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> Tensor:
        """A ~ π(·|s). noise [P, N, 1] → [P, N, 1]"""
        log_probs = objectives.boltzmann_log_probs(self.critics.all_actions(state, obs), self.alpha)
        return choose(log_probs.exp(), uniform(noise))

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """argmax_a Q(s, a)."""
        return self.critics.all_actions(state, obs).amin(1).argmax(-1, keepdim=True).to(obs.dtype)


@final
class SamplingPolicy:
    """a = tanh(f_φ(ξ; s)), ξ ~ N(0, I): a network that learns to draw from exp(Q/α) on a box.   2017 §3.2.

    Deviation: the Stein particles are u = f_φ(ξ; s) and not tanh(u), with the score of exp(Q(s, tanh u)/α) |da/du|,
    so no particle can leave the box or stick to its edge.

    Args:
        critics: Q.
        members, observation_size, action_size, hidden: the shape of the sampling network.
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
        hidden: tuple[int, ...],
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
        self.learning_rate, self.max_grad_norm = learning_rate, max_grad_norm
        self.sampler = MLP((members,), (observation_size + action_size, *hidden, action_size))
        self.networks = {"sampler": self.sampler}
        self.candidates = torch.randn((CANDIDATES, action_size), generator=torch.Generator().manual_seed(0))

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put a fresh sampling network into the state."""
        add_adam(state, "sampler", self.sampler.init(generators))

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Proposals for V, and ξ of the fixed and the moved particles."""
        particles = (self.policy_particles * batch_size, self.action_size)
        return {
            "proposal": (self.value_particles * batch_size, self.action_size),
            "fixed": particles,
            "moved": particles,
        }

    def value(self, state: Mapping[str, Tensor], obs: Tensor, noise: Noise) -> Tensor:
        """V(s) ≈ α log 1/K Σ_k exp(Q_θ̄(s, a_k)/α)/q(a_k). → [P, B]   2017 eq. 10

        Proposals are uniform, or a = tanh(f_φ(ξ; s)) with log q(a) = log N(ξ) − log|det ∂f_φ/∂ξ| − log|det ∂a/∂u|.
        The latter presumes that f_φ(·; s) is one-to-one (2017 appendix C); where it folds, V comes out too large.
        """
        members, batch, _ = obs.shape
        many = _repeat(obs, self.value_particles)  # [P, K·B, O]
        if self.proposal == "uniform":
            action = 2.0 * uniform(noise["proposal"]) - 1.0  # [P, K·B, A]
            log_density = torch.full_like(action[..., 0], -self.action_size * LOG_2)
        else:
            u, log_density = self.density(state["sampler"], many, noise["proposal"])
            action = torch.tanh(u)
        q = self.critics(state, many, action, target=True)  # [P, E, K·B]
        shape = (members, self.value_particles, batch)
        return objectives.importance_value(q.reshape(members, -1, *shape[1:]), log_density.reshape(shape), self.alpha)

    def density(self, sampler: Tensor, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """U = f_φ(ξ; s) and the log density of tanh(u): obs [P, B, O], ξ [P, B, A] → [P, B, A], [P, B]."""

        def coordinate(j: int) -> Callable[[Tensor], Tensor]:
            return lambda xi: self.particles(sampler, obs, xi)[..., j]

        rows = [input_gradient(coordinate(j), noise) for j in range(self.action_size)]
        log_jacobian = torch.linalg.slogdet(torch.stack(rows, -2)).logabsdet.clamp_min(-20.0)  # [P, B]
        u = self.particles(sampler, obs, noise)
        log_normal = (-0.5 * noise * noise - LOG_SQRT_2PI).sum(-1)
        return u, log_normal - log_jacobian - tanh_log_det(u)

    def fit(self, state: State, obs: Tensor, noise: Noise) -> dict[str, Tensor]:
        """φ ← φ + λ E[Δ(u) ∂u/∂φ], u = f_φ(ξ; s): the Stein direction at the particles, carried back into φ."""
        many, sampler = _repeat(obs, self.policy_particles), state["sampler"]  # [P, M·B, O]

        def log_density(u: Tensor) -> Tensor:
            """Log exp(Q(s, tanh u)/α) |da/du|, without its normaliser. [P, M·B]"""
            return self.critics(state, many, torch.tanh(u)).amin(1) / self.alpha + tanh_log_det(u)

        fixed = self.particles(sampler, many, noise["fixed"])
        moved = self.particles(sampler, many, noise["moved"])
        score = input_gradient(log_density, fixed)
        step = self._ungroup(stein.direction(self._group(fixed), self._group(score), self._group(moved)))

        def loss(sampler: Tensor) -> tuple[Tensor, Tensor]:
            losses = -(step * self.particles(sampler, many, noise["moved"])).sum(-1).mean(-1)
            return losses, losses

        descend(state, "sampler", loss, learning_rate=self.learning_rate, max_grad_norm=self.max_grad_norm)
        return {"train/stein_norm": torch.linalg.vector_norm(step, dim=-1).mean(-1)}

    def particles(self, sampler: Tensor, obs: Tensor, noise: Tensor) -> Tensor:
        """U = f_φ(ξ; s): obs [P, B, O], noise [P, B, A] → [P, B, A]."""
        return self.sampler(sampler, torch.cat([obs, noise], -1))

    def draw(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor) -> Tensor:
        """A = tanh(f_φ(ξ; s)). → [P, N, A]"""
        return torch.tanh(self.particles(state["sampler"], obs, noise))

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """The best by Q of a few draws, always of the same ξ. → [P, N, A]"""
        members, envs, _ = obs.shape
        many = _repeat(obs, CANDIDATES)  # [P, C·N, O]
        noise = self.candidates.to(obs.device).repeat_interleave(envs, 0).expand(members, -1, -1)  # [P, C·N, A]
        action = self.draw(state, many, noise)
        q = self.critics(state, many, action).amin(1).reshape(members, CANDIDATES, envs)
        best = q.argmax(1)[:, None, :, None].expand(-1, 1, -1, self.action_size)  # [P, 1, N, A]
        return action.reshape(members, CANDIDATES, envs, -1).gather(1, best).squeeze(1)

    def _group(self, x: Tensor) -> Tensor:
        """[P, M·B, A] → [P, B, M, A]"""
        return x.reshape(x.shape[0], self.policy_particles, -1, self.action_size).transpose(1, 2)

    def _ungroup(self, x: Tensor) -> Tensor:
        """[P, B, M, A] → [P, M·B, A]"""
        return x.transpose(1, 2).reshape(x.shape[0], -1, self.action_size)


def _repeat(obs: Tensor, times: int) -> Tensor:
    """[P, B, O] → [P, times·B, O], the batch again and again."""
    return obs.repeat(1, times, 1)
