"""The seam to own layers: without the folder `native` the library works, with torch's layers."""

import subprocess
import sys

import torch

from maxent.nn import kernels
from maxent.nn.network import mlp

WITHOUT = """
import sys
sys.modules["maxent.native"] = None  # as if the folder were gone
import maxent
from maxent.nn import kernels
assert kernels.native is None and not kernels.ready()
settings = dict(hidden=(8,), learning_starts=10, batch_size=8, eval_every=0, compile={0!r})
agent = maxent.SAC("Pendulum-v1", verbose=False, **settings)
agent.learn(30)
print(agent._trainer.engine().layers)
"""


def without_native(compile_: str) -> str:
    done = subprocess.run([sys.executable, "-c", WITHOUT.format(compile_)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_library_works_without_the_folder() -> None:
    assert without_native("off") == "torch's"


def test_compiled_updates_work_without_the_folder() -> None:
    assert without_native("on") == "torch's"


def test_a_network_computes_the_same_to_rounding_either_way(monkeypatch) -> None:
    network = mlp((2, 3), (5, 16, 16, 1))
    parameters = network.init([torch.Generator().manual_seed(seed) for seed in range(2)])
    x = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(9))
    own = network(parameters, x)
    monkeypatch.setattr(kernels, "native", None)
    torch.testing.assert_close(network(parameters, x), own, rtol=1e-5, atol=1e-6)
