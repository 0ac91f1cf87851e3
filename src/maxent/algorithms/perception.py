"""What stands between the environment and an algorithm: normalisation, augmentation, and an encoder that is shared.

An algorithm reads features. Without any of these they are the observation itself, and nothing here costs anything.
The statistics are tensors of the state, so checkpoints, policies and exported files have them.
"""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent.algorithms.component import Component, Part
from maxent.algorithms.settings import AlgorithmConfig
from maxent.batch import Batch
from maxent.moments import Moments, batch_moments, merge_moments, standardise
from maxent.nn.encoders import Convolution, Observe, random_shift
from maxent.nn.heads import Head
from maxent.nn.layers import Layer
from maxent.nn.network import Network
from maxent.nn.optimiser import Adam, State
from maxent.spaces import ObservationLayout

EPSILON = 1e-8
CLIP = 10.0  # as VecNormalize has it


class Features(Head[Tensor]):
    """A shared encoder: [P, B, O] → features [P, B, F]."""

    def __init__(self, members: int, layout: ObservationLayout, encoder: Convolution) -> None:
        self.network = Network((members,), layout.features, (Observe(layout, encoder),))

    def read(self, out: Tensor) -> Tensor:
        """Return the features."""
        return out


@final
class Perception:
    """Normalises, augments and encodes observations, and scales rewards, as the settings say.

    Args:
        config: the settings of the algorithm.
        members: P.
        observation: the layout of what the environment gives.
    """

    def __init__(self, config: AlgorithmConfig, members: int, observation: ObservationLayout) -> None:
        self.config, self.members, self.observation = config, members, observation
        images = any(entry.is_image for entry in observation.entries())
        chosen = Convolution() if config.encoder is None and images else config.encoder
        self.convolution = chosen if isinstance(chosen, Convolution) and images else None
        self.shift = self.convolution.shift if self.convolution else 0
        self.encoder: Component[Tensor] | None = None
        self.layout = observation
        """The layout of what the algorithm's networks read."""
        if self.convolution and self.convolution.shared:
            head = Features(members, observation, self.convolution)
            rate = getattr(config, "critic_rate", config.learning_rate)
            self.encoder = Component("encoder", head, Adam(rate, max_grad_norm=config.max_grad_norm))
            self.layout = ObservationLayout.vector(head.network.outputs)
        self._normalised = torch.zeros(observation.features, dtype=torch.bool)  # [O]
        for entry in observation.entries():
            self._normalised[entry.columns] = entry.kind == "float" and not entry.is_image

    @property
    def front(self) -> tuple[Layer, ...]:
        """The layers that each network needs before its own: an encoder that is not shared."""
        return (Observe(self.observation, self.convolution),) if self.convolution and self.encoder is None else ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The shared encoder, where there is one."""
        return () if self.encoder is None else (self.encoder,)

    @property
    def acting(self) -> tuple[str, ...]:
        """Names of the state tensors that acting needs."""
        statistics = ("obs_norm.mean", "obs_norm.var", "obs_norm.count") if self.config.norm_obs else ()
        return (*statistics, "encoder") if self.encoder is not None else statistics

    @property
    def plain(self) -> bool:
        """Whether features are observations, up to normalisation."""
        return self.convolution is None

    def init(self, state: State, generators: Sequence[torch.Generator]) -> None:
        """Put fresh statistics and a fresh encoder into the state."""
        size = self.observation.features
        if self.config.norm_obs:
            state["obs_norm.mean"] = torch.zeros(self.members, size, dtype=torch.float64)
            state["obs_norm.var"] = torch.ones(self.members, size, dtype=torch.float64)
            state["obs_norm.count"] = torch.zeros(self.members, dtype=torch.float64)
        if self.config.norm_reward:
            state["reward_norm.mean"] = torch.zeros(self.members, 1, dtype=torch.float64)
            state["reward_norm.var"] = torch.ones(self.members, 1, dtype=torch.float64)
            state["reward_norm.count"] = torch.zeros(self.members, dtype=torch.float64)
        for part in self.parts:
            part.init(state, generators)

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the draws that augmentation takes in one update."""
        return {"shift": (batch_size, 2), "next_shift": (batch_size, 2)} if self.shift else {}

    def watch(self, state: State, obs: Tensor) -> None:
        """Take new observations [P, N, O] into the running statistics."""
        if self.config.norm_obs:
            _merge(state, "obs_norm", obs)

    def watch_returns(self, state: State, returns: Tensor) -> None:
        """Take discounted returns so far [P, N] of the episodes under way into the running statistics."""
        if self.config.norm_reward:
            _merge(state, "reward_norm", returns.unsqueeze(-1))

    def normalise(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return (obs − mean) / std of the float entries, clipped to ±10. obs [P, N, O] → [P, N, O]"""
        if not self.config.norm_obs:
            return obs
        mean, var = state["obs_norm.mean"].to(obs.dtype), state["obs_norm.var"].to(obs.dtype)  # [P, O]
        normalised = standardise(obs, mean, var, epsilon=EPSILON, clip=CLIP)
        return torch.where(self._normalised.to(obs.device), normalised, obs)

    def features(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return what the algorithm's networks read when acting. obs [P, N, O] → [P, N, F]"""
        obs = self.normalise(state, obs)
        return obs if self.encoder is None else self.encoder(state, obs)

    def prepare(self, state: Mapping[str, Tensor], batch: Batch, noise: Mapping[str, Tensor]) -> Batch:
        """Return the batch as the algorithm's networks read it.

        With a shared encoder `unencoded` keeps the observations from which the critics' loss trains it. Choice: the
        next observations go through the encoder itself, which has no target copy (2107.09645).
        """
        obs, next_obs = self.normalise(state, batch.obs), self.normalise(state, batch.next_obs)
        if self.shift:
            obs = random_shift(obs, self.observation, noise["shift"], self.shift)
            next_obs = random_shift(next_obs, self.observation, noise["next_shift"], self.shift)
        reward = batch.reward
        if self.config.norm_reward:
            reward = reward * torch.rsqrt(state["reward_norm.var"].to(reward.dtype) + EPSILON)  # [P, B] · [P, 1]
        if self.encoder is None:
            return batch._replace(obs=obs, next_obs=next_obs, reward=reward)
        return batch._replace(
            obs=self.encoder(state, obs), next_obs=self.encoder(state, next_obs), reward=reward, unencoded=obs
        )

    def fast_normaliser(self, state: Mapping[str, Tensor]) -> "FastNormaliser | None":
        """Return `normalise` in NumPy, on the memory of this state; None where nothing is normalised."""
        return FastNormaliser(state, self._normalised) if self.config.norm_obs else None


@final
class FastNormaliser:
    """`Perception.normalise` for a few observations in NumPy."""

    def __init__(self, state: Mapping[str, Tensor], normalised: Tensor) -> None:
        self._mean, self._var = state["obs_norm.mean"].numpy(), state["obs_norm.var"].numpy()
        self._normalised = normalised.numpy()

    def __call__(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the normalised observations [P, N, O]."""
        mean, var = self._mean.astype(np.float32)[:, np.newaxis], self._var.astype(np.float32)[:, np.newaxis]
        normalised = np.clip((obs - mean) / np.sqrt(var + np.float32(EPSILON)), -CLIP, CLIP)
        return np.where(self._normalised, normalised, obs).astype(np.float32)


def _merge(state: State, name: str, values: Tensor) -> None:
    """Merge a batch of values [P, N, O] into running mean, variance and count, in place."""
    running = Moments(*(state[f"{name}.{part}"] for part in ("mean", "var", "count")))
    for tensor, new in zip(running, merge_moments(*running, *batch_moments(values)), strict=True):
        tensor.copy_(new)
