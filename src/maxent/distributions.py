"""Action distributions: the squashed Gaussian of SAC, exact where tanh saturates, and the categorical.

Both have the same methods, so a policy gradient works with either. Randomness is an argument: standard normal numbers.

SAC 2018a (1801.01290v2) appendix C; SAC 2018b (1812.05905v2) appendix C.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
LOG_2 = math.log(2.0)


def gaussian_log_prob(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log N(u | μ, σ), summed over the action axis: −½((u − μ)/σ)² − log σ − log √(2π).

    u, mean, log_std [..., A] → [...]
    """
    z = (u - mean) * torch.exp(-log_std)
    return (-0.5 * z * z - log_std - LOG_SQRT_2PI).sum(-1)


def log_normal_cdf(x: Tensor) -> Tensor:
    """Return log Φ(x) = log(½ erfcx(−x/√2)) − ½ x² for x < 0, and log(1 − ½ erfc(x/√2)) elsewhere.

    The value is that of torch.special.log_ndtr, whose gradient is the exponential of a difference of large numbers:
    in float32 it is wrong from x = −100 on, and infinite for many x below −5e4.
    """
    low, high = x.clamp_max(0.0), x.clamp_min(0.0)
    below = torch.log(0.5 * torch.special.erfcx(-math.sqrt(0.5) * low)) - 0.5 * low * low
    return torch.where(x < 0.0, below, torch.log1p(-0.5 * torch.erfc(math.sqrt(0.5) * high)))


def tanh_log_det(u: Tensor) -> Tensor:
    """Log |det d tanh(u)/du| = Σ log(1 − tanh²(u)) = Σ 2(log 2 − u − softplus(−2u)).   2018b appendix C.

    The last form neither cancels nor overflows; the common `log(1 − tanh² + 1e-6)` is wrong by 5 nats at |u| = 10.

    u [..., A] → [...]
    """
    return (2.0 * (LOG_2 - u - F.softplus(-2.0 * u))).sum(-1)


class SquashedGaussian(NamedTuple):
    """a = tanh(u), u ~ N(μ, σ): the policy of SAC on the box (−1, 1)ᴬ.

    mean, log_std [..., A]
    """

    mean: Tensor
    log_std: Tensor

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return a = tanh(μ + σ ε) and log π(a|s), with ε = `noise`, standard normal.   2018a eq. 11.

        noise [..., A] → action [..., A], log_prob [...]
        """
        u = self.mean + torch.exp(self.log_std) * noise
        # (u − μ)/σ is the noise itself: using it saves a division and its rounding.
        gaussian = (-0.5 * noise * noise - self.log_std - LOG_SQRT_2PI).sum(-1)
        return torch.tanh(u), gaussian - tanh_log_det(u)

    def log_prob(self, u: Tensor) -> Tensor:
        """Log π(tanh(u)) = log N(u | μ, σ) − Σ log(1 − tanh²(u)).   2018b appendix C.

        The argument is u and not a = tanh(u), because atanh cannot recover |u| > 9 in float32.

        u [..., A] → [...]
        """
        return gaussian_log_prob(u, self.mean, self.log_std) - tanh_log_det(u)

    def log_prob_of(self, action: Tensor) -> Tensor:
        """Return log π(a|s) of a stored action, with u = atanh(a).

        Deviation: beyond |a| = 1 − 1e-6, where float32 cannot resolve u, a coordinate has the mean density of that
        whole tail, P(u > atanh(1 − 1e-6)) or P(u < −atanh(1 − 1e-6)) divided by its width 1e-6. So the density
        integrates to one and the score has mean zero, as a policy gradient needs it, for large σ too.

        action [..., A] → [...]
        """
        bound = 1.0 - 1e-6
        edge = math.atanh(bound)
        u = torch.atanh(action.clamp(-bound, bound))
        z = (u - self.mean) * torch.exp(-self.log_std)
        inside = -0.5 * z * z - self.log_std - LOG_SQRT_2PI - 2.0 * (LOG_2 - u - F.softplus(-2.0 * u))
        beyond = log_normal_cdf((action.sign() * self.mean - edge) * torch.exp(-self.log_std))
        return torch.where(action.abs() < bound, inside, beyond - math.log(1.0 - bound)).sum(-1)

    def draw(self, noise: Tensor) -> Tensor:
        """Sample a ~ π(·|s) without its log-probability. noise [..., A] → [..., A]"""
        return torch.tanh(self.mean + torch.exp(self.log_std) * noise)

    def mode(self) -> Tensor:
        """Return tanh(μ), the action for evaluation (the mode in u; 2018a §5.2 acts with the mean). [..., A]"""
        return torch.tanh(self.mean)

    def entropy(self, nodes: int = 1024) -> Tensor:
        """H(π) = H(N(μ, σ)) + Σ E[log(1 − tanh²(u))], the expectation by the trapezoidal rule over μ ± 9σ.

        Exact to rounding for σ up to about 10; SAC itself uses the one-sample estimate −log π.

        → [...]
        """
        z = torch.linspace(-9.0, 9.0, nodes, dtype=self.mean.dtype, device=self.mean.device)
        weight = torch.exp(-0.5 * z * z - LOG_SQRT_2PI) * (z[1] - z[0])  # [nodes]
        u = self.mean.unsqueeze(-1) + torch.exp(self.log_std).unsqueeze(-1) * z  # [..., A, nodes]
        log_det = 2.0 * (LOG_2 - u - F.softplus(-2.0 * u))
        return (self.log_std + 0.5 + LOG_SQRT_2PI + (weight * log_det).sum(-1)).sum(-1)


class Categorical(NamedTuple):
    """π(a|s) over K actions.

    log_probs [..., K], normalised
    """

    log_probs: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> "Categorical":
        """Return softmax(logits). logits [..., K]"""
        return cls(F.log_softmax(logits, dim=-1))

    @property
    def probs(self) -> Tensor:
        """π(a|s). [..., K]"""
        return self.log_probs.exp()

    def draw(self, noise: Tensor) -> Tensor:
        """Sample a ~ π(·|s) by inversion: the first action whose cumulative probability exceeds Φ(ε).

        noise ε [..., 1], standard normal → [..., 1], an index as a float
        """
        return choose(self.probs, uniform(noise))

    def log_prob_of(self, action: Tensor) -> Tensor:
        """Return log π(a|s). action [..., 1], an index → [...]"""
        return self.log_probs.gather(-1, action.long()).squeeze(-1)

    def mode(self) -> Tensor:
        """Return the most probable action. [..., 1]"""
        return self.log_probs.argmax(-1, keepdim=True).to(self.log_probs.dtype)

    def entropy(self) -> Tensor:
        """H(π(·|s)) = −Σ_a π log π. → [...]"""
        return -(self.probs * self.log_probs).sum(-1)


def uniform(noise: Tensor) -> Tensor:
    """Return Φ(ε), uniform numbers in [0, 1] from standard normal ones."""
    probability: Tensor = torch.special.ndtr(noise)
    return probability


def choose(probs: Tensor, u: Tensor) -> Tensor:
    """Return the first index whose cumulative probability exceeds u. probs [..., K], u [..., 1] → [..., 1] as a float

    u is scaled by the total and kept below 1, so that rounding never selects an action of probability 0.
    """
    cumulative = probs.cumsum(-1)
    below_one = 1.0 - torch.finfo(probs.dtype).eps
    return (cumulative <= u.clamp_max(below_one) * cumulative[..., -1:]).sum(-1, keepdim=True).to(probs.dtype)
