"""Packing and encoding observations, with numbers worked out by hand."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from gymnasium import spaces

from maxent.errors import UserError
from maxent.spaces import Entry, Leaf, ObservationLayout

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


def test_a_float64_box_becomes_float32_columns() -> None:
    layout = ObservationLayout.from_space(spaces.Box(-1.0, 1.0, (2, 2), np.float64))
    observation = np.array([[[0.1, 0.2], [0.3, 0.4]]])
    packed = layout.pack(observation, 1)
    assert (layout.floats, layout.bytes, layout.features) == (4, 0, 4)
    assert list(packed) == ["float"]
    assert packed["float"].dtype == np.float32
    np.testing.assert_array_equal(packed["float"], np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))


def test_packing_copies() -> None:
    layout = ObservationLayout.from_space(spaces.Box(-1.0, 1.0, (2,)))
    observation = np.zeros((1, 2), np.float32)
    packed = layout.pack(observation, 1)
    observation[:] = 7.0
    np.testing.assert_array_equal(packed["float"], [[0.0, 0.0]])


def test_leaves_of_a_dict_know_their_columns() -> None:
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


def test_a_dict_is_packed_by_part() -> None:
    packed = ObservationLayout.from_space(MIXED).pack(mixed_observations(), 2)
    # gear counts from its start -1: -1 → 0 and 2 → 3
    expected = np.array([[0, 0.1, 0.2, 0.3], [3, 1, 2, 3]], np.float32)
    np.testing.assert_array_equal(packed["float"], expected)
    np.testing.assert_array_equal(packed["byte"], [[0, 51, 102, 255], [1, 2, 3, 4]])
    assert packed["byte"].dtype == np.uint8


def test_a_single_observation_has_no_leading_axis() -> None:
    layout = ObservationLayout.from_space(MIXED)
    one = layout.pack_one({key: rows[1] for key, rows in mixed_observations().items()})
    both = layout.pack(mixed_observations(), 2)
    for part in ("float", "byte"):
        np.testing.assert_array_equal(one[part], both[part][1])


@pytest.mark.parametrize("compiled", [False, True])
def test_encoding_is_one_hot_pixels_over_255_and_floats(compiled: bool) -> None:
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


def test_encoding_keeps_every_leading_axis() -> None:
    layout = ObservationLayout.from_space(MIXED)
    packed = {"float": torch.zeros(5, 6, 4), "byte": torch.zeros(5, 6, 4, dtype=torch.uint8)}
    assert layout.encode(packed).shape == (5, 6, 11)


def test_floats_alone_are_encoded_as_they_are() -> None:
    layout = ObservationLayout.from_space(spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.Box(-1, 1, ())))
    tensor = torch.arange(3.0)
    assert layout.encode({"float": tensor}) is tensor


def test_an_empty_leaf_takes_no_columns() -> None:
    layout = ObservationLayout.from_space(spaces.Dict(a=spaces.Box(-1, 1, (0,)), b=spaces.Discrete(2)))
    packed = layout.pack({"a": np.zeros((1, 0)), "b": np.array([1])}, 1)
    np.testing.assert_array_equal(packed["float"], [[1]])
    torch.testing.assert_close(layout.encode({"float": torch.ones(1, 1)}), torch.tensor([[0.0, 1.0]]))


def test_json_round_trip() -> None:
    layout = ObservationLayout.from_space(MIXED)
    assert ObservationLayout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


@pytest.mark.parametrize(
    "change",
    [
        *({"kind": kind} for kind in ("byte ", ["float"], None, "discrete")),
        *({"size": size} for size in (0, 5, 3.0, True, 2**70)),
        *({"shape": shape} for shape in ([3, 2**62], [-3, -1], [1] * 40, 3, ["3"])),
        *({name: 1} for name in ("offset", "categories", "start", "name", "more")),
    ],
)
def test_a_leaf_that_no_space_has_is_refused(change: dict[str, object]) -> None:
    data = ObservationLayout.from_space(spaces.Box(-1, 1, (3,))).to_json()
    assert ObservationLayout.from_json(data).to_json() == data
    with pytest.raises(UserError):
        ObservationLayout.from_json({"leaves": [data["leaves"][0] | change]})


@pytest.mark.parametrize("data", [{}, {"leaves": []}, {"leaves": {}}, {"leaves": [1]}, [], {"leaves": [], "more": 1}])
def test_an_observation_without_leaves_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(UserError):
        ObservationLayout.from_json(data)


def test_two_leaves_of_one_name_are_refused() -> None:
    leaves = ObservationLayout.from_space(spaces.Box(-1, 1, (3,))).to_json()["leaves"]
    second = leaves[0] | {"offset": 3}
    assert ObservationLayout.from_json({"leaves": [leaves[0] | {"name": "a"}, second | {"name": "b"}]}).floats == 6
    for names in (("a", "a"), ("", "b")):
        with pytest.raises(UserError, match="names of their own"):
            ObservationLayout.from_json({"leaves": [leaves[0] | {"name": names[0]}, second | {"name": names[1]}]})


def test_plain_discrete() -> None:
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
def test_other_spaces_are_named(space: spaces.Space, named: str) -> None:
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
def test_a_wrong_observation_is_named(space: spaces.Space, observation: object, named: str) -> None:
    with pytest.raises(UserError, match=named):
        ObservationLayout.from_space(space).pack(observation, 1)


def test_an_unknown_leaf_is_named_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="'gear', 'image', 'joints', got 'goal'"):
        ObservationLayout.from_space(MIXED).part("goal")


def test_the_json_of_a_layout() -> None:
    layout = ObservationLayout.from_space(spaces.Dict(a=spaces.Discrete(2, start=5), b=spaces.Box(0, 9, (2,))))
    a = {"name": "a", "kind": "discrete", "shape": [], "size": 1, "offset": 0, "categories": 2, "start": 5}
    b = {"name": "b", "kind": "float", "shape": [2], "size": 2, "offset": 1, "categories": 0, "start": 0}
    assert layout.to_json() == {"leaves": [a, b]}


def test_entries_locate_each_array_in_the_encoded_vector() -> None:
    layout = ObservationLayout.from_space(MIXED)
    assert layout.entries() == (
        Entry("gear", "discrete", (), slice(0, 4)),
        Entry("image", "byte", (2, 2, 1), slice(4, 8)),
        Entry("joints", "float", (3,), slice(8, 11)),
    )
    packed = {part: torch.from_numpy(rows) for part, rows in layout.pack(mixed_observations(), 2).items()}
    encoded = layout.encode(packed)
    gear, image, joints = (encoded[:, entry.columns].reshape(2, -1, *entry.shape[1:]) for entry in layout.entries())
    torch.testing.assert_close(gear, torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]]))
    torch.testing.assert_close(image * 255, torch.from_numpy(mixed_observations()["image"]).float())
    torch.testing.assert_close(joints, torch.from_numpy(mixed_observations()["joints"]).float())


def test_entries_leave_out_empty_arrays() -> None:
    layout = ObservationLayout.from_space(spaces.Dict(a=spaces.Box(-1, 1, (0,)), b=spaces.Discrete(2)))
    assert layout.entries() == (Entry("b", "discrete", (), slice(0, 2)),)


def test_a_vector() -> None:
    layout = ObservationLayout.vector(3)
    assert layout == ObservationLayout.from_space(spaces.Box(-np.inf, np.inf, (3,)))
    assert layout.entries() == (Entry("", "float", (3,), slice(0, 3)),)
    with pytest.raises(UserError, match="at least 1, got 0"):
        ObservationLayout.vector(0)


@pytest.mark.parametrize(
    ("kind", "shape", "image"),
    [
        ("byte", (64, 48, 3), True),
        ("float", (64, 48, 3), True),
        ("byte", (8, 8), True),
        ("float", (8, 8), False),  # a matrix
        ("byte", (8, 8, 12), True),
        ("byte", (8, 8, 13), False),
        ("byte", (3, 64, 64), True),  # channels first
        ("float", (12, 16, 16), True),
        ("byte", (13, 64, 64), False),
        ("byte", (3, 64, 7), False),
        ("byte", (7, 64, 3), False),
        ("byte", (64, 7), False),
        ("byte", (4, 64, 64, 3), False),
        ("byte", (64,), False),
        ("float", (), False),
        ("discrete", (), False),
    ],
)
def test_which_arrays_are_images(kind: str, shape: tuple[int, ...], image: bool) -> None:
    assert Entry("x", kind, shape, slice(0, 1)).is_image is image


@pytest.mark.parametrize(
    ("shape", "first"), [((3, 64, 64), True), ((64, 64, 3), False), ((10, 64, 10), False), ((8, 8), False)]
)
def test_where_the_channels_are(shape: tuple[int, ...], first: bool) -> None:
    """First only where that axis is the shortest."""
    entry = Entry("x", "byte", shape, slice(0, 1))
    assert entry.is_image
    assert entry.channels_first is first


def test_a_batch_is_not_reshaped() -> None:
    """Six numbers are no two vectors of three, and neither is their transpose."""
    layout = ObservationLayout.vector(3)
    for wrong in (np.zeros(6), np.zeros((3, 2)), np.zeros((2, 3, 1))):
        with pytest.raises(UserError, match=r"expected 2 of shape \(3,\), got an array of shape"):
            layout.pack(wrong, 2)


def test_a_batch_of_one_may_lack_its_axis() -> None:
    for layout in (ObservationLayout.vector(3), ObservationLayout.from_space(spaces.Box(0, 255, (3,), np.uint8))):
        for observation in ([1, 2, 3], [[1, 2, 3]]):
            assert [rows.tolist() for rows in layout.pack(observation, 1).values()] == [[[1, 2, 3]]]
    with pytest.raises(UserError, match=r"expected shape \(3,\), got an array of shape \(1, 3\)"):
        ObservationLayout.vector(3).pack_one([[1, 2, 3]])


def test_packing_needs_no_torch() -> None:
    """Worker processes pack observations to check them."""
    code = "import sys\nfrom maxent.spaces import ObservationLayout\nimport maxent.envs.worker\n"
    code += "ObservationLayout.vector(2).pack_one([1, 2])\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
