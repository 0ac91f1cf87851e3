"""Observations for which a caller wants an action or a value."""

import numpy as np
import pytest
from gymnasium import spaces

from maxent.errors import UserError
from maxent.spaces import ObservationLayout


def test_numbers_that_are_not_finite() -> None:
    layout = ObservationLayout.vector(3)
    with pytest.raises(UserError, match=r"^observation: expected finite numbers, got nan\.$"):
        layout.pack_given(np.array([0.0, np.nan, 1.0]), 1)
    with pytest.raises(UserError, match=r"got inf in observation 1\.$"):
        layout.pack_given(np.array([[0.0, 0.0, 1.0], [0.0, np.inf, 1.0]]), 2)


def test_nothing() -> None:
    with pytest.raises(UserError, match="expected numbers, got objects: None"):
        ObservationLayout.vector(3).pack_given(None, 1)


def test_bytes_for_an_image_of_floats_and_floats_for_one_of_bytes() -> None:
    floats = ObservationLayout.from_space(spaces.Box(0.0, 1.0, (16, 16, 3), np.float32))
    with pytest.raises(UserError, match="expected an image of floats, as its environment gives it, got uint8"):
        floats.pack_given(np.zeros((16, 16, 3), np.uint8), 1)
    floats.pack_given(np.zeros((16, 16, 3)), 1)
    whole = ObservationLayout.from_space(spaces.Box(0, 255, (16, 16, 3), np.uint8))
    with pytest.raises(UserError, match="expected integers from 0 to 255, got float32"):
        whole.pack_given(np.zeros((16, 16, 3), np.float32), 1)


def test_an_image_with_its_channels_elsewhere() -> None:
    layout = ObservationLayout.from_space(spaces.Box(0, 255, (16, 16, 3), np.uint8))
    for batch, shape in ((1, (3, 16, 16)), (2, (2, 3, 16, 16))):
        with pytest.raises(UserError, match="got an array of shape"):
            layout.pack_given(np.zeros(shape, np.uint8), batch)


def test_images_of_floats_in_the_range_of_bytes() -> None:
    layout = ObservationLayout.from_space(spaces.Box(0.0, 255.0, (16, 16, 3), np.float32))
    assert layout.unscaled_images({"float": np.full((2, 768), 200.0, np.float32)}) == ("observation",)
    assert layout.unscaled_images({"float": np.full((2, 768), 1.0, np.float32)}) == ()
    assert ObservationLayout.vector(3).unscaled_images({"float": np.full((2, 3), 200.0, np.float32)}) == ()
