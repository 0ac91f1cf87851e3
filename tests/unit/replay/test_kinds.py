"""The kinds of replay as settings."""

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from maxent.errors import UserError
from maxent.replay import HindsightReplay, PrioritizedReplay, ReplayKind, UniformReplay


def test_kinds_have_names_and_the_papers_defaults() -> None:
    assert [kind.kind for kind in (UniformReplay, PrioritizedReplay, HindsightReplay)] == [
        "uniform",
        "prioritized",
        "hindsight",
    ]
    assert PrioritizedReplay() == PrioritizedReplay(exponent=0.6, correction=0.4)
    assert HindsightReplay() == HindsightReplay(ratio=0.8)


def test_kinds_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        HindsightReplay().ratio = 0.5  # type: ignore[misc]


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.5", None])
@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda value: PrioritizedReplay(exponent=value), "prioritized replay, exponent"),
        (lambda value: PrioritizedReplay(correction=value), "prioritized replay, correction"),
        (lambda value: HindsightReplay(ratio=value), "hindsight replay, ratio"),
    ],
)
def test_a_share_that_is_not_between_0_and_1_is_refused(
    make: Callable[[Any], ReplayKind], place: str, value: object
) -> None:
    with pytest.raises(UserError, match=f"{place}: expected a number from 0 to 1, got"):
        make(value)


@pytest.mark.parametrize("share", [0, 0.0, 0.5, 1, 1.0])
def test_the_bounds_are_allowed(share: float) -> None:
    assert PrioritizedReplay(exponent=share, correction=share).exponent == share
    assert HindsightReplay(ratio=share).ratio == share
