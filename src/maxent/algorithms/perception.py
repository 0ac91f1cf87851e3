"""Between the environment and an algorithm: normalisation, augmentation, and an encoder shared by the networks.

An algorithm reads features. Without any of these they are the observation itself, at no cost.
The statistics are tensors of the state, so checkpoints, policies and exported files have them.
"""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent.algorithms.component import Component, Part
from maxent.algorithms.settings import AlgorithmConfig, CriticConfig
from maxent.batch import Batch
from maxent.errors import UserError
from maxent.moments import Moments, batch_moments, merge_moments, return_scale, standardise
from maxent.nn.encoders import Convolution, Observe, random_shift
from maxent.nn.heads import Head
from maxent.nn.layers import Layer
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ObservationLayout

EPSILON = 1e-8
CLIP = 10.0
"""Added to variances, and the largest normalised observation; the defaults of VecNormalize."""

STATISTICS = ("mean", "var", "count")


class Features(Head[Tensor]):
    """A shared encoder: [P, B, O] → features [P, B, F]."""

    def __init__(self, members: int, layout: ObservationLayout, encoder: Convolution) -> None:
        self.network = Network((members,), layout.features, (Observe(layout, encoder),))

    def read(self, out: Tensor) -> Tensor:
        """Return the features."""
        return out


