"""Whole runs of the other algorithms: rollouts row by row, runs that are killed and resumed, members side by side."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from short_runs import SMALL, assert_equal, contents, killed_at

import maxent
from maxent import algorithms
from maxent.agent import agent_class
from maxent.algorithms.reinforce import Reinforce
from maxent.algorithms.sac_discrete import LearnedDiscreteAlpha
from maxent.batch import Batch
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.opening import resume_run
from maxent.training.collector import Collector
from maxent.training.settings import Settings
from maxent.training.stop import Outcome
from maxent.training.trainer import Trainer
from maxent.view.console import make_console


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.view.curve.draw_curve", lambda *_: None)


class Telling(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Every observation is (lane, its own number), every reward is a number of its own, and all of it is written down.

    Episodes take 1, 2, 3, 4, 1, … steps, with lanes apart by one, and are terminated and truncated by turns.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, lane: int) -> None:
        self.lane, self.seen, self.episode, self.left = lane, 0, lane, 0
        self.log: list[tuple[Any, ...]] = []

    def observe(self) -> NDArray[np.float32]:
        self.seen += 1
        self.obs = np.array([self.lane, self.seen], np.float32)
        return self.obs

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.episode += 1
        self.left = 1 + self.episode % 4
        return self.observe(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        self.left -= 1
        before, reward = self.obs, 1000.0 * self.lane + len(self.log)
        terminated, truncated = (self.left == 0 and self.episode % 2 == which for which in (0, 1))
        self.log.append((before, action.copy(), reward, terminated, self.observe(), terminated or truncated))
        return self.obs, reward, terminated, truncated, {}


def made(name: str) -> type[maxent.Agent]:
    """Return the class of agents of an algorithm."""
    return agent_class(algorithms.find(name))


MEMBERS, ENVS, ROLLOUT, GAMMA = 2, 3, 7, 0.5


def test_a_rollout_is_the_newest_steps_in_order_with_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Update u learns from steps 7u to 7u + 6 of each lane, lane after lane, and never from a random action."""
    envs: list[Telling] = []
    batches: list[Batch] = []
    update = Reinforce.update

    def make() -> Telling:
        envs.append(Telling(len(envs)))
        return envs[-1]

    def recording(algorithm: Reinforce, state: Any, batch: Batch, *args: Any, **kwargs: Any) -> Any:
        batches.append(batch)
        return update(algorithm, state, batch, *args, **kwargs)

    monkeypatch.setattr(Reinforce, "update", recording)
    monkeypatch.setattr(Collector, "_random", None)
    agent = maxent.Reinforce(
        make, seeds=MEMBERS, num_envs=ENVS, rollout_steps=ROLLOUT, gamma=GAMMA, hidden=(4,), reward_scale=0.5,
        eval_every=0, compile="off", verbose=False,
    )  # fmt: skip
    agent.learn(100 * ENVS)
    agent.close()
    assert len(batches) == 100 // ROLLOUT
    assert agent._trainer is not None
    assert agent._trainer.updater.updates == 100 // ROLLOUT
    assert len(envs) == MEMBERS * ENVS
    ends = 0
    for number, batch in enumerate(batches):
        for lane, env in enumerate(envs):
            member, own = lane // ENVS, slice(lane % ENVS * ROLLOUT, (lane % ENVS + 1) * ROLLOUT)
            steps = env.log[number * ROLLOUT : (number + 1) * ROLLOUT]
            obs, action, reward, terminated, next_obs, ended = (np.array(part) for part in zip(*steps, strict=True))
            for part, expected in (
                (batch.obs, obs), (batch.action, action), (batch.reward, 0.5 * reward),
                (batch.discount, GAMMA * ~terminated), (batch.next_obs, next_obs), (batch.ended, ended),
            ):  # fmt: skip
                assert part is not None
                np.testing.assert_array_equal(part[member, own].numpy(), expected)
            ends += ended.sum()
    assert ends > 100


def test_members_act_by_their_own_policies() -> None:
    """Actions in the rollouts of two members, and so their rewards, differ from the first step on."""
    agent = maxent.ActorCritic(
        "Pendulum-v1", seeds=2, num_envs=2, rollout_steps=4, hidden=(4,), eval_every=0, compile="off", verbose=False
    )
    agent.learn(16)
    agent.close()
    assert agent._trainer is not None
    rows = agent._trainer.replay.columns["row"]
    assert not torch.equal(rows[0], rows[1])
    assert agent._trainer.updater.updates == 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("batch_size", 64), ("buffer_size", 1_000), ("learning_starts", 10), ("replay_ratio", 0.5), ("n_step", 3),
        ("random_hold", 2), ("replay", "prioritized"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["reinforce", "actor-critic"])
