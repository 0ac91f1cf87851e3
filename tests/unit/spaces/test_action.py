"""Rescaling actions, with numbers worked out by hand."""

import json

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from maxent.errors import UserError
from maxent.spaces import ActionLayout


def test_asymmetric_bounds() -> None:
    layout = ActionLayout.from_space(spaces.Box(np.array([-1.0, 0.0]), np.array([3.0, 10.0]), dtype=np.float64))
    assert (layout.kind, layout.size, layout.low, layout.high) == ("continuous", 2, (-1.0, 0.0), (3.0, 10.0))
    actions = np.array([[-1, -1], [1, 1], [0, 0.5]], np.float32)
    # halfway between -1 and 3 is 1; three quarters between 0 and 10 is 7.5
    np.testing.assert_array_equal(layout.to_env(actions), [[-1.0, 0.0], [3.0, 10.0], [1.0, 7.5]])
    assert layout.to_env(actions).dtype == np.float64


@given(
    low=st.floats(-1e6, 1e6, allow_subnormal=False),
    width=st.floats(1e-3, 1e6),
    double=st.booleans(),
)
def test_minus_one_is_low_and_one_is_high_exactly(low: float, width: float, double: bool) -> None:
    dtype = np.float64 if double else np.float32
    space = spaces.Box(dtype(low), dtype(low + width), (1,), dtype)
    if space.low[0] >= space.high[0]:  # the width vanished in float32
        return
    ends = ActionLayout.from_space(space).to_env(np.array([[-1.0], [1.0]], np.float32))
    np.testing.assert_array_equal(ends, [space.low, space.high])


def test_low_minus_a_tenth_high_three_tenths() -> None:
    # Centre and half width would give 0.1 + 0.2 = 0.30000000000000004, outside of the bounds.
    layout = ActionLayout.from_space(spaces.Box(-0.1, 0.3, (1,), np.float64))
    assert layout.to_env(np.array([[1.0]], np.float32))[0, 0] == 0.3


def test_unit_bounds_change_nothing() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
    given = ActionLayout.from_space(spaces.Box(-1, 1, (3,))).to_env(actions)
    np.testing.assert_array_equal(given, actions)
    assert not np.shares_memory(given, actions)


@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (-1.0, 3.0)])
def test_from_env_is_the_inverse(bounds: tuple[float, float]) -> None:
    layout = ActionLayout.from_space(spaces.Box(*bounds, (2, 2)))
    actions = np.random.default_rng(1).uniform(-1, 1, (20, 4)).astype(np.float32)
    assert layout.to_env(actions).shape == (20, 2, 2)
    np.testing.assert_allclose(layout.from_env(layout.to_env(actions)), actions, rtol=0, atol=2e-7)


def test_from_env_stays_in_the_policy_range() -> None:
    layout = ActionLayout.from_space(spaces.Box(-2, 2, (1,)))
    np.testing.assert_array_equal(layout.from_env(np.array([[5.0], [-2.0], [1.0]])), [[1.0], [-1.0], [0.5]])


def test_integer_bounds_are_rounded_to() -> None:
    layout = ActionLayout.from_space(spaces.Box(0, 10, (1,), np.int32))
    given = layout.to_env(np.array([[-1.0], [0.25], [1.0]], np.float32))  # 0, 6.25, 10
    np.testing.assert_array_equal(given, [[0], [6], [10]])
    assert given.dtype == np.int32


def test_discrete_with_a_start() -> None:
    layout = ActionLayout.from_space(spaces.Discrete(3, start=5))
    assert (layout.kind, layout.size, layout.count, layout.start) == ("discrete", 1, 3, 5)
    given = layout.to_env(np.array([[0.0], [2.0]], np.float32))
    np.testing.assert_array_equal(given, [5, 7])
    assert given.dtype == np.int64
    np.testing.assert_array_equal(layout.from_env(given), [[0], [2]])


@pytest.mark.parametrize("space", [spaces.Discrete(3, start=5), spaces.Box(-1, 3, (2, 1), np.float64)])
def test_json_round_trip(space: spaces.Space) -> None:
    layout = ActionLayout.from_space(space)
    assert ActionLayout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


CONTINUOUS = ActionLayout.from_space(spaces.Box(-1, 3, (2, 1), np.float32)).to_json()
DISCRETE = ActionLayout.from_space(spaces.Discrete(3, start=5)).to_json()


@pytest.mark.parametrize(
    ("data", "change"),
    [
        *((CONTINUOUS, {"dtype": dtype}) for dtype in (["float32"], {}, "object", "nonsense")),
        *((CONTINUOUS, {"low": low}) for low in ([3.0, 3.0], [-1.0], ["-1", -1.0], None, [float("nan"), 0.0])),
        *((CONTINUOUS, {"size": size}) for size in (3, True, "2", 2**70)),
        *((CONTINUOUS, {"shape": shape}) for shape in ([2**40, 2**40], [-2, -1], "21", [2, [1]])),
        *((CONTINUOUS, change) for change in ({"kind": "both"}, {"count": 3}, {"more": 1}, {"kind": ["continuous"]})),
        *((DISCRETE, {"count": count}) for count in (0, -1, 2.0, 2**63, None)),
        *((DISCRETE, change) for change in ({"size": 2}, {"start": "0"}, {"dtype": "float32"}, {"shape": [1]})),
    ],
)
def test_a_layout_that_no_space_has_is_refused(data: dict[str, object], change: dict[str, object]) -> None:
    assert ActionLayout.from_json(data).to_json() == data
    with pytest.raises(UserError):
        ActionLayout.from_json(data | change)


@pytest.mark.parametrize(
    ("space", "named"),
    [
        (spaces.Box(np.array([-1, -np.inf]), np.array([1, 1]), dtype=np.float64), r"none in dimension 1 of .*Box"),
        (spaces.Box(-np.inf, np.inf, (2,)), "every dimension"),
        (spaces.Box(np.array([0, 1, 1]), np.array([1, 1, 1]), dtype=np.float64), "dimensions 1, 2"),
        (spaces.Box(0, 1, (0,)), "empty"),
        (spaces.MultiDiscrete([2, 2]), "MultiDiscrete"),
    ],
)
def test_other_spaces_are_named(space: spaces.Space, named: str) -> None:
    with pytest.raises(UserError, match=named):
        ActionLayout.from_space(space)


def test_the_advice_for_unbounded_actions_works() -> None:
    import gymnasium as gym

    class Unbounded(gym.Env):
        observation_space = spaces.Box(-1, 1, (1,))
        action_space = spaces.Box(-np.inf, np.inf, (2,))

    with pytest.raises(UserError) as caught:
        ActionLayout.from_space(Unbounded.action_space)
    advice = str(caught.value).rpartition("with ")[2].rstrip(".")
    bounded = eval(advice, {"gymnasium": gym, "env": Unbounded()})
    assert ActionLayout.from_space(bounded.action_space).high == (1.0, 1.0)
