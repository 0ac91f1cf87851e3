"""The settings of a run that are not the algorithm's, and all settings of a run together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from maxent.algorithms.base import Algorithm
from maxent.algorithms.settings import AlgorithmConfig, finite, require, require_whole
from maxent.errors import UserError
from maxent.records import build, choices_of, plain_settings, unknown
from maxent.replay.kinds import HindsightReplay, PrioritizedReplay, Storage, UniformReplay
from maxent.training.words import in_our_words, require_no_foreign, whole


@dataclass(frozen=True)
class RunConfig:
    """How a run is driven. Counts are per member: a run of four seeds takes four times as many environment steps."""

    steps: int = 1_000_000
    """Environment steps per member."""
    seed: int = 0
    """Seed of member 0; member k has seed + k and equals a run of its own with that seed, to rounding."""
    seeds: int = 1
    """Members P: how many seeds train side by side."""
    num_envs: int = 1
    """Environments per member."""
    workers: bool = False
    """Step the environments in worker processes; pays off when one step takes longer than about a millisecond."""
    step_timeout: float | None = None
    """Seconds that environments in worker processes may take for a step or a reset, and a tenth of those that a
    replaced process may take to start; None for no limit."""
    bad_data: Literal["stop", "drop"] = "stop"
    """What to do with an observation, reward or flag of an environment that cannot be used: stop the run with a
    checkpoint, or drop the unfinished episode and begin another."""
    eval_every: int = 10_000
    """Steps between evaluations; 0 turns them off."""
    eval_episodes: int = 10
    """Episodes per member and evaluation."""
    log_every: int = 1_000
    """Steps between rows of metrics."""
    checkpoint_every: int = 10_000
    """Steps between checkpoints of a run with a folder."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where updates are computed: auto takes a GPU where there is one."""
    precision: Literal["float32", "tf32", "bf16", "auto"] = "float32"
    """Numbers in matrix products; weights and sums stay float32. auto: bf16 with AMX, tf32 on a GPU, else float32."""
    threads: int | None = None
    """Most threads of an update; None for as many as torch uses (OMP_NUM_THREADS)."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the update: auto does where a C++ compiler is found and the run is long enough to pay for it."""

    def __post_init__(self) -> None:
        for name in ("steps", "seeds", "num_envs", "log_every", "eval_episodes"):
            require_whole(name, getattr(self, name), 1)
        for name in ("seed", "eval_every", "checkpoint_every"):
            require_whole(name, getattr(self, name), 0)
        if self.threads is not None:
            require_whole("threads", self.threads, 1)
        limit = self.step_timeout
        require("step_timeout", limit, limit is None or (finite(limit) and limit > 0), "a number above 0, or None")
        if limit is not None and not self.workers:
            raise UserError(f"step_timeout: got {limit:g} without workers; a step in this process cannot be limited.")
        require("bad_data", self.bad_data, self.bad_data in ("stop", "drop"), "'stop' or 'drop'")
        require("compile", self.compile, self.compile in ("auto", "on", "off"), "'auto', 'on' or 'off'")
        require("device", self.device, self.device in ("auto", "cpu", "cuda"), "'auto', 'cpu' or 'cuda'")
        products = ("float32", "tf32", "bf16", "auto")
        require("precision", self.precision, self.precision in products, "'float32', 'tf32', 'bf16' or 'auto'")


