"""Scales of figures and their ticks."""

import numpy as np
import pytest

from maxent.page.scales import Scale, scale_of, ticks, wants_log


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 100.0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]),  # 100/5 = 20
        (-0.3, 0.31, [-0.2, 0.0, 0.2]),  # 0.61/5 = 0.122, so steps of 0.2
        (85_000.0, 300_000.0, [100_000.0, 150_000.0, 200_000.0, 250_000.0, 300_000.0]),  # 43,000, so 50,000
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 5) == expected


@pytest.mark.parametrize("log", [False, True])
def test_places_run_from_one_end_to_the_other(log: bool) -> None:
    scale = Scale(1.0, 100.0, log=log)
    middle = 10.0 if log else 50.5
    assert scale.place(np.array([1.0, middle, 100.0])).tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_ticks_of_decades_are_powers_of_ten() -> None:
    assert Scale(0.005, 2_000.0, log=True).ticks() == [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]
    assert Scale(1e-12, 1.0, log=True).ticks(5) == [1e-12, 1e-9, 1e-6, 1e-3, 1.0]  # every third of 13
    assert Scale(2.0, 8.0, log=True).ticks(5) == [2.0, 4.0, 6.0, 8.0]  # less than one decade


def test_a_scale_leaves_a_margin() -> None:
    assert scale_of(np.array([0.0, np.nan, 10.0])) == Scale(-0.5, 10.5)
    alone = scale_of(np.array([3.0]))
    assert alone.low < 3.0 < alone.high
    assert scale_of(np.array([np.nan])) == Scale(-0.05, 1.05)
    assert scale_of(np.array([1.0, 100.0]), log=True, margin=0.5) == Scale(0.1, 1000.0, log=True)


@pytest.mark.parametrize("values", [(0.0, 5e-324), (1e99, 1e99), (1.0, 1.0 + 2e-16), (-1e100, 1e100), (1e-300, 1e100)])
@pytest.mark.parametrize("log", [False, True])
def test_extreme_values_have_a_scale(values: tuple[float, ...], log: bool) -> None:
    known = np.array(values)
    scale = scale_of(known, log=log and wants_log(known))
    assert scale.low < scale.high
    assert ((scale.place(known) >= 0) & (scale.place(known) <= 1)).all()
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks())
    assert Scale(0.0, 1e-320).ticks() == []


def test_positive_values_of_several_decades_want_a_logarithm() -> None:
    assert wants_log(np.array([0.01, 5.0]))
    assert wants_log(np.array([146.0, 7_500.0]))  # a factor of 51
    assert not wants_log(np.array([0.2, 5.0]))
    assert not wants_log(np.array([0.0, 0.01, 5.0]))
    assert not wants_log(np.array([np.nan]))
