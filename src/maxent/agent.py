"""The Python API: an agent that learns, predicts, and is saved and loaded."""

import difflib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from maxent import algorithms, recipes
from maxent.algorithms.base import AlgorithmConfig, require_whole
from maxent.engine.learner import Learner
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.runs.files import read_json, require_space
from maxent.runs.folder import RunFolder
from maxent.runs.policy import read_policy
from maxent.spaces import ActionLayout, ObservationLayout
from maxent.training.evaluation import EvaluationResult, Evaluator
from maxent.training.settings import TrainConfig
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer
from maxent.view.console import make_console

Env = str | gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any] | Callable[[], gym.Env[Any, Any]]
ConsoleMode = Literal["auto", "live", "plain", "quiet"]

SAVED = "saved-agent"
"""Marks a folder that `Agent.save` may replace."""

EVALUATION_BASE = 1_000_000
"""Where the seeds of `evaluate` start, so that they differ from those by which a run chose its best policy."""


class Agent:
    """P members of one algorithm on one environment.

    Args:
        env: a Gymnasium id ("Pendulum-v1", "my_module:MyEnv-v0"), an environment, a vector environment or a factory.
        seed: seed of member 0; member k has seed + k.
        seeds: members that train side by side, each as if alone.
        env_kwargs: passed to the environment when it is made from an id.
        verbose: print progress; a live view on a terminal, plain lines elsewhere.
        **settings: any setting of the algorithm or the run, by its name in `maxent train --help`, such as
            learning_rate=1e-3 or num_envs=4.
    """

    algorithm: ClassVar[str]

    def __init__(
        self,
        env: Env,
        *,
        seed: int = 0,
        seeds: int = 1,
        env_kwargs: Mapping[str, Any] | None = None,
        verbose: bool = True,
        **settings: Any,
    ) -> None:
        source = EnvSource.of(env, env_kwargs)
        algorithm_config, train_config = split_settings(self.algorithm, settings | {"seed": seed, "seeds": seeds})
        console = make_console("auto" if verbose else "quiet")
        self._source: EnvSource | None = source
        self._trainer: Trainer | None = Trainer(source, self.algorithm, algorithm_config, train_config, console)
        self._learner = self._trainer.learner
        self._scores: NDArray[np.float64] | None = None
        self._recipe: str | None = None
        self._stream = np.random.default_rng(seed)
        self._single: dict[int, Learner] = {}

    @classmethod
    def from_recipe(cls, env: str, **settings: Any) -> Self:
        """An agent with the tuned settings for this environment; `settings` take precedence."""
        recipe = recipes.find(env, cls.algorithm)
        if recipe is None:
            raise UserError(
                f"There is no recipe for {cls.algorithm} on {env}: `maxent list recipes` shows those there are."
            )
        learned = algorithms.find(cls.algorithm).config_class.for_learned_alpha
        agent = cls(env, **(recipe.applicable_settings(settings.get("alpha", "auto"), learned) | settings))
        agent._recipe = recipe.source
        return agent

    @property
    def members(self) -> int:
        """P, how many members there are."""
        return self._learner.members

    @property
    def num_timesteps(self) -> int:
        """Environment steps that every member has made."""
        return self._trainer.step if self._trainer else 0

    def learn(self, steps: int, *, run_dir: str | Path | None = None) -> Self:
        """Train every member for `steps` more environment steps.

        With `run_dir`, the folder gets config, metrics, checkpoints, policies and a picture, and `maxent resume` can go
        on from it after an interruption. Ctrl-C then writes a checkpoint before it is raised.
        """
        if self.train(steps, run_dir) is not Outcome.FINISHED:
            raise KeyboardInterrupt
        return self

    def train(self, steps: int, run_dir: str | Path | None = None, *, recipe: str | None = None) -> Outcome:
        """What `learn` does, answering how it ended; `recipe` says in the folder where the settings come from."""
        trainer = self._require_trainer()
        require_whole("steps", steps, 1)
        trainer.extend(trainer.step + steps)
        if run_dir is not None:
            folder = RunFolder.create(Path(run_dir))
            require_space(folder.path, trainer.bytes_to_write())
            folder.write_config(_config_of(trainer, recipe or self._recipe))
            trainer.attach(folder)
        elif trainer.folder is not None:
            trainer.folder.update_config(train=asdict(trainer.config))
        return trainer.run()

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        *,
        member: int | None = None,
    ) -> tuple[NDArray[Any], Any]:
        """The action for an observation, or actions for a batch of them, with Stable-Baselines3's signature.

        `state` and `episode_start` are for recurrent policies: they come back unused. `member=None` is the best member
        so far: highest evaluation return, else highest training return, else member 0.
        """
        chosen = self.best_member() if member is None else member
        if not 0 <= chosen < self.members:
            raise UserError(f"member: expected 0 to {self.members - 1}, got {chosen}.")
        if chosen not in self._single:
            self._single[chosen] = self._learner.only(chosen)
        learner = self._single[chosen]
        size = _batch_size(learner.observation, observation)
        batch = 1 if size is None else size
        packed = {part: array[np.newaxis] for part, array in learner.observation.pack(observation, batch).items()}
        if deterministic:
            action = learner.mode(packed)
        else:
            shape = (1, batch, learner.algorithm.act_noise)
            action = learner.act(packed, self._stream.standard_normal(shape, np.float32))
        actions = learner.action.to_env(action[0])
        return (actions[0] if size is None else actions), state

    def q(self, observation: Any, action: Any, *, member: int | None = None) -> NDArray[np.float32]:
        """The smallest of the critics' values for a batch of observations and actions as the environment has them.

        A policy that was loaded alone, such as a run's best/, has no critics: load the run itself.
        """
        chosen = self.best_member() if member is None else member
        trainer, layout, action_layout = self._require_trainer(), self._learner.observation, self._learner.action
        batch = _batch_size(layout, observation)
        if batch is None:
            raise UserError("q: expected a batch of observations, got a single one; give it a leading axis.")
        return trainer.learner.q(layout.pack(observation, batch), action_layout.from_env(action), chosen)

    def best_member(self) -> int:
        """The member with the highest evaluation return; before any evaluation, the highest training return."""
        scores = self._require_trainer().scores() if self._scores is None else self._scores
        return int(np.argmax(np.where(np.isnan(scores), -np.inf, scores)))

    def evaluate(self, episodes: int = 10, *, seed: int = EVALUATION_BASE) -> EvaluationResult:
        """Play `episodes` with every member's best actions, all on the same seeds, which are never training seeds."""
        self.make_env().close()  # one of other spaces is refused
        evaluator = Evaluator(self._require_source(), self.members, episodes, seed)
        try:
            return evaluator.run(self._learner.mode)
        finally:
            evaluator.close()

    def save(self, path: str | Path, *, replay: bool = True) -> None:
        """Write everything that learning on needs into a folder, replacing an agent that was saved there before.

        `replay=False` leaves the replay out: the folder is small, and learning on starts with an empty one.
        """
        trainer, path = self._require_trainer(), Path(path)
        if path.exists() and not (path / SAVED).exists():
            raise UserError(f"{path} holds something else than a saved agent: choose another folder.")
        aside = path.with_name(path.name + ".tmp")
        shutil.rmtree(aside, ignore_errors=True)
        folder = RunFolder.create(aside)
        folder.write_config(_config_of(trainer, self._recipe))
        trainer.save(folder.checkpoints, replay=replay)
        (aside / SAVED).touch()
        if path.exists():
            shutil.rmtree(path)
        aside.rename(path)

    def make_env(self, render_mode: str | None = None) -> gym.Env[Any, Any]:
        """A fresh single environment like the one the agent was trained on."""
        env = self._require_source().make(render_mode)
        layouts = ObservationLayout.from_space(env.observation_space), ActionLayout.from_space(env.action_space)
        if layouts != (self._learner.observation, self._learner.action):
            env.close()
            raise UserError(f"{self._require_source().name} has other observations or actions than this agent knows.")
        return env

    def close(self) -> None:
        """Close the environments and their worker processes."""
        if self._trainer is not None:
            self._trainer.close()

    def _require_source(self) -> EnvSource:
        if self._source is None or not self._source.can_make:
            raise UserError("This agent has no environment that it could make another one of: load it with env=...")
        return self._source

    def _require_trainer(self) -> Trainer:
        if self._trainer is None:
            raise UserError("This agent was loaded as a policy alone: it acts, and cannot learn on or be saved.")
        return self._trainer

    @classmethod
    def _loaded(cls, learner: Learner, source: EnvSource | None, trainer: Trainer | None) -> Self:
        """An agent around what a file held."""
        agent = cls.__new__(cls)
        agent._source, agent._trainer, agent._learner = source, trainer, learner
        agent._scores, agent._recipe, agent._single = None, None, {}
        agent._stream = np.random.default_rng(learner.seeds[0])
        return agent


