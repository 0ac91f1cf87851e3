"""An algorithm with its state and the layouts of its environment: everything that acting needs."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent import algorithms
from maxent.algorithms.base import AlgorithmConfig
from maxent.engine.streams import INIT, torch_stream
from maxent.errors import UserError
from maxent.nn.acting import MOST_ROWS
from maxent.nn.networks import MLP
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout, Packed


@final
class Learner:
    """P members of one algorithm.

    Args:
        algorithm: its name, as in `maxent list algos`.
        config: its settings.
        seeds: one per member.
        observation: how observations are packed and encoded.
        action: how actions reach the environment.
        state: its tensors; None makes fresh ones.
        device: where they are.
    """

    def __init__(
        self,
        algorithm: str,
        config: AlgorithmConfig,
        seeds: list[int],
        observation: ObservationLayout,
        action: ActionLayout,
        state: State | None = None,
        device: str = "cpu",
    ) -> None:
        kind = algorithms.find(algorithm)
        if action.kind not in kind.actions:
            fitting = ", ".join(algorithms.taking(action.kind))
            raise UserError(
                f"{algorithm} is for {' and '.join(kind.actions)} actions and this environment's are {action.kind}: "
                f"algorithms for {action.kind} actions: {fitting}."
            )
        self.seeds, self.observation, self.action = seeds, observation, action
        self.algorithm = kind(config, len(seeds), observation.features, action)
        self.config = config
        fresh = self.algorithm.init([torch_stream(seed, INIT) for seed in seeds]) if state is None else state
        self.device = device
        self.state: State = {name: tensor.to(device) for name, tensor in fresh.items()}
        # what the networks read is what was packed, and it is in the memory of the host
        plain = device == "cpu" and observation.plain
        self._fast = self.algorithm.fast_actor(self.state) if plain else None

    @property
    def members(self) -> int:
        """P."""
        return len(self.seeds)

    def act(self, obs: Packed, noise: NDArray[np.float32], step: float = math.inf) -> NDArray[np.float32]:
        """Exploring actions at a step of training, by default after all of it.

        packed obs [P, N, …], noise [P, N, act_noise] → [P, N, A]
        """
        if self._fast is not None and noise.shape[1] <= MOST_ROWS:
            return self._fast.act(obs["float"], noise)
        with torch.no_grad():
            drawn = torch.from_numpy(noise).to(self.device)
            return self.algorithm.act(self.state, self._encode(obs), drawn, step).numpy(force=True)

    def mode(self, obs: Packed, state: Mapping[str, Tensor] | None = None) -> NDArray[np.float32]:
        """The policy's best actions, those of `state` where it is given: packed obs [P, N, …] → [P, N, A]."""
        if self._fast is not None and state is None and obs["float"].shape[1] <= MOST_ROWS:
            return self._fast.mode(obs["float"])
        with torch.no_grad():
            return self.algorithm.mode(self.state if state is None else state, self._encode(obs)).numpy(force=True)

    def q(self, obs: Packed, action: NDArray[np.float32], member: int) -> NDArray[np.float32]:
        """The smallest of one member's critics: packed obs [B, …], action [B, A] in [−1, 1] or an index → [B]."""
        encoded, wanted = self._encode(obs), torch.from_numpy(action).to(self.device)
        with torch.no_grad():
            q = self.algorithm.q(self.state, encoded.expand(self.members, -1, -1), wanted.expand(self.members, -1, -1))
        return q[member].numpy(force=True)

    def only(self, member: int) -> "Learner":
        """One member's policy as a learner of its own. It shares the tensors, so it is always up to date."""
        policy = {name: self.state[name][member : member + 1] for name in self.algorithm.policy_names}
        return Learner(
            self.algorithm.name,
            self.config,
            [self.seeds[member]],
            self.observation,
            self.action,
            state=policy,
            device=self.device,
        )

    def policy(self) -> State:
        """A copy of the tensors that acting needs."""
        return {name: self.state[name].clone() for name in self.algorithm.policy_names}

    def _encode(self, obs: Packed) -> Tensor:
        return self.observation.encode({part: torch.from_numpy(array).to(self.device) for part, array in obs.items()})

    def _network(self, name: str, tensor: Tensor) -> MLP | None:
        """The network whose flat parameters, or moments of them, this tensor holds; None where it holds neither."""
        network = self.algorithm.networks.get(name.split(".")[0])
        return network if network is not None and tensor.shape == (*network.groups, network.size) else None

    def named(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a state under the names that files use: a network's flat tensor as its layers.

        "actor" becomes "actor/layer_0.weight" [P, in, out], "actor/layer_0.bias" [P, 1, out], …;
        "critic.adam_m" becomes "critic.adam_m/layer_0.weight" [P, E, in, out]; all else keeps its name and shape.
        """
        named: dict[str, Tensor] = {}
        for name, tensor in state.items():
            network = self._network(name, tensor)
            if network is None:
                named[name] = tensor.detach().cpu().contiguous()
                continue
            for layer, view in network.views(tensor).items():
                named[f"{name}/{layer}"] = view.detach().cpu().reshape(*network.groups, *view.shape[1:]).contiguous()
        return named

    def load_named(self, named: Mapping[str, Tensor], state: State) -> None:
        """Copy tensors from a file's names into those of `state`, in place."""
        for name, tensor in state.items():
            network = self._network(name, tensor)
            targets = {name: tensor}
            if network is not None:
                targets = {f"{name}/{layer}": view for layer, view in network.views(tensor).items()}
            for key, target in targets.items():
                if key not in named:
                    raise UserError(f"The file lacks the tensor {key!r}: it was not written by this version of maxent.")
                if named[key].numel() != target.numel():
                    got, expected = tuple(named[key].shape), tuple(target.shape)
                    raise UserError(f"The file's tensor {key!r} has the shape {got}, expected was {expected}.")
                target.copy_(named[key].reshape(target.shape))

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` builds an equal learner, with fresh tensors."""
        return {
            "algorithm": self.algorithm.name,
            "settings": asdict(self.config),
            "seeds": self.seeds,
            "observation": self.observation.to_json(),
            "action": self.action.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Learner":
        """The learner that `to_json` described."""
        kind = algorithms.find(data["algorithm"])
        known = {field.name for field in fields(kind.config_class)}
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data["settings"].items()
            if name in known
        }
        return cls(
            data["algorithm"],
            kind.config_class(**settings),
            list(data["seeds"]),
            ObservationLayout.from_json(data["observation"]),
            ActionLayout.from_json(data["action"]),
        )
