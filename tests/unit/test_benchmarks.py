"""The measuring scripts, as far as they can be run in a test."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import maxent
from maxent import native

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and measuring takes minutes")
def test_without_a_gpu_there_is_nothing_to_measure() -> None:
    command = [sys.executable, BENCHMARKS / "speed" / "gpu.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no GPU" in done.stderr


@pytest.mark.parametrize("task", ["small", "flash"])
def test_a_measurement_has_a_rate(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "speed"))
    plan, measuring = importlib.import_module("plan"), importlib.import_module("measuring")
    figure = measuring.measure(plan.Measurement(task, "maxent", plan.MAXENT, task, ("off",), neighbours="one"), 0.1)
    assert figure["rate"] > 0.0
    assert figure["gflops"] > 0.0


def test_ratios_are_of_figures_that_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "speed"))
    plan = importlib.import_module("plan")
    measured = {(one.task, one.library) for one in plan.MEASUREMENTS}
    assert {place for ratio in plan.RATIOS for place in (ratio.above, ratio.below)} <= measured


def learned(precision: str) -> torch.Tensor:
    """The critics after 30 updates."""
    agent = maxent.SAC(
        "Pendulum-v1", seed=0, hidden=(64, 64), learning_starts=100, eval_every=0, precision=precision, compile="off",
        verbose=False,
    )  # fmt: skip
    return agent.learn(130)._learner.state["critic"]


def test_rounding_by_hand_is_what_bfloat16_products_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which lets a processor without fast bfloat16 products show what they do to learning."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    rounding = importlib.import_module("rounding")
    exact, rounded = learned("float32"), learned("bf16")
    monkeypatch.setattr(torch, "bmm", torch.bmm)  # put back at the end
    monkeypatch.setattr(native, "used", True)
    rounding.round_products()
    by_hand = learned("float32")
    assert (rounded - exact).norm() > 1e-3
    assert (rounded - by_hand).norm() < 0.01 * (rounded - exact).norm()