@final
class SAC(Agent):
    """Soft Actor-Critic with automatic temperature (1812.05905); settings: `maxent.algorithms.SACConfig`."""

    algorithm: ClassVar[str] = "sac"


@final
class SACv1(Agent):
    """Soft Actor-Critic as first published (1801.01290); settings: `maxent.algorithms.SACv1Config`."""

    algorithm: ClassVar[str] = "sac-v1"


@final
class SACDiscrete(Agent):
    """Soft Actor-Critic on discrete actions (1910.07207); settings: `maxent.algorithms.SACDiscreteConfig`."""

    algorithm: ClassVar[str] = "sac-discrete"


@final
class SoftQ(Agent):
    """Soft Q-learning (1702.08165); settings: `maxent.algorithms.SoftQConfig`."""

    algorithm: ClassVar[str] = "soft-q"


@final
class TD3(Agent):
    """Twin Delayed DDPG (1802.09477); settings: `maxent.algorithms.TD3Config`."""

    algorithm: ClassVar[str] = "td3"


@final
class DDPG(Agent):
    """Deep Deterministic Policy Gradient (1509.02971); settings: `maxent.algorithms.DDPGConfig`."""

    algorithm: ClassVar[str] = "ddpg"


@final
class DQN(Agent):
    """Deep Q-network (1312.5602); settings: `maxent.algorithms.DQNConfig`."""

    algorithm: ClassVar[str] = "dqn"


