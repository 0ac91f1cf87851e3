"""The schedule of updates is exact, and settings that cannot be meant are refused."""

import math

import pytest

from maxent import UserError
from maxent.training.settings import TrainConfig


@pytest.mark.parametrize(
    ("ratio", "step", "due"),
    [
        (1.0, 100, 0),  # learning starts after 100 steps
        (1.0, 99, 0),
        (1.0, 101, 1),
        (0.1, 109, 0),
        (0.1, 110, 1),  # 0.1 · 10 is exactly 1, though 0.1 is a little more than a tenth in binary
        (0.1, 1_000_000_090, 99_999_999),
        (0.1, 1_000_000_100, 100_000_000),
        (0.7, 110, 7),
        (0.29, 200, 29),  # 0.29 · 100 is 28.999… in float64
        (0.3333333333333333, 103, 0),  # sixteen threes are less than a third: 0.9999999999999999
        (0.3333333333333333, 104, 1),  # 1.33
        (1e-05, 100_100, 1),
        (1e-05, 100_099, 0),
        (20.0, 103, 60),
        (2.5, 103, 7),  # 7.5
        (1, 103, 3),
        (0.0, 1_000_000, 0),
    ],
)
def test_updates_due_is_exact(ratio: float, step: int, due: int) -> None:
    assert TrainConfig(learning_starts=100, replay_ratio=ratio).updates_due(step) == due


@pytest.mark.parametrize("envs", [1, 3, 16, 1000])
@pytest.mark.parametrize("ratio", [0.1, 0.29, 1.0, 1.7, 20.0])
def test_many_environments_owe_the_same_updates_in_the_end(ratio: float, envs: int) -> None:
    """A loop that makes what is due after every step of all environments has made ⌊ratio · steps⌋ at each."""
    config = TrainConfig(learning_starts=500, replay_ratio=ratio, num_envs=envs)
    numerator = round(ratio * 100)  # ratios here are hundredths: ⌊numerator · (step − 500) / 100⌋ in whole numbers
    paid = 0
    for step in range(envs, 6_000 + 1, envs):
        due = config.updates_due(step)
        assert due >= paid
        paid = due
        assert paid == max(0, numerator * (step - 500) // 100)
    assert paid > 0


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, 0) for name in ("steps", "seeds", "num_envs", "buffer_size", "batch_size", "n_step", "log_every")),
        ("eval_episodes", 0), ("random_hold", 0),
        *((name, -1) for name in ("seed", "learning_starts", "eval_every", "checkpoint_every")),
        ("steps", 1e6), ("batch_size", 2.5), ("seed", "7"),
        ("replay_ratio", -0.1), ("replay_ratio", math.nan), ("replay_ratio", math.inf),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"^{setting}: expected .*, got ") as caught:
        TrainConfig(**{setting: value})
    assert repr(value) in str(caught.value)


def test_evaluation_starts_and_checkpoints_can_be_zero() -> None:
    config = TrainConfig(seed=0, learning_starts=0, eval_every=0, checkpoint_every=0, replay_ratio=0)
    assert config.updates_due(10) == 0
    assert TrainConfig(learning_starts=0).updates_due(1) == 1


@pytest.mark.parametrize("name", ["priority_exponent", "priority_correction", "hindsight_ratio"])
def test_settings_of_another_replay_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}: it belongs to the (prioritized|hindsight) replay"):
        TrainConfig(**{name: 0.3})


def test_compile_is_one_of_three() -> None:
    with pytest.raises(UserError, match="compile: expected 'auto', 'on' or 'off', got 'yes'"):
        TrainConfig(compile="yes")  # type: ignore[arg-type]