@dataclass(frozen=True)
class ReplayConfig:
    """What an algorithm with a replay learns from, and how often."""

    buffer_size: int = 1_000_000
    """Rows of replay per member."""
    batch_size: int = 256
    """Transitions per update."""
    learning_starts: int = 1_000
    """Steps of uniformly random actions before the first update."""
    random_hold: int = 1
    """Environment steps for which each of those random actions is held: a pushed cart needs more than one."""
    replay_ratio: float = 1.0
    """Gradient updates per transition, the same meaning for any number of environments."""
    n_step: int = 1
    """Steps of reward before the value of the state reached is taken."""
    n_step_entropy: bool = False
    """Keep the policy's entropy at the states in between in n-step returns, as the soft Bellman equation has it."""
    replay: UniformReplay | PrioritizedReplay | HindsightReplay = field(default_factory=UniformReplay)
    """What an update learns from: any transitions alike (uniform), by their error (prioritized), or with goals of what
    was reached later (hindsight; goal environments alone)."""
    replay_storage: Storage = "auto"
    """Where the rows are: in memory (ram), in a file mapped into memory (disk), or with a copy on the GPU (device).
    auto: device on a GPU, else ram."""

    def __post_init__(self) -> None:
        for name in ("buffer_size", "batch_size", "n_step", "random_hold"):
            require_whole(name, getattr(self, name), 1)
        require_whole("learning_starts", self.learning_starts, 0)
        if self.n_step_entropy and self.n_step == 1:
            raise UserError("n_step_entropy: expected n_step above 1, whose returns have steps in between, got 1.")
        ratio = self.replay_ratio
        if self.random_hold > 1 and self.learning_starts == 0:
            raise UserError(
                f"random_hold: got {self.random_hold} with learning_starts=0, which takes no random actions to hold; "
                "set learning_starts or leave random_hold out."
            )
        require("replay_ratio", ratio, finite(ratio) and ratio >= 0, "a number of at least 0")
        kinds = (UniformReplay, PrioritizedReplay, HindsightReplay)
        require("replay", self.replay, isinstance(self.replay, kinds), "'uniform', 'prioritized' or 'hindsight'")
        storages, storage = get_args(Storage), self.replay_storage
        require("replay_storage", storage, storage in storages, "'auto', 'ram', 'disk' or 'device'")


@dataclass(frozen=True)
class Settings:
    """All settings of a run; an on-policy algorithm has no replay, and so no settings of one."""

    algorithm: type[Algorithm]
    config: AlgorithmConfig
    run: RunConfig
    replay: ReplayConfig | None

    def __post_init__(self) -> None:
        if self.replay is not None and self.replay.n_step_entropy and not self.algorithm.soft_returns:
            raise UserError(
                f"n_step_entropy: {self.algorithm.name} has no policy whose entropy its targets count; leave it out."
            )
        if self.config.norm_reward and self.config.reward_scale != 1.0:
            raise UserError(
                f"reward_scale: got {self.config.reward_scale:g} with norm_reward, which divides it out again; "
                "leave one of the two out."
            )

    @classmethod
    def of(cls, algorithm: type[Algorithm], settings: Mapping[str, Any]) -> "Settings":
        """Return the records for settings by name, typed or plain; raise `UserError` for a name that none has."""
        records = records_of(algorithm)
        names = {key: {one.name for one in fields(record)} for key, record in records.items()}
        require_no_foreign(settings.keys(), set().union(*names.values()))
        for name in settings:
            if not any(name in known for known in names.values()):
                others = settings_elsewhere(algorithm)
                if name in others:
                    raise UserError(others[name])
                raise unknown(name, set().union(*names.values()), algorithm.name)
        if "hidden" in settings and None not in (settings.get("actor_network"), settings.get("critic_network")):
            raise UserError("hidden: every network has its own layers already, by network=; leave hidden out.")
        given = {key: {name: settings[name] for name in settings if name in names[key]} for key in records}
        defaults = algorithm.config_class.run_defaults
        for key in given.keys() - {"config"}:
            given[key] = {name: value for name, value in defaults.items() if name in names[key]} | given[key]
        built: dict[str, Any] = {key: build(record, given[key]) for key, record in records.items()}
        return cls(algorithm, built["config"], built["run"], built.get("replay"))

    def to_plain(self) -> dict[str, Any]:
        """Return plain data from which `from_plain` builds equal settings."""
        return {
            "algorithm": self.algorithm.identifier(),
            "settings": plain_settings(self.config),
            "run": plain_settings(self.run),
            "replay": None if self.replay is None else plain_settings(self.replay),
        }

    def planned(self, updates: int) -> "Settings":
        """Return the settings of a run with this many updates, which schedules of step sizes depend on."""
        return replace(self, config=self.config.planned(updates))

    def moved(
        self,
        storage: Storage | None = None,
        device: Literal["auto", "cpu", "cuda"] | None = None,
        threads: int | None = None,
    ) -> "Settings":
        """Return the settings with the rows elsewhere, on another device, or with other threads; None keeps them."""
        run, rows = self.run, self.replay
        if storage is not None:
            if rows is None:
                raise UserError(settings_elsewhere(self.algorithm)["replay_storage"])
            rows = replace(rows, replay_storage=storage)
        if threads is not None:
            run = replace(run, threads=threads)
        if device is not None:
            precision = "auto" if run.precision == "tf32" and device != "cuda" else run.precision
            run = replace(run, device=device, precision=precision)
        return replace(self, run=run, replay=rows)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any], algorithm: type[Algorithm]) -> "Settings":
        """Return the settings that `to_plain` described, of this algorithm."""
        replay = None if data["replay"] is None else build(ReplayConfig, data["replay"])
        config = build(algorithm.config_class, data["settings"])
        return cls(algorithm, config, build(RunConfig, data["run"]), replay)


