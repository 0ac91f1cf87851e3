"""Random streams: one per member and purpose, derived from the member's seed."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maxent.stateful import Saved

INIT, NOISE, ACTING, SAMPLING, UNIFORM = range(5)
AHEAD = 2**15  # numbers drawn at once for a member
MOST_UPDATES = 256  # the most updates that a block serves

Numbers = TypeVar("Numbers", Tensor, NDArray[np.float64])
Position = TypeVar("Position")


def _sequence(seed: int, purpose: int, attempt: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, purpose, attempt] if attempt else [seed, purpose])


def torch_stream(seed: int, purpose: int, device: str = "cpu", attempt: int = 0) -> torch.Generator:
    """Return a torch generator for one purpose of the member with this seed, at its n-th attempt after the first."""
    generator = torch.Generator(device)
    generator.manual_seed(int(_sequence(seed, purpose, attempt).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def numpy_stream(seed: int, purpose: int, attempt: int = 0) -> np.random.Generator:
    """Return a NumPy generator for one purpose of the member with this seed, at its n-th attempt after the first."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, attempt)))


@final
class Block(Generic[Numbers, Position]):
    """The numbers of several updates, drawn at once.

    The numbers themselves are not saved: a checkpoint has the position of the streams before the block was drawn, and
    how many updates have used it since.

    Args:
        draw: draws the numbers [P, count] of the given number of updates from the streams.
        position: returns the position of the streams.
    """

    def __init__(self, draw: Callable[[int, int], Sequence[Numbers]], position: Callable[[], Position]) -> None:
        self._draw: Callable[[int, int], Sequence[Numbers]] = draw
        self._position = position
        self._ahead: list[Numbers] = []  # the numbers of coming updates, the next one's last
        self._before: Position | None = None  # the position of the streams before these were drawn
        self.used = 0
        """Updates that have used the block."""

    @property
    def before(self) -> Position:
        """The position of the streams before the block was drawn."""
        return self._position() if self._before is None else self._before

    def next(self, count: int) -> Numbers:
        """Return the numbers of one update. → [P, count]"""
        while not self._ahead:
            self._refill(count)
        assert self._ahead[-1].shape[1] == count, "every update needs the same number of draws"
        self.used += 1
        return self._ahead.pop()

    def restore(self, used: int) -> None:
        """Set the block to be drawn again at the next use, without its first `used` updates."""
        self._ahead, self._before, self.used = [], None, used

    def _refill(self, count: int) -> None:
        used = self.used if self._before is None else 0  # of a restored block, which is drawn again
        self._before = self._position()
        updates = min(max(1, AHEAD // count), MOST_UPDATES)
        self._ahead = list(self._draw(updates, count))[used:][::-1]
        self.used = used


class Streams:
    """The streams of all members of a run: update noise, acting, sampling, and uniform numbers for sampling."""

    def __init__(self, seeds: Sequence[int], device: str = "cpu") -> None:
        self.seeds, self.device = seeds, device
        self.noise = [torch_stream(seed, NOISE, device) for seed in seeds]
        self.acting = [numpy_stream(seed, ACTING) for seed in seeds]
        self.sampling = [numpy_stream(seed, SAMPLING) for seed in seeds]
        self._uniform = [numpy_stream(seed, UNIFORM) for seed in seeds]
        self._noise_block = Block(self._draw_normal, self._noise_position)
        self._uniform_block = Block(self._draw_uniform, lambda: _positions(self._uniform))

    def normal(self, count: int) -> Tensor:
        """Return the standard normal draws of one update, each member's from its own stream. → [P, count]"""
        if not count:
            return torch.empty(len(self.noise), 0, device=self.noise[0].device)
        return self._noise_block.next(count)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """Return the uniform draws from [0, 1) of one update, each member's from its own stream. → [P, count]"""
        return self._uniform_block.next(count)

    def renew(self, member: int, attempt: int) -> None:
        """Replace the streams of one member by those of another attempt; the numbers of the others stay the same."""
        saved, seed = self.state(), self.seeds[member]
        for name, purpose in (("acting", ACTING), ("sampling", SAMPLING), ("uniform", UNIFORM)):
            saved.plain[name][member] = numpy_stream(seed, purpose, attempt).bit_generator.state
        noise = saved.tensors["noise"].clone()
        noise[member] = torch_stream(seed, NOISE, self.device, attempt).get_state()
        self.restore(Saved(saved.plain, {"noise": noise}))

    def _draw_normal(self, updates: int, count: int) -> Sequence[Tensor]:
        draws = [torch.randn(updates, count, generator=stream, device=stream.device) for stream in self.noise]
        return torch.stack(draws, dim=1).unbind()

    def _draw_uniform(self, updates: int, count: int) -> Sequence[NDArray[np.float64]]:
        block = np.empty((len(self._uniform), updates, count))
        for stream, numbers in zip(self._uniform, block, strict=True):
            stream.random(out=numbers)
        return list(block.swapaxes(0, 1))

    def _noise_position(self) -> Tensor:
        return torch.stack([generator.get_state() for generator in self.noise])

    def state(self) -> Saved:
        """Return the position of every stream."""
        plain = {
            "acting": _positions(self.acting),
            "sampling": _positions(self.sampling),
            "uniform": self._uniform_block.before,
            "uniform_used": self._uniform_block.used,
            "noise_used": self._noise_block.used,
        }
        return Saved(plain, {"noise": self._noise_block.before})

    def restore(self, saved: Saved) -> None:
        """Set every stream to its saved position."""
        plain = saved.plain
        for name, streams in (("acting", self.acting), ("sampling", self.sampling), ("uniform", self._uniform)):
            for stream, state in zip(streams, plain[name], strict=True):
                stream.bit_generator.state = state
        for generator, state in zip(self.noise, saved.tensors["noise"], strict=True):
            generator.set_state(state.clone())  # a view of another tensor crashes torch 2.13
        self._noise_block.restore(plain["noise_used"])
        self._uniform_block.restore(plain["uniform_used"])


def _positions(streams: Sequence[np.random.Generator]) -> list[Any]:
    return [stream.bit_generator.state for stream in streams]
