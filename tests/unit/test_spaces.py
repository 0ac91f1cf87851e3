"""Packing, encoding and rescaling, with numbers worked out by hand."""

import json

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from maxent.errors import UserError
from maxent.spaces import ActionLayout, Leaf, ObservationLayout

# The keys of a Dict space made from a plain dict come in alphabetical order: gear, image, joints.
MIXED = spaces.Dict(
    {
        "image": spaces.Box(0, 255, (2, 2, 1), np.uint8),
        "joints": spaces.Box(-np.inf, np.inf, (3,), np.float64),
        "gear": spaces.Discrete(4, start=-1),
    }
)


def mixed_observations() -> dict[str, np.ndarray]:
    """Two observations."""
    return {
        "gear": np.array([-1, 2]),
        "image": np.array([[[[0], [51]], [[102], [255]]], [[[1], [2]], [[3], [4]]]], np.uint8),
        "joints": np.array([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]),
    }


class TestObservationLayout:
    def test_a_float64_box_becomes_float32_columns(self) -> None:
        layout = ObservationLayout.from_space(spaces.Box(-1.0, 1.0, (2, 2), np.float64))
        observation = np.array([[[0.1, 0.2], [0.3, 0.4]]])
        packed = layout.pack(observation, 1)
        assert (layout.floats, layout.bytes, layout.features) == (4, 0, 4)
        assert list(packed) == ["float"]
        assert packed["float"].dtype == np.float32
        np.testing.assert_array_equal(packed["float"], np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))

    def test_packing_copies(self) -> None:
        layout = ObservationLayout.from_space(spaces.Box(-1.0, 1.0, (2,)))
        observation = np.zeros((1, 2), np.float32)
        packed = layout.pack(observation, 1)
        observation[:] = 7.0
        np.testing.assert_array_equal(packed["float"], [[0.0, 0.0]])

    def test_leaves_of_a_dict_know_their_columns(self) -> None:
        layout = ObservationLayout.from_space(MIXED)
        assert layout.leaves == (
            Leaf("gear", "discrete", (), 1, 0, categories=4, start=-1),
            Leaf("image", "byte", (2, 2, 1), 4, 0),
            Leaf("joints", "float", (3,), 3, 1),
        )
        assert (layout.floats, layout.bytes) == (4, 4)
        assert layout.features == 4 + 4 + 3  # one-hot gear, pixels, joints
        assert layout.part("joints") == ("float", slice(1, 4))
        assert layout.part("image") == ("byte", slice(0, 4))

    def test_a_dict_is_packed_by_part(self) -> None:
        packed = ObservationLayout.from_space(MIXED).pack(mixed_observations(), 2)
        # gear counts from its start -1: -1 → 0 and 2 → 3
        expected = np.array([[0, 0.1, 0.2, 0.3], [3, 1, 2, 3]], np.float32)
        np.testing.assert_array_equal(packed["float"], expected)
        np.testing.assert_array_equal(packed["byte"], [[0, 51, 102, 255], [1, 2, 3, 4]])
        assert packed["byte"].dtype == np.uint8

    def test_a_single_observation_has_no_leading_axis(self) -> None:
        layout = ObservationLayout.from_space(MIXED)
        one = layout.pack_one({key: rows[1] for key, rows in mixed_observations().items()})
        both = layout.pack(mixed_observations(), 2)
        for part in ("float", "byte"):
            np.testing.assert_array_equal(one[part], both[part][1])

    @pytest.mark.parametrize("compiled", [False, True])
    def test_encoding_is_one_hot_pixels_over_255_and_floats(self, compiled: bool) -> None:
        layout = ObservationLayout.from_space(MIXED)
        packed = {part: torch.from_numpy(rows) for part, rows in layout.pack(mixed_observations(), 2).items()}
        # The eager backend traces with fullgraph=True, which fails on any data-dependent Python.
        encode = torch.compile(layout.encode, fullgraph=True, backend="eager") if compiled else layout.encode
        expected = torch.tensor(
            [
                [1, 0, 0, 0, 0, 0.2, 0.4, 1, 0.1, 0.2, 0.3],  # 51/255 = 0.2, 102/255 = 0.4
                [0, 0, 0, 1, 1 / 255, 2 / 255, 3 / 255, 4 / 255, 1, 2, 3],
            ]
        )
        torch.testing.assert_close(encode(packed), expected, rtol=0, atol=1e-7)

    def test_encoding_keeps_every_leading_axis(self) -> None:
        layout = ObservationLayout.from_space(MIXED)
        packed = {"float": torch.zeros(5, 6, 4), "byte": torch.zeros(5, 6, 4, dtype=torch.uint8)}
        assert layout.encode(packed).shape == (5, 6, 11)

    def test_floats_alone_are_encoded_as_they_are(self) -> None:
        layout = ObservationLayout.from_space(spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.Box(-1, 1, ())))
        tensor = torch.arange(3.0)
        assert layout.encode({"float": tensor}) is tensor

    def test_an_empty_leaf_takes_no_columns(self) -> None:
        layout = ObservationLayout.from_space(spaces.Dict(a=spaces.Box(-1, 1, (0,)), b=spaces.Discrete(2)))
        packed = layout.pack({"a": np.zeros((1, 0)), "b": np.array([1])}, 1)
        np.testing.assert_array_equal(packed["float"], [[1]])
        torch.testing.assert_close(layout.encode({"float": torch.ones(1, 1)}), torch.tensor([[0.0, 1.0]]))

    def test_json_round_trip(self) -> None:
        layout = ObservationLayout.from_space(MIXED)
        assert ObservationLayout.from_json(json.loads(json.dumps(layout.to_json()))) == layout

    def test_plain_discrete(self) -> None:
        layout = ObservationLayout.from_space(spaces.Discrete(3, start=10))
        packed = layout.pack(np.array([10, 12]), 2)
        np.testing.assert_array_equal(packed["float"], [[0], [2]])
        encoded = layout.encode({"float": torch.from_numpy(packed["float"])})
        torch.testing.assert_close(encoded, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))

    @pytest.mark.parametrize(
        ("space", "named"),
        [
            (spaces.MultiBinary(3), "MultiBinary"),
            (spaces.Dict(good=spaces.Discrete(2), words=spaces.Text(5)), "'words'"),
            (spaces.Dict(deep=spaces.Dict(x=spaces.Discrete(2))), "'deep'"),
            (spaces.Box(0, 1, (0,)), "empty"),
        ],
    )
    def test_other_spaces_are_named(self, space: spaces.Space, named: str) -> None:
        with pytest.raises(UserError, match=named):
            ObservationLayout.from_space(space)

    @pytest.mark.parametrize(
        ("space", "observation", "named"),
        [
            (spaces.Box(-1, 1, (3,)), np.zeros((1, 4)), r"\(1, 4\)"),
            (MIXED, {"gear": np.array([0])}, "'image'"),
            (MIXED, np.zeros((1, 3)), "ndarray"),
        ],
    )
    def test_a_wrong_observation_is_named(self, space: spaces.Space, observation: object, named: str) -> None:
        with pytest.raises(UserError, match=named):
            ObservationLayout.from_space(space).pack(observation, 1)

    def test_an_unknown_leaf_is_named_with_the_known_ones(self) -> None:
        with pytest.raises(UserError, match="'gear', 'image', 'joints', got 'goal'"):
            ObservationLayout.from_space(MIXED).part("goal")


