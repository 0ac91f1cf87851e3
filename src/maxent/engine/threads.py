"""The threads of an update: those of own layers, and those of torch's kernels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch

from maxent.nn import kernels


@final
@dataclass(frozen=True)
class Threads:
    """Numbers of threads.

    Attributes:
        own: at most this many compute maxent's own layers: fewer while other processes use the cores.
        torch: as many compute each of torch's kernels, which wait for the last of them.
    """

    own: int
    torch: int

    @classmethod
    def choose(cls, wanted: int | None, *, own_layers: bool) -> "Threads":
        """Return the threads of a run; None stands for as many as torch uses.

        Where own layers compute all networks, what is left for torch's kernels is little, and one thread computes it.
        So nobody waits for a thread that the system has put aside, and numbers do not depend on the number of threads.
        """
        most = torch.get_num_threads() if wanted is None else wanted
        return cls(most, 1 if own_layers else most)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Use these numbers of threads within this context."""
        before, own_before = torch.get_num_threads(), kernels.use_threads(self.own)
        torch.set_num_threads(self.torch)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            kernels.use_threads(own_before)

    def __str__(self) -> str:
        if self.own == 1:
            return "1"
        if self.torch == 1:
            return f"up to {self.own}, fewer while other processes use the cores; numbers do not depend on it"
        return str(self.own)
