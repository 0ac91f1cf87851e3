"""Random streams: every member has its own for each purpose, derived from its own seed."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from maxent.stateful import Saved

INIT, NOISE, ACTING, SAMPLING = range(4)
AHEAD = 2**15  # numbers that a member draws ahead
MOST_UPDATES = 256  # updates that they serve at most


def _sequence(seed: int, purpose: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, purpose])


def torch_stream(seed: int, purpose: int, device: str = "cpu") -> torch.Generator:
    """Return a torch generator for one purpose of the member with this seed."""
    generator = torch.Generator(device)
    generator.manual_seed(int(_sequence(seed, purpose).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def numpy_stream(seed: int, purpose: int) -> np.random.Generator:
    """Return a NumPy generator for one purpose of the member with this seed."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose)))


class Streams:
    """The streams of all members of a run: update noise, acting and sampling.

    The noise of several updates is drawn at once. The block itself is not saved: a checkpoint has the positions of the
    streams before it and the number of updates that have used it.
    """

    def __init__(self, seeds: Sequence[int], device: str = "cpu") -> None:
        self.noise = [torch_stream(seed, NOISE, device) for seed in seeds]
        self.acting = [numpy_stream(seed, ACTING) for seed in seeds]
        self.sampling = [numpy_stream(seed, SAMPLING) for seed in seeds]
        self._ahead: list[Tensor] = []  # the noise of coming updates, the next one's last
        self._before: Tensor | None = None  # where the streams were when they drew it
        self._used = 0  # updates since then

    def normal(self, count: int) -> Tensor:
        """Return the standard normal draws of one update, each member's from its own stream. → [P, count]"""
        if not count:
            return torch.empty(len(self.noise), 0, device=self.noise[0].device)
        while not self._ahead:
            self._draw_ahead(count)
        assert self._ahead[-1].shape[1] == count, "every update takes as many draws"
        self._used += 1
        return self._ahead.pop()

    def _draw_ahead(self, count: int) -> None:
        used = self._used if self._before is None else 0  # of a block that is drawn once more
        self._before = self._noise_state()
        updates = min(max(1, AHEAD // count), MOST_UPDATES)
        draws = [torch.randn(updates, count, generator=stream, device=stream.device) for stream in self.noise]
        self._ahead = list(torch.stack(draws, dim=1).unbind())[used:][::-1]
        self._used = used

    def _noise_state(self) -> Tensor:
        return torch.stack([generator.get_state() for generator in self.noise])

    def state(self) -> Saved:
        """Return the position of every stream."""
        plain = {
            "acting": [stream.bit_generator.state for stream in self.acting],
            "sampling": [stream.bit_generator.state for stream in self.sampling],
            "noise_used": self._used,
        }
        return Saved(plain, {"noise": self._noise_state() if self._before is None else self._before})

    def restore(self, saved: Saved) -> None:
        """Restore the positions that `state` returned."""
        plain = saved.plain
        for name, streams in (("acting", self.acting), ("sampling", self.sampling)):
            for stream, state in zip(streams, plain[name], strict=True):
                stream.bit_generator.state = state
        for generator, state in zip(self.noise, saved.tensors["noise"], strict=True):
            generator.set_state(state.clone())  # a window into another tensor crashes torch 2.13
        self._ahead, self._before, self._used = [], None, plain["noise_used"]