@final
class Reinforce(Agent):
    """Monte Carlo policy gradient (Williams 1992); settings: `maxent.algorithms.ReinforceConfig`."""

    algorithm: ClassVar[str] = "reinforce"


@final
class ActorCritic(Agent):
    """On-policy actor-critic (Sutton and Barto 2018); settings: `maxent.algorithms.OnPolicyActorCriticConfig`."""

    algorithm: ClassVar[str] = "actor-critic"


AGENTS: dict[str, type[Agent]] = {
    agent.algorithm: agent for agent in (SAC, SACv1, SACDiscrete, SoftQ, TD3, DDPG, DQN, Reinforce, ActorCritic)
}


def load(path: str | Path, env: Env | None = None, *, verbose: bool = True) -> Agent:
    """The agent in a folder: of a run, of `Agent.save`, or a policy alone (a run's best/ or last/).

    `env` is needed where the folder cannot name its environment (a factory or an instance made it).
    Nothing is executed: the files are safetensors and JSON.
    """
    path = Path(path)
    if (path / "policy.json").exists():
        return _read_policy(path, None if env is None else EnvSource.of(env))
    trainer = open_trainer(RunFolder.open(path), env, "auto" if verbose else "quiet")
    return AGENTS[trainer.learner.algorithm.name]._loaded(trainer.learner, trainer.source, trainer)


def load_policy(run: str | Path, which: Literal["last", "best"], env: str | None = None) -> Agent:
    """The last or best policy of a run as an agent that acts: nothing of the replay is read.

    Of a run that is under way or was cut off, that of its latest checkpoint.
    """
    path = Path(run)
    if (path / "policy.json").exists():
        return load(path, env)
    try:
        return _load_policy(path, which, env)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged or from another version of maxent: {error!r}.") from error


def _load_policy(path: Path, which: Literal["last", "best"], env: str | None) -> Agent:
    folder = RunFolder.open(path)
    source = _source_of(folder, env)
    written = path / which / "policy.json"
    if written.exists() and read_json(written)["step"] >= (folder.checkpoints.newest or 0):
        return _read_policy(path / which, source)
    snapshot = folder.checkpoints.latest()
    if snapshot is None:
        raise UserError(f"{path} has no policy yet: the run was cut off before its first checkpoint.")
    learner = Learner.from_json(folder.read_config()["learner"])
    policy = {name: learner.state[name] for name in learner.algorithm.policy_names}
    learner.load_named(snapshot.tensors, policy)
    evaluated = snapshot.tensors["best_score"].isfinite()  # [P]; a member that never was has no better one
    if which == "best":
        best = learner.policy()
        learner.load_named(snapshot.below("best/"), best)
        for name, tensor in policy.items():
            tensor[evaluated] = best[name][evaluated]
    agent = AGENTS[learner.algorithm.name]._loaded(learner, source, None)
    agent._scores = snapshot.tensors["scores"].numpy()
    return agent


