"""The action history, with actions that say where they belong."""

import numpy as np
import pytest

from maxent.envs.history import ActionHistory


def label(time: int) -> np.ndarray:
    """Actions [3 lanes, 1] that encode lane and time."""
    return np.array([[100 * lane + time] for lane in range(3)], np.float32)


@pytest.mark.parametrize("capacity", [1, 2, 64])
def test_each_lane_keeps_the_actions_of_its_episode(capacity: int) -> None:
    history = ActionHistory(3, 1, capacity)
    starts = [0, 0, 0]
    for time in range(40):
        if time % 7 == 6:  # lane 0 starts episodes often, lane 1 once, lane 2 never
            history.begin(0)
            starts[0] = time
        if time == 30:
            history.begin(1)
            starts[1] = time
        history.append(label(time))
    for lane in range(3):
        np.testing.assert_array_equal(history.of(lane)[:, 0], [100 * lane + time for time in range(starts[lane], 40)])


def test_what_no_episode_needs_is_dropped() -> None:
    history = ActionHistory(3, 1, capacity=8)
    for time in range(1000):
        if time % 4 == 0:
            for lane in range(3):
                history.begin(lane)
        history.append(label(time))
        np.testing.assert_array_equal(history.of(1)[:, 0], [100 + past for past in range(time - time % 4, time + 1)])
    assert len(history._rows) == 8  # episodes of 4 steps never need more than the first 8 rows


def test_loaded_episodes_of_different_lengths_go_on() -> None:
    history = ActionHistory(3, 1, capacity=2)
    loaded = [np.full((length, 1), lane, np.float32) for lane, length in enumerate([0, 5, 3])]
    history.load(loaded)
    for lane in range(3):
        np.testing.assert_array_equal(history.of(lane), loaded[lane])
    history.append(label(0))
    np.testing.assert_array_equal(history.of(0)[:, 0], [0])
    np.testing.assert_array_equal(history.of(2)[:, 0], [2, 2, 2, 200])


def test_reading_copies() -> None:
    history = ActionHistory(3, 1)
    history.append(label(1))
    history.of(0)[:] = -1
    assert history.of(0)[0, 0] == 1
