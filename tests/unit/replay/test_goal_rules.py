"""Goal functions of environments: which are accepted, and that stored rewards have to equal theirs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from goal_rows import GAMMA, LINE, play, reward, sampler, terminated
from gymnasium import spaces
from recording import GO

from maxent.errors import UserError
from maxent.replay import Gather, GoalRules, Hindsight, Replay, RowLayout, goal_leaves
from maxent.spaces import ObservationLayout


@pytest.fixture(autouse=True)
def no_comparison(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the check of rewards in `TestRules`: those of a recording are not a function of the goals."""
    if request.cls is TestRules:
        monkeypatch.setattr(Hindsight, "_check_rewards", lambda *_: None)


class TestRules:
    """Rules of an environment give the same result whether or not they accept arrays of goals."""

    @staticmethod
    def one_by_one(achieved: Any, desired: Any, info: Any) -> float:
        return float(achieved.item() + desired.item() / 1024.0 + len(info))

    @staticmethod
    def with_a_norm_of_everything(achieved: Any, desired: Any, info: Any) -> bool:
        """As in the mazes of gymnasium-robotics: for many goals at once it returns one result, a wrong one."""
        return bool(np.linalg.norm(achieved - desired) <= 0.45)

    @staticmethod
    def with_a_branch(achieved: Any, desired: Any, info: Any) -> float:
        if abs(achieved - desired)[..., 0] < 0.5:
            return 1.0
        return 0.0

    @pytest.mark.parametrize(
        ("rule", "vectorised"),
        [
            (one_by_one, reward),
            (with_a_norm_of_everything, terminated),
            (with_a_branch, terminated),
            (lambda achieved, desired, info: False, lambda achieved, desired, info: np.zeros(len(achieved))),
            (lambda achieved, desired, info: achieved[..., :1], lambda achieved, desired, info: achieved[..., 0]),
            (lambda achieved, desired, info: [len(one) for one in info], lambda *_: np.zeros(1)),
        ],
    )
    def test_one_by_one_or_all_at_once(self, rule: Callable[..., Any], vectorised: Callable[..., Any]) -> None:
        recording = play([GO] * 10)
        samples = [
            sampler(recording.replay, 8, GoalRules(one), n_step=2).sample(0.0)
            for one in (rule, lambda *given: vectorised(*given) + np.zeros(16))
        ]
        np.testing.assert_array_equal(*(sample.extras["rewards"] for sample in samples))

    def test_a_rule_that_needs_more_than_goals_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"compute_reward: .* got one that reads info\['cost'\]"):
            sampler(play([GO] * 3).replay, 4, GoalRules(lambda achieved, desired, info: info["cost"])).sample(0.0)

    def test_a_wrong_number_of_results_is_refused(self) -> None:
        recording = play([GO] * 3)
        with pytest.raises(UserError, match=r"compute_reward: expected 4 results .* got an array of shape \(2,\)"):
            sampler(recording.replay, 4, GoalRules(lambda *_: np.zeros(2))).sample(0.0)

    def test_goals_keep_the_shape_and_type_of_their_space(self) -> None:
        """Images as goals: uint8 [2, 2], stored and replaced as bytes."""
        box = spaces.Box(0, 255, (2, 2), np.uint8)
        observation = ObservationLayout.from_space(
            spaces.Dict({"achieved_goal": box, "desired_goal": box, "speed": spaces.Box(-1.0, 1.0, (1,))})
        )
        replay = Replay(RowLayout(1, 8, 1), members=1, lanes=1, capacity=8)

        def seen(time: int) -> Any:
            images = np.full((1, 2, 2), 51 * time, np.uint8), np.zeros((1, 2, 2), np.uint8)
            entries = {"achieved_goal": images[0], "desired_goal": images[1], "speed": [[time / 4]]}
            return observation.pack(entries, 1)

        replay.begin(seen(0))
        no = np.zeros(1, np.bool_)
        for time in range(1, 4):
            replay.add(np.zeros((1, 1), np.float32), np.zeros(1, np.float32), no, no, seen(time), seen(time))

        def rule(achieved: Any, desired: Any, info: Any) -> Any:
            assert achieved.dtype == desired.dtype == np.uint8
            assert achieved.shape == desired.shape == (6, 2, 2)
            return achieved[:, 1, 1] == desired[:, 1, 1]

        hindsight = sampler(replay, 6, GoalRules(rule), observation=observation)
        rows, extras = hindsight.sample(0.0)
        assert (extras["goal"] > 51 * rows[..., np.newaxis]).all()
        gather = Gather(replay.layout, observation, replay.ring, GAMMA)
        batch = gather(replay.columns, torch.from_numpy(rows), {k: torch.from_numpy(v) for k, v in extras.items()})
        for obs, time in ((batch.obs, rows), (batch.next_obs, rows + 1)):
            torch.testing.assert_close(obs[..., 4:8], torch.from_numpy(extras["goal"] / np.float32(255.0)))
            np.testing.assert_allclose(obs[..., 0], time / 5, rtol=1e-6)
            np.testing.assert_allclose(obs[..., 8], time / 4)


