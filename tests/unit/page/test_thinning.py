"""Fewer rows of long curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maxent.page.thinning import thin


@given(st.integers(1, 400), st.integers(1, 4), st.integers(20, 100), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_extremes_and_ends_are_kept(rows: int, lines: int, most: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, lines))
    values[np.random.default_rng(seed + 1).random(values.shape) < 0.2] = np.nan
    values[0] = 0.0  # each line has a value
    kept = thin(values, most)
    assert len(kept) <= max(most, 2 + 2 * lines)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0 and kept[-1] == rows - 1
    assert np.array_equal(np.nanmax(values[kept], axis=0), np.nanmax(values, axis=0))
    assert np.array_equal(np.nanmin(values[kept], axis=0), np.nanmin(values, axis=0))


def test_a_spike_between_many_rows_is_kept() -> None:
    values = np.zeros((10_000, 1))
    values[6_543] = 1.0
    assert 6_543 in thin(values, 100)


@pytest.mark.parametrize("rows", [1, 5, 100])
def test_few_rows_stay_as_they_are(rows: int) -> None:
    assert thin(np.zeros((rows, 3)), 100).tolist() == list(range(rows))
