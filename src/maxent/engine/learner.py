"""An algorithm with its state and the layouts of its environment: all that acting needs."""

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent.algorithms.base import Algorithm
from maxent.algorithms.settings import AlgorithmConfig
from maxent.engine.fitting import made_for, require_kind, specs_of
from maxent.engine.memory import require_networks
from maxent.engine.streams import INIT, torch_stream
from maxent.errors import UserError
from maxent.nn.acting import MOST_ROWS
from maxent.nn.network import Network
from maxent.nn.optimiser import State
from maxent.records import build, plain_settings
from maxent.spaces import ActionLayout, ObservationLayout, Packed
from maxent.stateful import Saved, require_tensors


@final
class Learner:
    """P members of one algorithm.

    Args:
        algorithm: the algorithm.
        config: its settings.
        seeds: one per member.
        observation: how observations are packed and encoded.
        action: how actions are converted for the environment.
        state: its tensors; None for initial ones.
        device: the device of the tensors.
    """

    def __init__(
        self,
        algorithm: type[Algorithm],
        config: AlgorithmConfig,
        seeds: list[int],
        observation: ObservationLayout,
        action: ActionLayout,
        state: State | None = None,
        device: str = "cpu",
    ) -> None:
        require_kind(algorithm, action)
        self.seeds, self.observation, self.action = seeds, observation, action
        self.algorithm = algorithm(config, len(seeds), observation, action)
        self.config = config
        if state is None:
            require_networks(self.algorithm)
        fresh = self.algorithm.init([torch_stream(seed, INIT) for seed in seeds]) if state is None else state
        self.device = device
        self.state: State = {name: tensor.to(device) for name, tensor in fresh.items()}
        # what the networks read is what was packed, and it is in the memory of the host
        plain = device == "cpu" and observation.plain and self.algorithm.perception.plain
        self._fast = self.algorithm.fast_actor(self.state) if plain else None
        self._normalise = self.algorithm.perception.fast_normaliser(self.state) if plain else None

    def configure(self, config: AlgorithmConfig) -> None:
        """Take other settings that leave the tensors as they are, such as the horizon of a schedule."""
        self.config = config
        self.algorithm = type(self.algorithm)(config, self.members, self.observation, self.action)

    @property
    def members(self) -> int:
        """The number of members P."""
        return len(self.seeds)

    @property
    def keeps_statistics(self) -> bool:
        """Whether observations or rewards are normalised by running statistics."""
        return self.config.norm_obs or self.config.norm_reward

    def watch(
        self,
        obs: Packed,
        returns: NDArray[np.float64] | None = None,
        *,
        acting: NDArray[np.bool_] | None = None,
        live: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add packed observations [P · N, …] and discounted returns [P, N] to the running statistics.

        Only the observations where `acting` [P · N] and the returns where `live` [P · N] count; None counts all.
        """
        if not self.keeps_statistics:
            return
        perception, observation = self.algorithm.perception, self.observation
        with torch.no_grad():
            encoded = self._encode(obs).reshape(self.members, -1, observation.features)
            perception.watch(self.state, encoded, self._mask(acting))
            if returns is not None:
                perception.watch_returns(self.state, torch.from_numpy(returns).to(self.device), self._mask(live))

    def _mask(self, counted: NDArray[np.bool_] | None) -> Tensor | None:
        """Return which lanes count [P, N], None for all of them."""
        if counted is None or counted.all():
            return None
        return torch.from_numpy(counted.reshape(self.members, -1)).to(self.device)

    def act(self, obs: Packed, noise: NDArray[np.float32], step: float = math.inf) -> NDArray[np.float32]:
        """Return exploring actions at a step of training, by default after its end.

        packed obs [P, N, …], noise [P, N, act_noise] → [P, N, A]
        """
        if self._fast is not None and noise.shape[1] <= MOST_ROWS:
            return self._fast.act(self._read(obs), noise)
        with torch.no_grad():
            drawn = torch.from_numpy(noise).to(self.device)
            return self.algorithm.act(self.state, self._features(self.state, obs), drawn, step).numpy(force=True)

    def mode(self, obs: Packed, state: Mapping[str, Tensor] | None = None) -> NDArray[np.float32]:
        """Return the most probable actions, by default of the learner's own state: packed obs [P, N, …] → [P, N, A]."""
        if self._fast is not None and state is None and obs["float"].shape[1] <= MOST_ROWS:
            return self._fast.mode(self._read(obs))
        chosen = self.state if state is None else state
        with torch.no_grad():
            return self.algorithm.mode(chosen, self._features(chosen, obs)).numpy(force=True)

    def q(self, obs: Packed, action: NDArray[np.float32], member: int) -> NDArray[np.float32]:
        """Return the smallest of one member's critics: packed obs [B, …], action [B, A] in [−1, 1] or index → [B]."""
        encoded, wanted = self._encode(obs), torch.from_numpy(action).to(self.device)
        with torch.no_grad():
            features = self.algorithm.perception.features(self.state, encoded.expand(self.members, -1, -1))
            q = self.algorithm.q(self.state, features, wanted.expand(self.members, -1, -1))
        return q[member].numpy(force=True)

    def values(self, obs: Packed, action: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the smallest of every member's critics in the unit of the environment's rewards.

        packed obs [P, N, …], action [P, N, A] as `mode` returns it → [P, N]
        """
        algorithm, config = self.algorithm, self.config
        with torch.no_grad():
            q = algorithm.q(self.state, self._features(self.state, obs), torch.from_numpy(action).to(self.device))
            if config.norm_reward:
                q = q * algorithm.perception.reward_divisor(self.state, q.dtype)
            scaled = q.double().numpy(force=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(scaled / config.reward_scale)

    def select_member(self, member: int) -> "Learner":
        """Return one member's policy as a learner of its own. It shares the tensors, so it is always up to date."""
        policy = {name: self.state[name][member : member + 1] for name in self.algorithm.policy_tensors}
        return Learner(
            type(self.algorithm),
            self.config,
            [self.seeds[member]],
            self.observation,
            self.action,
            state=policy,
            device=self.device,
        )

    def policy(self) -> State:
        """Return a copy of the tensors that acting needs."""
        return {name: self.state[name].clone() for name in self.algorithm.policy_tensors}

    def _read(self, obs: Packed) -> NDArray[np.float32]:
        """Return packed observations after normalisation, if it is on."""
        return obs["float"] if self._normalise is None else self._normalise(obs["float"])

    def _encode(self, obs: Packed) -> Tensor:
        return self.observation.encode({part: torch.from_numpy(array).to(self.device) for part, array in obs.items()})

    def _features(self, state: Mapping[str, Tensor], obs: Packed) -> Tensor:
        return self.algorithm.perception.features(state, self._encode(obs))

    def named(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a state by their names in files: a network's flat tensor is split into its layers.

        "actor" becomes "actor/layer_0.weight" [P, in, out], "actor/layer_0.bias" [P, 1, out], …;
        "critic.adam_m" becomes "critic.adam_m/layer_0.weight" [P, E, in, out]; all else keeps its name and shape.
        """
        named: dict[str, Tensor] = {}
        for name, tensor in state.items():
            found = self._views(name, tensor)
            if found is None:
                named[name] = tensor.detach().cpu().contiguous()
                continue
            groups, views = found
            for layer, view in views.items():
                named[f"{name}/{layer}"] = view.detach().cpu().reshape(*groups, *view.shape[1:]).contiguous()
        return named

    def load_named(self, named: Mapping[str, Tensor], state: State) -> None:
        """Copy tensors from a file's names into those of `state`, in place."""
        for name, tensor in state.items():
            found = self._views(name, tensor)
            targets = {name: tensor} if found is None else {f"{name}/{key}": view for key, view in found[1].items()}
            for key, target in targets.items():
                if key not in named:
                    raise UserError(f"The file lacks the tensor {key!r}: it was not written by this version of maxent.")
                if named[key].numel() != target.numel():
                    got, expected = tuple(named[key].shape), tuple(target.shape)
                    raise UserError(f"The file's tensor {key!r} has the shape {got}, expected was {expected}.")
                target.copy_(named[key].reshape(target.shape))

    def _views(self, name: str, tensor: Tensor) -> tuple[tuple[int, ...], dict[str, Tensor]] | None:
        """Return groups and layers of a flat tensor of parameters, of moments of them, or of buffers; else None."""
        owner, _, kind = name.partition(".")
        network: Network | None = self.algorithm.networks.get(owner)
        if network is None:
            return None
        if kind == "buffers":
            return network.groups, network.buffer_views(tensor)
        if tensor.shape == (*network.groups, network.size):
            return network.groups, network.views(tensor)
        return None

    def to_plain(self) -> dict[str, Any]:
        """Return plain data that describes the learner without its tensors, for files."""
        return {
            "algorithm": self.algorithm.identifier(),
            "settings": plain_settings(self.config),
            "seeds": self.seeds,
            "observation": self.observation.to_json(),
            "action": self.action.to_json(),
        }

    @classmethod
    def of_policy(cls, data: Mapping[str, Any], kind: type[Algorithm], named: Mapping[str, Tensor]) -> "Learner":
        """Return a learner that acts alone, from what `to_plain` described and the tensors of a policy's file.

        They are compared with what the settings imply before memory is taken, and nothing that training needs is made.
        """
        algorithm = made_for(data, kind)
        names = algorithm.policy_tensors
        require_tensors(named, specs_of(algorithm, names), others=True)
        state: State = {}
        for name in names:
            owner, _, buffers = name.partition(".")
            if owner in algorithm.networks:
                network = algorithm.networks[owner]
                state[name] = torch.zeros(*network.groups, network.buffer_size if buffers else network.size)
            elif name in named:
                state[name] = named[name].clone()
        seeds, config = list(data["seeds"]), build(kind.config_class, data["settings"])
        observation = ObservationLayout.from_json(data["observation"])
        learner = cls(kind, config, seeds, observation, algorithm.action, state=state)
        learner.load_named(named, learner.state)
        return learner


@final
class LearnerState:
    """A learner as part of a checkpoint: every tensor of its state."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def state(self) -> Saved:
        """Return the tensors by their names in files."""
        return Saved({}, self.learner.named(self.learner.state))

    def restore(self, saved: Saved) -> None:
        """Copy the saved tensors into the learner's state, in place."""
        self.learner.load_named(saved.tensors, self.learner.state)