def test_settings_of_a_replay_are_refused(name: str, setting: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^{setting}: {name} learns from the newest steps"):
        made(name)("Pendulum-v1", verbose=False, **{setting: value})


@pytest.mark.parametrize(("name", "setting"), [("sac", "rollout_steps"), ("dqn", "policy_delay"), ("td3", "alpha")])
def test_settings_of_other_algorithms_are_refused(name: str, setting: str) -> None:
    env = "CartPole-v1" if name == "dqn" else "Pendulum-v1"
    with pytest.raises(UserError, match=f"^{name} has no setting '{setting}'"):
        made(name)(env, verbose=False, **{setting: 1})


BOX, CHOICES = ("Pendulum-v1", {"max_episode_steps": 25}), ("CartPole-v1", {"max_episode_steps": 25})
ANNEALED = LearnedDiscreteAlpha(anneal_updates=40, final_entropy_fraction=0.1)
ON_POLICY: dict[str, Any] = {"rollout_steps": 9, "num_envs": 2}
RUNS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "sac-v1": ("sac-v1", BOX, {}),
    "sac-discrete": ("sac-discrete", CHOICES, {"alpha": ANNEALED}),
    "soft-q": ("soft-q", BOX, {"policy_particles": 4, "value_particles": 3, "proposal": "policy"}),
    "soft-q, discrete": ("soft-q", CHOICES, {}),
    "td3": ("td3", BOX, {}),
    "ddpg": ("ddpg", BOX, {}),
    "dqn": ("dqn", CHOICES, {"target_delay": 7, "exploration_steps": 100}),
    "reinforce": ("reinforce", BOX, ON_POLICY),
    "reinforce, discrete": ("reinforce", CHOICES, ON_POLICY),
    "actor-critic": ("actor-critic", BOX, ON_POLICY),
    "actor-critic, discrete": ("actor-critic", CHOICES, ON_POLICY),
}
every_run = pytest.mark.parametrize(("name", "env", "own"), RUNS.values(), ids=RUNS.keys())
REPLAY_ONLY = ("batch_size", "learning_starts", "buffer_size", "replay_ratio")


def settings_of(name: str, own: dict[str, Any]) -> dict[str, Any]:
    """Return small settings, without those of a replay for an algorithm that has none."""
    small = {key: value for key, value in SMALL.items() if "rollout_steps" not in own or key not in REPLAY_ONLY}
    return small | {"num_envs": 2} | own


@every_run
def test_killed_and_resumed_it_is_the_run_that_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, env: Any, own: dict[str, Any]
) -> None:
    """Killed between checkpoints and inside rollouts, twice in a row; bit for bit."""

    def agent() -> maxent.Agent:
        return made(name)(env[0], env_kwargs=env[1], seeds=2, **settings_of(name, own))

    whole, run = tmp_path / "whole", tmp_path / "run"
    agent().learn(160, run_dir=whole)
    expected = contents(whole)
    killed_at(monkeypatch, 74, lambda: agent().learn(160, run_dir=run))
    killed_at(monkeypatch, 128, lambda: resume_run(run, verbose=False))
    resume_run(run, verbose=False)
    found = contents(run)
    assert_equal(found, expected)
    # 160 steps in two environments: 80 each, of which a rollout takes nine; or half of those after twenty
    assert found["plain"]["updater"]["updates"] == (80 // 9 if "rollout_steps" in own else 70)


def trained(name: str, env: Any, own: dict[str, Any], seed: int, seeds: int) -> Trainer:
    """Return a run of 100 steps."""
    settings = settings_of(name, own) | {"eval_every": 0, "seed": seed, "seeds": seeds}
    del settings["verbose"]
    chosen = Settings.of(algorithms.find(name), settings | {"steps": 100})
    trainer = Trainer(EnvSource.of(*env), chosen, make_console("quiet"))
    try:
        assert trainer.run() is Outcome.FINISHED
    finally:
        trainer.close()
    return trainer


@every_run
def test_members_equal_runs_of_one(name: str, env: Any, own: dict[str, Any]) -> None:
    """Member k of the run with seed 5 is the run with seed 5 + k: its experience and its parameters."""
    population = trained(name, env, own, seed=5, seeds=2)
    networks = population.learner.algorithm.networks
    for k in range(2):
        alone = trained(name, env, own, seed=5 + k, seeds=1)
        torch.testing.assert_close(
            population.replay.columns["row"][k], alone.replay.columns["row"][0], atol=1e-4, rtol=0.0
        )
        assert torch.equal(population.replay.columns["kind"][k], alone.replay.columns["kind"][0])
        for network in networks:
            # a tenth of one of Adam's steps of 3e-4 for rounding
            ours, theirs = population.learner.state[network][k], alone.learner.state[network][0]
            torch.testing.assert_close(ours, theirs, atol=3e-5, rtol=1e-4)
    first, second = (population.learner.state[next(iter(networks))][k] for k in range(2))
    assert not torch.allclose(first, second, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reinforce", "actor-critic"])
def test_a_compiled_rollout_is_learned_from_alike(name: str) -> None:
    """Through the gathering of ordered rows and Inductor, as in a run: four updates, which stay close to eager ones."""
    states = []
    for compiled in ("off", "on"):
        agent = made(name)(
            "Pendulum-v1", seeds=2, num_envs=2, rollout_steps=4, hidden=(4,), eval_every=0, compile=compiled,
            verbose=False,
        )  # fmt: skip
        agent.learn(4 * 8)
        agent.close()
        states.append(agent._learner.state)
    eager, compiled_state = states
    for key, tensor in eager.items():
        torch.testing.assert_close(compiled_state[key], tensor, atol=1e-4, rtol=1e-3)
