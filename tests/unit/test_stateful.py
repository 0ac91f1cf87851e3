"""States of several parts as one, and back."""

import pytest
import torch

from maxent.stateful import Saved, gather, part_of


class Counter:
    """A part with a number and a tensor."""

    def __init__(self, count: int) -> None:
        self.count, self.tensor = count, torch.full((2,), float(count))

    def state(self) -> Saved:
        return Saved({"count": self.count}, {"x": self.tensor, "deep/x": -self.tensor})

    def restore(self, saved: Saved) -> None:
        self.count, self.tensor = saved.plain["count"], saved.tensors["x"]


class Empty:
    """A part without a state."""

    def state(self) -> Saved:
        return Saved()

    def restore(self, saved: Saved) -> None:
        assert not saved.plain
        assert not saved.tensors


def test_parts_are_gathered_by_name() -> None:
    saved = gather({"one": Counter(1), "two": Counter(2), "none": Empty()})
    assert saved.plain == {"one": {"count": 1}, "two": {"count": 2}, "none": {}}
    assert saved.tensors.keys() == {"one/x", "one/deep/x", "two/x", "two/deep/x"}
    assert saved.tensors["two/deep/x"].tolist() == [-2.0, -2.0]


def test_each_part_gets_its_own_back() -> None:
    saved = gather({"one": Counter(1), "two": Counter(2), "none": Empty()})
    again = {"two": Counter(0), "none": Empty(), "one": Counter(0)}
    for name, part in again.items():
        part.restore(part_of(saved, name))
    one, two = again["one"], again["two"]
    assert isinstance(one, Counter)
    assert isinstance(two, Counter)
    assert (one.count, two.count) == (1, 2)
    assert two.tensor.tolist() == [2.0, 2.0]


def test_a_name_that_begins_like_another_takes_nothing_of_it() -> None:
    saved = gather({"norm": Counter(1), "norm2": Counter(2)})
    assert part_of(saved, "norm").tensors.keys() == {"x", "deep/x"}
    assert part_of(saved, "norm").tensors["x"].tolist() == [1.0, 1.0]


def test_a_part_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="three"):
        part_of(gather({"one": Counter(1)}), "three")
