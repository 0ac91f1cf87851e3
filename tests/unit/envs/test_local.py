"""Info dicts of several environments as one, as `gymnasium.vector` has them."""

import numpy as np

from maxent.envs.local import merged_infos


def test_numbers_arrays_objects_and_dicts() -> None:
    infos = [
        {"x": 1.5, "name": "a", "nested": {"y": 2}},
        {},
        {"x": 2.5, "vector": np.array([1, 2]), "nested": {"y": 3}},
    ]
    merged = merged_infos(infos)
    np.testing.assert_array_equal(merged["x"], [1.5, 0, 2.5])
    np.testing.assert_array_equal(merged["_x"], [True, False, True])
    assert merged["name"].tolist() == ["a", None, None]
    np.testing.assert_array_equal(merged["vector"], [[0, 0], [0, 0], [1, 2]])
    np.testing.assert_array_equal(merged["nested"]["y"], [2, 0, 3])
    np.testing.assert_array_equal(merged["_nested"], [True, False, True])


def test_arrays_of_different_shapes_stay_objects() -> None:
    merged = merged_infos([{"v": np.zeros(1)}, {"v": np.zeros(2)}])
    assert [value.shape for value in merged["v"]] == [(1,), (2,)]


def test_no_infos() -> None:
    assert merged_infos([{}, {}]) == {}