class TestActionLayout:
    def test_asymmetric_bounds(self) -> None:
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
    def test_minus_one_is_low_and_one_is_high_exactly(self, low: float, width: float, double: bool) -> None:
        dtype = np.float64 if double else np.float32
        space = spaces.Box(dtype(low), dtype(low + width), (1,), dtype)
        if space.low[0] >= space.high[0]:  # the width vanished in float32
            return
        ends = ActionLayout.from_space(space).to_env(np.array([[-1.0], [1.0]], np.float32))
        np.testing.assert_array_equal(ends, [space.low, space.high])

    def test_low_minus_a_tenth_high_three_tenths(self) -> None:
        # Centre and half width would give 0.1 + 0.2 = 0.30000000000000004, outside of the bounds.
        layout = ActionLayout.from_space(spaces.Box(-0.1, 0.3, (1,), np.float64))
        assert layout.to_env(np.array([[1.0]], np.float32))[0, 0] == 0.3

    def test_unit_bounds_change_nothing(self) -> None:
        actions = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
        given = ActionLayout.from_space(spaces.Box(-1, 1, (3,))).to_env(actions)
        np.testing.assert_array_equal(given, actions)
        assert not np.shares_memory(given, actions)

    @pytest.mark.parametrize("bounds", [(-2.0, 2.0), (-1.0, 3.0)])
    def test_from_env_is_the_inverse(self, bounds: tuple[float, float]) -> None:
        layout = ActionLayout.from_space(spaces.Box(*bounds, (2, 2)))
        actions = np.random.default_rng(1).uniform(-1, 1, (20, 4)).astype(np.float32)
        assert layout.to_env(actions).shape == (20, 2, 2)
        np.testing.assert_allclose(layout.from_env(layout.to_env(actions)), actions, rtol=0, atol=2e-7)

    def test_from_env_stays_in_the_policy_range(self) -> None:
        layout = ActionLayout.from_space(spaces.Box(-2, 2, (1,)))
        np.testing.assert_array_equal(layout.from_env(np.array([[5.0], [-2.0], [1.0]])), [[1.0], [-1.0], [0.5]])

    def test_integer_bounds_are_rounded_to(self) -> None:
        layout = ActionLayout.from_space(spaces.Box(0, 10, (1,), np.int32))
        given = layout.to_env(np.array([[-1.0], [0.25], [1.0]], np.float32))  # 0, 6.25, 10
        np.testing.assert_array_equal(given, [[0], [6], [10]])
        assert given.dtype == np.int32

    def test_discrete_with_a_start(self) -> None:
        layout = ActionLayout.from_space(spaces.Discrete(3, start=5))
        assert (layout.kind, layout.size, layout.count, layout.start) == ("discrete", 1, 3, 5)
        given = layout.to_env(np.array([[0.0], [2.0]], np.float32))
        np.testing.assert_array_equal(given, [5, 7])
        assert given.dtype == np.int64
        np.testing.assert_array_equal(layout.from_env(given), [[0], [2]])

    @pytest.mark.parametrize("space", [spaces.Discrete(3, start=5), spaces.Box(-1, 3, (2, 1), np.float64)])
    def test_json_round_trip(self, space: spaces.Space) -> None:
        layout = ActionLayout.from_space(space)
        assert ActionLayout.from_json(json.loads(json.dumps(layout.to_json()))) == layout

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
    def test_other_spaces_are_named(self, space: spaces.Space, named: str) -> None:
        with pytest.raises(UserError, match=named):
            ActionLayout.from_space(space)

    def test_the_advice_for_unbounded_actions_works(self) -> None:
        import gymnasium as gym

        class Unbounded(gym.Env):
            observation_space = spaces.Box(-1, 1, (1,))
            action_space = spaces.Box(-np.inf, np.inf, (2,))

        with pytest.raises(UserError) as caught:
            ActionLayout.from_space(Unbounded.action_space)
        advice = str(caught.value).rpartition("with ")[2].rstrip(".")
        bounded = eval(advice, {"gymnasium": gym, "env": Unbounded()})
        assert ActionLayout.from_space(bounded.action_space).high == (1.0, 1.0)
