"""Random streams: every member has its own for each purpose, derived from its own seed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

INIT, NOISE, ACTING, SAMPLING = range(4)


def _sequence(seed: int, purpose: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, purpose])


def torch_stream(seed: int, purpose: int, device: str = "cpu") -> torch.Generator:
    """A torch generator for one purpose of the member with this seed."""
    generator = torch.Generator(device)
    generator.manual_seed(int(_sequence(seed, purpose).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def numpy_stream(seed: int, purpose: int) -> np.random.Generator:
    """A NumPy generator for one purpose of the member with this seed."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose)))


class Streams:
    """The streams of all members of a run: update noise, acting and sampling."""

    def __init__(self, seeds: Sequence[int], device: str = "cpu") -> None:
        self.noise = [torch_stream(seed, NOISE, device) for seed in seeds]
        self.acting = [numpy_stream(seed, ACTING) for seed in seeds]
        self.sampling = [numpy_stream(seed, SAMPLING) for seed in seeds]

    def normal(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """The standard normal draws of one update, each member's in one go from its own stream. → each [P, *shape]"""
        if not shapes:
            return {}
        sizes = [math.prod(shape) for shape in shapes.values()]
        total = (sum(sizes),)
        draws = torch.empty(len(self.noise), *total, device=self.noise[0].device)  # [P, n]
        for member, generator in zip(draws, self.noise, strict=True):
            torch.randn(total, generator=generator, out=member)
        parts = torch.split(draws, sizes, dim=1)
        return {name: part.view(-1, *shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The position of every stream: plain data and tensors."""
        plain = {
            "acting": [stream.bit_generator.state for stream in self.acting],
            "sampling": [stream.bit_generator.state for stream in self.sampling],
        }
        return plain, {"streams/noise": torch.stack([generator.get_state() for generator in self.noise])}

    def restore(self, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Go back to the positions that `state` told."""
        for name, streams in (("acting", self.acting), ("sampling", self.sampling)):
            for stream, state in zip(streams, plain[name], strict=True):
                stream.bit_generator.state = state
        for generator, state in zip(self.noise, tensors["streams/noise"], strict=True):
            generator.set_state(state.clone())  # a window into another tensor crashes torch 2.13
