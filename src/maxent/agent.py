"""The Python API: an agent that learns, predicts, and is saved and loaded."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from maxent import algorithms
from maxent.algorithms.base import Algorithm
from maxent.algorithms.settings import NetworkSetting, networks_of, require_whole
from maxent.engine.learner import Learner
from maxent.envs.making import EnvSource
from maxent.envs.wrappers import require_no_statistics
from maxent.errors import UserError
from maxent.runs.files import require_space
from maxent.runs.folder import RunFolder, same_folder
from maxent.runs.swap import replacing_folder
from maxent.spaces import ActionLayout, ObservationLayout
from maxent.training.description import bytes_to_write, config_of
from maxent.training.evaluation import EvaluationResult, Evaluator
from maxent.training.memory import require_memory
from maxent.training.observers import ObserversLike, as_observers, require_evaluations
from maxent.training.settings import Settings, ours
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer
from maxent.training.words import require_by_name, step_count, whole
from maxent.tuned import algorithm_of, complete_id, id_of, require_recipe, tuned
from maxent.view.console import make_console
from maxent.view.picture import draw_run_curve

Env = str | gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any] | Callable[[], gym.Env[Any, Any]]

SAVED = "saved-agent"
"""Marks a folder that `Agent.save` may replace."""

EVALUATION_BASE = 1_000_000
"""First seed of `evaluate`, so that its seeds differ from those by which a run chose its best policy."""


class Agent:
    """P members of one algorithm on one environment.

    Args:
        env: a Gymnasium id ("Pendulum-v1", "my_module:MyEnv-v0"), an environment, a vector environment or a factory.
        algorithm: an algorithm of your own, as a class or as "module:Class"; `maxent.SAC` and its like have theirs.
        seed: seed of member 0; member k has seed + k.
        seeds: members that train side by side, each as if alone.
        env_kwargs: passed to the environment when it is made from an id.
        recipe: start from the tuned settings for this environment, where there are some; all that is given here wins.
            They are for an id, and for an environment of `gymnasium.make` without further wrappers.
        network: hidden layers of the networks (`maxent.nn.layers`), or a function from "actor" or "critic" to them.
        verbose: print progress; a live view on a terminal, plain lines elsewhere.
        **settings: any setting of the algorithm or the run, by its name in `maxent train --help`, such as
            learning_rate=1e-3 or num_envs=4.
    """

    algorithm: ClassVar[type[Algorithm] | str] = ""

    def __init__(
        self,
        env: Env,
        *others: Any,
        algorithm: type[Algorithm] | str | None = None,
        seed: int = 0,
        seeds: int = 1,
        env_kwargs: Mapping[str, Any] | None = None,
        network: NetworkSetting | None = None,
        recipe: bool = True,
        verbose: bool = True,
        **settings: Any,
    ) -> None:
        require_by_name(others)
        seed, seeds = whole(seed), whole(seeds)
        kind = algorithm_of(self.algorithm, algorithm, type(self).__name__)
        env, completed = complete_id(env, kind.name) if isinstance(env, str) else (env, "")
        source = EnvSource.of(env, env_kwargs)
        given = {**ours(kind, settings), **networks_of(network)}
        chosen = tuned(kind, id_of(source) if recipe else "", given)
        console = make_console("auto" if verbose else "quiet")
        all_settings = Settings.of(kind, {**chosen.settings, "seed": seed, "seeds": seeds})
        self._source: EnvSource | None = source
        self._trainer: Trainer | None = Trainer(source, all_settings, console)
        self._trainer.notes = [note for note in (completed, chosen.sentence(given)) if note]
        self._learner = self._trainer.learner
        self._scores: NDArray[np.float64] | None = None
        self._recipe = None if chosen.recipe is None else chosen.recipe.source
        self._stream = np.random.default_rng(seed)
        self._single: dict[int, Learner] = {}

    @classmethod
    def from_recipe(cls, env: Env, **settings: Any) -> Self:
        """Return an agent with the recipe for this environment; raise if there is none. `settings` take precedence."""
        require_recipe(env, algorithm_of(cls.algorithm, settings.get("algorithm"), cls.__name__).name)
        return cls(env, **settings)

    @classmethod
    def load(cls, path: object, *_: Any, **__: Any) -> NoReturn:
        """Raise: `maxent.load` returns the agent in a folder, whose files name its algorithm."""
        raise UserError(f"load: expected a call of maxent.load({str(path)!r}); the files name the algorithm.")

    @property
    def name(self) -> str:
        """The name of the algorithm."""
        return self._learner.algorithm.name

    @property
    def members(self) -> int:
        """P, how many members there are."""
        return self._learner.members

    @property
    def num_timesteps(self) -> int:
        """Environment steps that every member has made."""
        return self._trainer.progress.step if self._trainer else 0

    def learn(
        self,
        steps: float | None = None,
        *,
        run_dir: str | Path | None = None,
        observers: ObserversLike = (),
        total_timesteps: float | None = None,
        **foreign: Any,
    ) -> Self:
        """Train every member for `steps` more environment steps, which `total_timesteps` is another name for.

        With `run_dir`, the folder gets config, metrics, checkpoints, policies and a picture, and `maxent resume` can go
        on from it after an interruption. Ctrl-C then writes a checkpoint before it is raised. A further call writes
        into the same folder, whether it names it or not.

        An observer (`maxent.Observer`) is called when training starts and ends, and for every record of metrics,
        evaluation, episode and checkpoint; it may stop the run. A function is an observer as well: it gets each record
        of metrics, and the run stops where it returns a true value.
        """
        count = step_count(steps, total_timesteps, foreign.keys())
        if self.train(count, run_dir, observers=observers) is not Outcome.FINISHED:
            raise KeyboardInterrupt
        return self

    def train(
        self,
        steps: int,
        run_dir: str | Path | None = None,
        *,
        observers: ObserversLike = (),
        recipe: str | None = None,
    ) -> Outcome:
        """Do what `learn` does and return how it ended; `recipe` is the source of the settings, for the run's files."""
        trainer = self._require_trainer()
        require_whole("steps", steps, 1)
        listening = as_observers(observers)
        require_evaluations(listening, evaluates=trainer.reporter.evaluates)
        trainer.extend(trainer.progress.step + steps)
        require_memory(trainer, trainer.settings.run.steps)
        if run_dir is not None and not (trainer.folder and same_folder(Path(run_dir), trainer.folder.path)):
            folder = RunFolder.create(Path(run_dir))
            try:
                require_space(folder.path, bytes_to_write(trainer))
                folder.write_config(config_of(trainer, recipe or self._recipe))
            except BaseException:
                folder.unlock()
                raise
            trainer.write_to(folder)
        elif trainer.folder is not None:
            trainer.folder.update_config(run=trainer.settings.to_plain()["run"])
        outcome = trainer.run(listening)
        if trainer.folder is not None:
            draw_run_curve(trainer.folder, f"{self.name} on {trainer.source.name}")
        return outcome

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        *,
        member: int | None = None,
    ) -> tuple[NDArray[Any], Any]:
        """Return the action for an observation, or actions for a batch of them, with Stable-Baselines3's signature.

        `state` and `episode_start` are for recurrent policies and not used. `member=None` is the best member
        so far: highest evaluation return, else highest training return, else member 0.
        """
        chosen = self._require_member(member)
        if chosen not in self._single:
            self._single[chosen] = self._learner.select_member(chosen)
        learner = self._single[chosen]
        size = learner.observation.batch_size(observation)
        batch = 1 if size is None else size
        packed = {part: array[np.newaxis] for part, array in learner.observation.pack_given(observation, batch).items()}
        if deterministic:
            action = learner.mode(packed)
        else:
            shape = (1, batch, learner.algorithm.act_noise)
            action = learner.act(packed, self._stream.standard_normal(shape, np.float32))
        actions = learner.action.to_env(action[0])
        return (actions[0] if size is None else actions), state

    def q(self, observation: Any, action: Any, *, member: int | None = None) -> NDArray[np.float32]:
        """Return the smallest of the critics' values for a batch of observations and of the environment's actions.

        A policy that was loaded alone, such as a run's best/, has no critics: load the run itself.
        """
        chosen = self._require_member(member)
        trainer, layout, actions = self._require_trainer(), self._learner.observation, self._learner.action
        batch = layout.batch_size(observation)
        if batch is None:
            raise UserError("q: expected a batch of observations, got a single one; give it a leading axis.")
        return trainer.learner.q(layout.pack_given(observation, batch), actions.from_given(action, batch), chosen)

    def best_member(self) -> int:
        """Return the member with the highest evaluation return; before any evaluation, the highest training return."""
        scores = self._require_trainer().scores() if self._scores is None else self._scores
        return int(np.argmax(np.where(np.isnan(scores), -np.inf, scores)))

    def evaluate(self, episodes: int = 10, *, seed: int = EVALUATION_BASE) -> EvaluationResult:
        """Play `episodes` with every member's best actions, all on the same seeds, which are never training seeds."""
        self.make_env().close()  # one of other spaces is refused
        evaluator = Evaluator(self.require_source(), self.members, episodes, seed)
        try:
            return evaluator.run(self._learner.mode)
        finally:
            evaluator.close()

    def save(self, path: str | Path, *, replay: bool = True) -> None:
        """Write everything that learning on needs into a folder, replacing an agent that was saved there before.

        `replay=False` leaves the replay out: the folder is small, and learning on starts with an empty one.
        """
        trainer = self._require_trainer()
        with replacing_folder(Path(path), SAVED) as new:
            folder = RunFolder.create(new)
            try:
                folder.write_config(config_of(trainer, self._recipe))
                trainer.save(folder.checkpoints, replay=replay)
            finally:
                folder.unlock()

    def make_env(self, render_mode: str | None = None) -> gym.Env[Any, Any]:
        """Return a fresh single environment like the one the agent was trained on."""
        env = self.require_source().make(render_mode)
        require_no_statistics(env)
        layouts = ObservationLayout.from_space(env.observation_space), ActionLayout.from_space(env.action_space)
        if layouts != (self._learner.observation, self._learner.action):
            env.close()
            raise UserError(f"{self.require_source().name} has other observations or actions than this agent knows.")
        return env

    def close(self) -> None:
        """Close the environments and their worker processes."""
        if self._trainer is not None:
            self._trainer.close()

    def require_source(self) -> EnvSource:
        """Return where environments come from; raise `UserError` if the agent has none."""
        if self._source is None or not self._source.can_make:
            raise UserError(
                "This agent has no environment that it could make another one of: load it with env=..., or name it, "
                "--env ID or --env my_module:make_env."
            )
        return self._source

    def _require_member(self, member: object) -> int:
        chosen = self.best_member() if member is None else whole(member)
        if type(chosen) is not int or not 0 <= chosen < self.members:
            raise UserError(f"member: expected 0 to {self.members - 1}, got {chosen!r}.")
        return chosen

    def _require_trainer(self) -> Trainer:
        if self._trainer is None:
            raise UserError("This agent was loaded as a policy alone: it acts, and cannot learn on or be saved.")
        return self._trainer

    @classmethod
    def loaded(
        cls, learner: Learner, source: EnvSource | None, trainer: Trainer | None, scores: NDArray[Any] | None = None
    ) -> "Agent":
        """Return an agent around what a file held."""
        agent = agent_class(type(learner.algorithm)).__new__(agent_class(type(learner.algorithm)))
        agent._source, agent._trainer, agent._learner = source, trainer, learner
        agent._scores, agent._recipe, agent._single = scores, None, {}
        agent._stream = np.random.default_rng(learner.seeds[0])
        return agent


@cache
def agent_class(kind: type[Algorithm]) -> type[Agent]:
    """Return the class of agents of an algorithm: for Soft Actor-Critic, `maxent.SAC`."""
    doc = f"{kind.summary}; settings: `{kind.config_class.__module__}.{kind.config_class.__name__}`."
    return type(kind.title or kind.__name__, (Agent,), {"algorithm": kind, "__doc__": doc, "__module__": "maxent"})


def agent_classes() -> dict[str, type[Agent]]:
    """Return the class of agents of every algorithm of this package, by its name in Python."""
    return {kind.title: agent_class(kind) for kind in algorithms.built_in().values() if kind.title}
