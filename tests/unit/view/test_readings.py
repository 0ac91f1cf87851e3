"""Numbers as text."""

import numpy as np
import pytest

from maxent.view.readings import Pace, age, clock, duration, number, short_count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (119, "119 s"), (120, "2 min"), (3_599, "60 min"), (7_199, "2 h"), (86_399, "24 h"),
        (86_400, "1 d"), (864_000, "10 d"), (float("nan"), "-"), (float("inf"), "-"),
    ],
)  # fmt: skip
def test_a_duration_has_one_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_age_beyond_a_day_is_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000,000,000 s after the epoch is noon of 2001-09-09 a little less everywhere: ten hours off stay that day."""
    assert age(30.0, now=1e9) == "30 s ago"
    assert age(86_400.0, now=1e9 + 36_800 + 86_400) in ("2001-09-09", "2001-09-10")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1_000, "1k"), (20_000, "20k"), (88_591, "88.6k"), (999_499, "999k"),
     (999_500, "1M"), (1_500_000, "1.5M"), (123_456_789, "123M")],
)  # fmt: skip
def test_a_count_has_three_digits(count: int, text: str) -> None:
    assert short_count(count) == text


def test_pace_is_that_of_the_last_half_minute() -> None:
    pace = Pace()
    assert np.isnan(pace.rate)
    assert clock(pace.left(100)) == "-:--:--"
    for second in range(0, 101):
        pace.add(float(second), 1000 * second if second <= 50 else 50_000 + 10 * (second - 50))
    assert pace.rate == pytest.approx(10.0)
    assert pace.left(50_500 + 36_000) == pytest.approx(3600.0)
    assert pace.left(1) == 0.0


def test_time_left_of_a_run_that_stands_still_is_unknown() -> None:
    pace = Pace()
    pace.add(0.0, 10)
    pace.add(5.0, 10)
    assert clock(pace.left(20)) == "-:--:--"


def test_clock_reads_hours_minutes_seconds() -> None:
    assert clock(0.4) == "0:00:00"
    assert clock(59.6) == "0:01:00"
    assert clock(3 * 3600 + 4 * 60 + 5) == "3:04:05"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-151.84, "-151.8"),
        (12122.4, "12,122"),
        (0.12345, "0.1235"),
        (9.8765, "9.877"),
        (-2.5e-7, "-2.50e-07"),
        (3.2e8, "3.20e+08"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_show_four_significant_digits(value: float, text: str) -> None:
    assert number(value) == text
