"""Numbers as text."""

import pytest

from maxent.view.readings import age, duration, short_count


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
