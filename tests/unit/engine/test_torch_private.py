"""Private parts of torch: each may be missing, and something slower takes its place."""

import sys

import pytest
import torch

import maxent
from maxent.engine import compiling, torch_private

SETTINGS = {"hidden": (8,), "learning_starts": 10, "batch_size": 8, "eval_every": 0, "verbose": False, "seed": 3}


def parameters(compile_: str) -> torch.Tensor:
    """Return an actor after some updates."""
    agent = maxent.SAC("Pendulum-v1", compile=compile_, **SETTINGS)
    agent.learn(30)
    actor = agent._learner.state["actor"]
    agent.close()
    return actor


def test_without_inductors_compile_the_traced_graph_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = parameters("off")
    monkeypatch.delattr(torch._inductor, "compile")
    with pytest.warns(UserWarning, match=r"updates run eagerly: this version of torch has no such function"):
        found = parameters("on")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_without_the_option_to_trace_the_tape_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_private.can_trace_the_tape()
    monkeypatch.setitem(sys.modules, "torch._dynamo.config", None)
    assert not torch_private.can_trace_the_tape()


def test_without_the_question_about_amx_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not torch_private.has_amx_tiles()


def test_a_compiler_that_fails_leaves_updates_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("g++: error: no space left on device\nand more")

    expected = parameters("off")
    monkeypatch.setattr(compiling, "inductor_compile", broken)
    with pytest.warns(UserWarning, match=r"^compilation failed, so updates run eagerly: g\+\+: error: no space left"):
        found = parameters("on")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