def resume_run(run: Path, *, steps: int | None = None, verbose: bool = True) -> Outcome:
    """Go on with a run from its latest checkpoint, to the number of steps it was started with or to `steps`."""
    folder = RunFolder.open(run)
    trainer = open_trainer(folder, None, "auto" if verbose else "quiet")
    try:
        if steps is not None:
            trainer.extend(steps)
            folder.update_config(train=asdict(trainer.config))
        trainer.attach(folder)
        return trainer.run()
    finally:
        trainer.close()


def _read_policy(path: Path, source: EnvSource | None) -> Agent:
    file = read_policy(path)
    learner = Learner.from_json(file.learner)
    learner.load_named(file.tensors, {name: learner.state[name] for name in learner.algorithm.policy_names})
    agent = AGENTS[learner.algorithm.name]._loaded(learner, source, None)
    agent._scores = file.scores
    return agent


def _config_of(trainer: Trainer, recipe: str | None) -> dict[str, Any]:
    """Return the sections of config.json that describe a run."""
    return {
        "env": {"name": trainer.source.name, "source": trainer.source.to_json()},
        "train": asdict(trainer.config),
        "learner": trainer.learner.to_json(),
        "recipe": recipe,
    }


def _source_of(folder: RunFolder, env: Env | None) -> EnvSource | None:
    """Where the environments of a run come from: `env`, or what its folder says."""
    if env is not None:
        return EnvSource.of(env)
    data = folder.read_config()["env"]["source"]
    return EnvSource.from_json(data) if data else None


def open_trainer(folder: RunFolder, env: Env | None, mode: ConsoleMode) -> Trainer:
    """The trainer of a run folder, brought back to its latest checkpoint."""
    try:
        return _open_trainer(folder, env, mode)
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder.path} is damaged or from another version of maxent: {error!r}.") from error


def _open_trainer(folder: RunFolder, env: Env | None, mode: ConsoleMode) -> Trainer:
    data = folder.read_config()
    source = _source_of(folder, env)
    if source is None:
        raise UserError(
            f"{folder.path} was trained on {data['env']['name']}, which only its own program can make: "
            "load it there with maxent.load(path, env=...)."
        )
    console = make_console(mode)
    learner = Learner.from_json(data["learner"])
    trainer = Trainer(source, learner.algorithm.name, learner.config, TrainConfig(**data["train"]), console)
    if (trainer.learner.observation, trainer.learner.action) != (learner.observation, learner.action):
        raise UserError(
            f"{source.name} has other observations or actions than the run in {folder.path} was trained with."
        )
    snapshot = folder.checkpoints.latest()
    if snapshot is None:
        if (folder.path / "last").exists():
            raise UserError(f"{folder.path} has no checkpoint left to go on from: its folder checkpoints/ is empty.")
        console.on_message("no checkpoint yet: the run starts from its beginning")
    else:
        fresh = trainer.restore(folder.checkpoints, snapshot)
        if fresh:
            console.on_message(
                f"{len(fresh)} of {trainer.lanes.count} environments did not come back to where they were: "
                "they go on from a fresh episode, so this run differs from one that was never interrupted."
            )
    return trainer


def split_settings(algorithm: str, settings: Mapping[str, Any]) -> tuple[AlgorithmConfig, TrainConfig]:
    """Flat settings as the two records that have them; refuses a name that neither has."""
    config_class = algorithms.find(algorithm).config_class
    own, run = ({field.name for field in fields(kind)} for kind in (config_class, TrainConfig))
    for name in settings:
        if name not in own | run:
            near = difflib.get_close_matches(name, own | run, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else "."
            raise UserError(f"{algorithm} has no setting {name!r}{hint}")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    return (
        config_class(**{name: value for name, value in values.items() if name in own}),
        TrainConfig(**{**config_class.run_defaults, **{name: value for name, value in values.items() if name in run}}),
    )


def _batch_size(layout: ObservationLayout, observation: Any) -> int | None:
    """How many observations these are; None for a single one without a batch axis, or one that lacks an entry."""
    leaf = layout.leaves[0]
    if leaf.name and not (isinstance(observation, Mapping) and leaf.name in observation):
        return None
    value = np.asarray(observation[leaf.name] if leaf.name else observation)
    return None if value.ndim == len(leaf.shape) else len(value)