def require_used(algorithm: Algorithm, config: AlgorithmConfig) -> None:
    """Raise if the only layers that were given are those of a network that the algorithm lacks.

    With layers for both, as `network=` gives them, an algorithm takes those that it needs. An algorithm of the user may
    use layers in its own way, and is not checked.
    """
    given = {name: getattr(config, name) for name in ("actor_network", "critic_network")}
    chosen = {name: layers for name, layers in given.items() if layers is not None}
    if len(chosen) != 1 or ":" in algorithm.identifier():
        return
    ((name, layers),) = chosen.items()
    starts = [
        (network.layers, first) for network in algorithm.networks.values() for first in range(len(network.layers))
    ]
    if not any(own[first : first + len(layers)] == layers for own, first in starts):
        raise UserError(f"{name}: {algorithm.name} with these settings has no such network; leave {name} out.")


def records_of(algorithm: type[Algorithm]) -> dict[str, type[Any]]:
    """Return the records of settings that a run of an algorithm has."""
    replay = {} if algorithm.on_policy else {"replay": ReplayConfig}
    return {"run": RunConfig, **replay, "config": algorithm.config_class}


def ours(algorithm: type[Algorithm], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by our names, where other libraries have another name for the same, and 1e4 as 10000."""
    hints = {name: hint for one in records_of(algorithm).values() for name, hint in get_type_hints(one).items()}
    given = in_our_words(settings, hints.keys())
    for name, value in given.items():
        expected = {hints.get(name), *get_args(hints.get(name))}
        if int in expected and float not in expected:
            several = isinstance(value, list | tuple)
            given[name] = type(value)(map(whole, value)) if several else whole(value)
    return given


def settings_elsewhere(algorithm: type[Algorithm]) -> dict[str, str]:
    """Return an error message for each setting that belongs elsewhere: inside a choice, or to other algorithms."""
    inner: dict[str, str] = {}
    for record in records_of(algorithm).values():
        for choice, kind, name in choices_of(record):
            word = choice.replace("_", "-")
            inner.setdefault(name, f"{name}: it is a setting of {choice} {kind}: --{word} {kind} {name}=VALUE.")
    if not algorithm.on_policy:
        return inner
    why = (
        f"{algorithm.name} learns from the newest steps of its own policy, once, so it takes no such setting; "
        "rollout_steps and num_envs say how many they are."
    )
    return inner | {one.name: f"{one.name}: {why}" for one in fields(ReplayConfig)}