@final
class Perception:
    """Normalises, augments and encodes observations, and scales rewards, according to the settings.

    Args:
        config: the settings of the algorithm.
        members: P.
        observation: the layout of the environment's observations.
    """

    def __init__(self, config: AlgorithmConfig, members: int, observation: ObservationLayout) -> None:
        self.config, self.members, self.observation = config, members, observation
        self.convolution = _convolution(config, observation)
        self.shift = self.convolution.shift if self.convolution else 0
        self.encoder: Component[Tensor] | None = None
        self.layout = observation
        """The layout of what the algorithm's networks read."""
        critics = config if isinstance(config, CriticConfig) and config.shares_encoder else None
        if self.convolution and self.convolution.shared is not False and critics:
            head = Features(members, observation, self.convolution)
            self.encoder = Component("encoder", head, Adam(critics.critic_rate, max_grad_norm=config.max_grad_norm))
            self.layout = ObservationLayout.vector(head.network.outputs)
        entries = observation.entries()
        self._normalised = [one.columns for one in entries if one.kind == "float" and not one.is_image]
        if config.norm_obs and not self._normalised:
            raise UserError(
                "norm_obs: expected a float vector among the observations, and these have none: images and categories "
                "are not normalised, so True would do nothing."
            )

    @property
    def front(self) -> tuple[Layer, ...]:
        """The layers that each network needs before its own: an encoder that is not shared."""
        return (Observe(self.observation, self.convolution),) if self.convolution and self.encoder is None else ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The shared encoder, if there is one."""
        return () if self.encoder is None else (self.encoder,)

    @property
    def acting(self) -> tuple[str, ...]:
        """Names of the state tensors that acting needs."""
        statistics = tuple(f"obs_norm.{name}" for name in STATISTICS) if self.config.norm_obs else ()
        return (*statistics, "encoder") if self.encoder is not None else statistics

    @property
    def plain(self) -> bool:
        """Whether features are observations, up to normalisation."""
        return self.convolution is None

    @property
    def statistics(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the running statistics, by their names in the state.

        Those of observations are of the K numbers that are normalised: mean and variance [P, K], count [P].
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for name, used, size in (
            ("obs_norm", self.config.norm_obs, sum(columns.stop - columns.start for columns in self._normalised)),
            ("reward_norm", self.config.norm_reward, 1),
        ):
            if used:
                shapes |= {f"{name}.mean": (self.members, size), f"{name}.var": (self.members, size)}
                shapes[f"{name}.count"] = (self.members,)
        if self.config.return_bound is not None:
            shapes["reward_norm.largest"] = (self.members, 1)
        return shapes

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put fresh statistics and a fresh encoder into the state."""
        for name, shape in self.statistics.items():
            fill = torch.ones if name.endswith(".var") else torch.zeros
            state[name] = fill(shape, dtype=torch.float64)
        for part in self.parts:
            part.init(state, generators)

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the draws that augmentation takes in one update."""
        return {"shift": (batch_size, 2), "next_shift": (batch_size, 2)} if self.shift else {}

    def watch(self, state: State, obs: Tensor, counted: Tensor | None = None) -> None:
        """Add new observations [P, N, O], or those that are `counted` [P, N], to the running statistics."""
        if self.config.norm_obs:
            _merge(state, "obs_norm", torch.cat([obs[..., columns] for columns in self._normalised], -1), counted)

    def watch_returns(self, state: State, returns: Tensor, counted: Tensor | None = None) -> None:
        """Add the discounted returns so far [P, N], or those that are `counted` [P, N], to the running statistics."""
        if self.config.norm_reward:
            _merge(state, "reward_norm", returns.unsqueeze(-1), counted)
        if self.config.return_bound is not None:
            size = returns.abs() if counted is None else torch.where(counted, returns.abs(), 0.0)
            largest = state["reward_norm.largest"]
            torch.maximum(largest, size.amax(1, keepdim=True), out=largest)

    def normalise(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return (obs − mean) / std of float vectors, clipped to ±10; images and categories stay. [P, N, O]"""
        if not self.config.norm_obs:
            return obs
        mean, var = state["obs_norm.mean"].to(obs.dtype), state["obs_norm.var"].to(obs.dtype)  # [P, K]
        parts, end, done = [], 0, 0
        for columns in self._normalised:
            own = slice(done, done + columns.stop - columns.start)
            values = standardise(obs[..., columns], mean[:, own], var[:, own], epsilon=EPSILON, clip=CLIP)
            parts += [obs[..., end : columns.start], values]
            end, done = columns.stop, own.stop
        return torch.cat([*parts, obs[..., end:]], -1)

    def features(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return what the algorithm's networks read when acting. obs [P, N, O] → [P, N, F]"""
        obs = self.normalise(state, obs)
        return obs if self.encoder is None else self.encoder(state, obs)

    def prepare(self, state: Mapping[str, Tensor], batch: Batch, noise: Mapping[str, Tensor]) -> Batch:
        """Return the batch as the algorithm's networks read it.

        With a shared encoder `unencoded` keeps the observations from which the critics' loss trains it; all other
        losses read the features that the encoder had before the update, as in DrQ-v2. Choice: the next observations go
        through the encoder itself, which has no target copy (2107.09645).

        The steps in between of an n-step return are not augmented: of them nothing but the entropy of π is computed.

        Deviation: VecNormalize also clips scaled rewards to ±10. A reward here may be a sum over n steps.
        """
        obs, next_obs = self.normalise(state, batch.obs), self.normalise(state, batch.next_obs)
        if self.shift:
            obs = random_shift(obs, self.observation, noise["shift"], self.shift)
            next_obs = random_shift(next_obs, self.observation, noise["next_shift"], self.shift)
        if batch.path_obs is not None:
            batch = batch._replace(path_obs=self.features(state, batch.path_obs))
        reward = batch.reward
        if self.config.norm_reward:
            reward = reward / self.reward_divisor(state, reward.dtype)  # [P, B] / [P, 1]
        if self.encoder is None:
            return batch._replace(obs=obs, next_obs=next_obs, reward=reward)
        return batch._replace(
            obs=self.encoder(state, obs), next_obs=self.encoder(state, next_obs), reward=reward, unencoded=obs
        )

    def reward_divisor(self, state: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        """Return what rewards are divided by: √(var(G) + ε), or more where G has been too large for the bound. [P, 1]

        FlashSAC (2604.04539) has the bound.
        """
        scale = return_scale(state["reward_norm.var"].to(dtype), epsilon=EPSILON)
        bound = self.config.return_bound
        return scale if bound is None else torch.maximum(scale, (state["reward_norm.largest"] / bound).to(dtype))

    def fast_normaliser(self, state: Mapping[str, Tensor]) -> "FastNormaliser | None":
        """Return `normalise` in NumPy, on the memory of this state; None where nothing is normalised."""
        return FastNormaliser(state, self._normalised) if self.config.norm_obs else None


@final
class FastNormaliser:
    """`Perception.normalise` for a few observations in NumPy.

    Args:
        state: the statistics, whose memory is read at every call.
        normalised: the columns of an observation that are normalised.
    """

    def __init__(self, state: Mapping[str, Tensor], normalised: Sequence[slice]) -> None:
        self._mean, self._var = state["obs_norm.mean"].numpy(), state["obs_norm.var"].numpy()
        self._columns = np.concatenate([np.arange(columns.start, columns.stop) for columns in normalised])

    def __call__(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the normalised observations [P, N, O]."""
        mean, var = self._mean.astype(np.float32)[:, np.newaxis], self._var.astype(np.float32)[:, np.newaxis]
        normalised = obs.copy()
        scaled = (obs[..., self._columns] - mean) / np.sqrt(var + np.float32(EPSILON))
        normalised[..., self._columns] = np.clip(scaled, -CLIP, CLIP)
        return normalised


def _convolution(config: AlgorithmConfig, observation: ObservationLayout) -> Convolution | None:
    """Return the convolutions of the images, None where images are read as vectors or there are none."""
    images = any(entry.is_image for entry in observation.entries())
    chosen = Convolution() if config.encoder is None and images else config.encoder
    if not isinstance(chosen, Convolution):
        if chosen is not None and not images:
            raise UserError("encoder: flatten expects an image among the observations; leave encoder out.")
        return None
    if not images:
        shapes = ", ".join(str(entry.shape) for entry in observation.entries())
        raise UserError(
            "encoder: convolution expects an image among the observations, of shape (H, W), (H, W, C) or (C, H, W) "
            f"with at least 8 × 8 pixels and at most 12 channels, got the shapes {shapes}."
        )
    if chosen.shared and not (isinstance(config, CriticConfig) and config.shares_encoder):
        raise UserError(
            "encoder: the critics' loss trains a shared encoder, and this algorithm has no critics or normalises over "
            "joint batches; leave out shared=True, or set shared=False."
        )
    return chosen


def _merge(state: State, name: str, values: Tensor, counted: Tensor | None) -> None:
    """Merge the counted values of a batch [P, N, K] into running mean, variance and count, in place."""
    running = Moments(*(state[f"{name}.{part}"] for part in STATISTICS))
    for tensor, new in zip(running, merge_moments(*running, *batch_moments(values, counted)), strict=True):
        tensor.copy_(new)
