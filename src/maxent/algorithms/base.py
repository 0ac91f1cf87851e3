"""The interface of an algorithm: tensors to start from, an update, and two ways to act.

A new algorithm is one file, in this package or in a module of the user's: a class derived from `Algorithm`, or from
another algorithm, with a `name` of its own. docs/write-your-own-algorithm.md builds one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from maxent.algorithms.component import Part
from maxent.algorithms.perception import Perception
from maxent.algorithms.settings import AlgorithmConfig
from maxent.batch import Batch
from maxent.errors import UserError
from maxent.modules import qualified_name
from maxent.nn.acting import FastActor
from maxent.nn.layers import Layer, relu_layers
from maxent.nn.network import Network
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout

Noise = Mapping[str, Tensor]
"""The standard normal draws of one update, by name, each [P, ...]."""


@dataclass(frozen=True)
class Fresh:
    """Independent draws in every step."""


@dataclass(frozen=True)
class Held:
    """The draws of a step are held for n steps, P(n) ∝ 1/n² up to `most` (FlashSAC, 2604.04539)."""

    most: int


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """The last `size` draws are a process x ← (1 − θ) x + ε with θ = `pull` (1509.02971 §7), the others independent."""

    size: int
    pull: float = 0.15


Exploration = Fresh | Held | OrnsteinUhlenbeck

DEFINED: dict[str, type["Algorithm"]] = {}
"""Every algorithm whose module has been imported, by its identifier."""


class Algorithm(ABC):
    """One algorithm for P members: it owns no tensors, it changes those of the state in place.

    Args:
        config: its settings, an instance of `config_class`.
        members: P.
        observation: the layout of the observations.
        action: the layout of the actions.
    """

    name: ClassVar[str]
    """Its name on the command line; "MySAC" for a class of that name in Python follows from `title`."""
    title: ClassVar[str] = ""
    """The class of `maxent` for it, such as "SAC" for `maxent.SAC`; only algorithms of this package have one."""
    summary: ClassVar[str]
    """One line for `maxent list algos`."""
    config_class: ClassVar[type[AlgorithmConfig]]
    actions: ClassVar[tuple[Literal["continuous", "discrete"], ...]]
    """The kinds of action space it is for."""
    metrics: ClassVar[tuple[str, ...]]
    """The tags of what `update` reports."""
    on_policy: ClassVar[bool] = False
    """Whether an update learns from the newest steps, in order, instead of a sample of the replay."""
    policy_names: ClassVar[tuple[str, ...]] = ("actor",)
    """The components that acting needs: what a policy file holds."""
    soft_returns: ClassVar[bool] = False
    """Whether its targets can keep the entropy of the steps in between of an n-step return."""
    random_layers: ClassVar[tuple[str, ...]] = ()
    """The components whose layers may take random draws in training, such as Dropout."""
    policy_delay: int = 1
    """Updates per update of the policy."""
    target_delay: int = 1
    """Updates per update of the targets."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "title" not in cls.__dict__:
            cls.title = ""  # that of the class it is derived from names another one
        if "name" in cls.__dict__:
            DEFINED[cls.identifier()] = cls

    def __init__(self, config: Any, members: int, observation: ObservationLayout, action: ActionLayout) -> None:
        self.members, self.action = members, action
        self.perception = Perception(config, members, observation)
        self.features = self.perception.layout.features
        """Size of what its networks read in place of an observation."""
        front, hidden = self.perception.front, tuple(config.hidden)
        critic_hidden = tuple(getattr(config, "critic_hidden", None) or hidden)
        actor = config.actor_network or self.hidden_layers(config, "actor", hidden)
        critic = config.critic_network or self.hidden_layers(config, "critic", critic_hidden)
        self.actor_layers: tuple[Layer, ...] = (*front, *actor)
        self.critic_layers: tuple[Layer, ...] = (*front, *critic)

    @classmethod
    def hidden_layers(cls, config: Any, role: Literal["actor", "critic"], hidden: tuple[int, ...]) -> tuple[Layer, ...]:
        """Return the hidden layers of a network of these sizes, unless the user gives others."""
        return relu_layers(hidden, layer_norm=role == "critic" and getattr(config, "layer_norm", False))

    @classmethod
    def identifier(cls) -> str:
        """Return its name in files: `name` for algorithms of this package, else "module:Class"."""
        return cls.name if cls.__module__.startswith("maxent.") else qualified_name(cls)

    @property
    @abstractmethod
    def components(self) -> tuple[Part, ...]:
        """What it learns, in the order in which fresh parameters are drawn."""

    @property
    def networks(self) -> dict[str, Network]:
        """The network of each flat parameter tensor of the state; files name its layers."""
        parts = (*self.perception.parts, *self.components)
        return {name: network for part in parts for name, network in part.networks.items()}

    @property
    def policy_tensors(self) -> tuple[str, ...]:
        """The tensors of the state that acting needs."""
        names = (*self.perception.acting, *self.policy_names)
        networks = self.networks
        with_buffers = [name for name in names if name in networks and networks[name].buffer_size]
        return (*names, *(f"{name}.buffers" for name in with_buffers))

    @property
    def act_noise(self) -> int:
        """Standard normal draws that `act` takes for one observation."""
        return self.action.size

    @property
    def exploration(self) -> Exploration:
        """How the draws of `act` follow one another over the steps of a run."""
        return Fresh()

    def init(self, generators: Sequence[torch.Generator]) -> State:
        """Return a fresh state; member p draws only from generators[p]."""
        random = [name for name, network in self.networks.items() if network.draws and name not in self.random_layers]
        if random:
            raise UserError(
                f"{self.name}: expected no dropout in {' and '.join(random)}, whose layers get no random draws; "
                "sac, redq, droq and tqc take it in the critics."
            )
        state: State = {}
        self.perception.init(state, generators)
        for component in self.components:
            component.init(state, generators)
        return state

    def update_noise(self, batch_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes, without P, of the standard normal draws of one update."""
        return {}

    @abstractmethod
    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        """Make one gradient step on every member; `policy` and `target` say whether actor and targets take part.

        The state changes in place. Returns metrics [P] by tag, and what prioritised replay needs as `TD_ERROR` [P, B].
        Runs without gradient tracking.
        """

    @abstractmethod
    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        """Return actions to explore with at environment step `step`.

        features obs [P, N, F], noise [P, N, act_noise] → [P, N, A]
        """

    @abstractmethod
    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        """Return the policy's best action, for evaluation: features obs [P, N, F] → [P, N, A]."""

    def fast_actor(self, state: Mapping[str, Tensor]) -> FastActor | None:
        """Return what acts for a few observations without torch, on the memory of this state; None if nothing does."""
        return None

    def due(self, update: int) -> tuple[bool, bool]:
        """Return whether update number `update`, counted from 1, moves the policy and the targets."""
        return update % self.policy_delay == 0, update % self.target_delay == 0

    def scheduled(self, step: float) -> dict[str, float]:
        """Return what follows a schedule in environment steps, by tag, for the metrics."""
        return {}

    @classmethod
    def has_q(cls) -> bool:
        """Return whether there are critics of states and actions."""
        return cls.q is not Algorithm.q

    def q(self, state: Mapping[str, Tensor], obs: Tensor, action: Tensor) -> Tensor:
        """Return the smallest of the critics' values: features obs [P, B, F], action [P, B, A] → [P, B]."""
        raise UserError(f"{self.name} has no critic of states and actions.")