class TestComparison:
    """Stored rewards have to equal `compute_reward`."""

    @staticmethod
    def recorded(earned: Callable[[int, int], float]) -> Replay:
        """Observation i has the achieved goal i and the desired goal 3, from i = 5 on 6: a goal may change."""
        observation = ObservationLayout.from_space(spaces.Dict({"achieved_goal": LINE, "desired_goal": LINE}))
        replay = Replay(RowLayout(2, 0, 1), members=1, lanes=1, capacity=50)
        seen = [{"float": np.array([[i, 3.0 if i < 5 else 6.0]], np.float32)} for i in range(31)]
        replay.begin(seen[0])
        no = np.zeros(1, np.bool_)
        for i in range(30):
            value = np.array([earned(i + 1, 3 if i + 1 < 5 else 6)], np.float32)
            replay.add(np.zeros((1, 1), np.float32), value, no, no, seen[i + 1], seen[i + 1])
        assert observation.floats == 2
        return replay

    @staticmethod
    def sampled(replay: Replay, rule: Callable[..., Any]) -> None:
        observation = ObservationLayout.from_space(spaces.Dict({"achieved_goal": LINE, "desired_goal": LINE}))
        sampler(replay, 50, GoalRules(rule), observation=observation).sample(0.0)

    def test_rewards_that_agree_are_taken(self) -> None:
        replay = self.recorded(lambda achieved, desired: -0.1 * abs(achieved - desired))
        self.sampled(replay, lambda achieved, desired, info: -0.1 * np.abs(achieved - desired)[..., 0].astype(float))

    def test_rewards_that_do_not_are_refused(self) -> None:
        replay = self.recorded(lambda achieved, desired: -0.5)
        with pytest.raises(UserError, match=r"got -0.5 where compute_reward returns -1 \(100% of 50 differ\)"):
            self.sampled(replay, lambda achieved, desired, info: -np.ones(len(achieved)))


@pytest.mark.parametrize(
    ("space", "match"),
    [
        (LINE, "'achieved_goal' and 'desired_goal', as in .* got a single array"),
        (spaces.Dict({"achieved_goal": LINE, "goal": LINE}), "got 'achieved_goal', 'goal'"),
        (
            spaces.Dict({"achieved_goal": LINE, "desired_goal": spaces.Box(0.0, 1.0, (2,))}),
            r"to be Boxes of one shape and type, got float \(1,\) and float \(2,\)",
        ),
        (
            spaces.Dict({"achieved_goal": spaces.Discrete(3), "desired_goal": spaces.Discrete(3)}),
            r"to be Boxes of one shape and type, got discrete \(\) and discrete \(\)",
        ),
    ],
)
def test_observations_without_goals_are_refused(space: spaces.Space[Any], match: str) -> None:
    with pytest.raises(UserError, match=match):
        goal_leaves(ObservationLayout.from_space(space))
