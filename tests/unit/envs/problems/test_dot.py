"""The image task: what the image shows, the reward by hand, and how far apart chance and a good policy are."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from maxent.envs.problems.dot import SIZE, SPEED, Dot
from maxent.spaces import ObservationLayout


def test_gymnasium_finds_nothing_wrong() -> None:
    check_env(gym.make("maxent/Dot-v0").unwrapped)


def test_the_image_shows_both_places() -> None:
    """The centre of mass of a channel is the place of its spot, to a twelfth of a pixel."""
    env, pixels = Dot(), np.linspace(-1.0, 1.0, SIZE)
    checked = 0
    for seed in range(40):
        image, info = env.reset(seed=seed)
        assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8 and image[..., 2].max() == 0
        for channel, place in enumerate((info["dot"], info["target"])):
            if np.abs(place).max() > 0.6:  # cut off at the edge
                continue
            mass = image[..., channel].astype(np.float64)
            centre = [(mass.sum(1) * pixels).sum() / mass.sum(), (mass.sum(0) * pixels).sum() / mass.sum()]
            np.testing.assert_allclose(centre, place, atol=0.01)
            checked += 1
    assert checked >= 20


def test_a_step_by_hand() -> None:
    """Half speed along the rows; an action beyond 1 counts as 1; the square has walls."""
    env = Dot()
    _, info = env.reset(seed=0)
    _, reward, terminated, truncated, after = env.step(np.array([0.5, -3.0], np.float32))
    expected = np.clip(info["dot"] + [0.5 * SPEED, -SPEED], -1.0, 1.0)
    np.testing.assert_allclose(after["dot"], expected)
    assert reward == pytest.approx(-np.hypot(*(expected - info["target"])))
    assert not terminated and not truncated
    for _ in range(12):
        *_, after = env.step(np.array([1.0, 1.0], np.float32))
    assert after["dot"].tolist() == [1.0, 1.0]


def play(steer: bool) -> float:
    """Return the mean return of 200 episodes."""
    env, total = gym.make("maxent/Dot-v0"), 0.0
    env.action_space.seed(0)
    for seed in range(200):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            way = (info["target"] - info["dot"]) / SPEED
            action = np.clip(way, -1.0, 1.0).astype(np.float32) if steer else env.action_space.sample()
            _, reward, _, over, info = env.step(action)
            total += float(reward)
    return total / 200


def test_chance_and_the_best_policy() -> None:
    """Measured: −20.3 by random actions, −1.9 by steering straight to the target."""
    assert -22.0 < play(steer=False) < -18.0
    assert -2.5 < play(steer=True) < -1.5


def test_the_observation_is_an_image() -> None:
    (entry,) = ObservationLayout.from_space(Dot().observation_space).entries()
    assert entry.is_image and not entry.channels_first
