"""The compiled update of an algorithm against the eager one."""

from typing import Any

import torch
from cases import data, generators
from torch import Tensor

from maxent.algorithms import Algorithm
from maxent.algorithms.base import Noise
from maxent.batch import Batch
from maxent.engine.compiling import tracing
from maxent.nn.optimiser import State


def assert_compiled_equals_eager(algorithm: Algorithm, **how: Any) -> None:
    """Three updates as one graph, on few transitions in float32."""

    def update(state: State, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        return algorithm.update(state, batch, noise, policy=True, target=True)

    torch.compiler.reset()  # torch refuses the ninth version of one piece of code
    compiled_update = torch.compile(update, fullgraph=True, dynamic=False, **how)
    eager, compiled = algorithm.init(generators([0, 1])), algorithm.init(generators([0, 1]))
    with torch.no_grad(), tracing():
        for batch, noise in data(algorithm, 3, torch.float32):
            expected, metrics = update(eager, batch, noise), compiled_update(compiled, batch, noise)
            assert metrics.keys() == expected.keys()
            for tag, value in expected.items():
                torch.testing.assert_close(metrics[tag], value, atol=1e-4, rtol=1e-4)
    for name, tensor in eager.items():
        # Adam's steps are of 3e-4; three of them may differ by a hundredth of one in rounding
        torch.testing.assert_close(compiled[name], tensor, atol=3e-6, rtol=1e-5)
