"""The threads of an update."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import maxent
from maxent import native
from maxent.cli import main
from maxent.engine.threads import Threads

needs_own = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")


def test_own_layers_take_all_threads_and_torch_one() -> None:
    most = torch.get_num_threads()
    assert Threads.choose(None, own_layers=True) == Threads(most, 1)
    assert Threads.choose(None, own_layers=False) == Threads(most, most)
    assert Threads.choose(3, own_layers=True) == Threads(3, 1)
    assert Threads.choose(3, own_layers=False) == Threads(3, 3)


def test_the_threads_of_torch_are_restored() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), Threads(1, before + 1).applied():
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def learned(compile: str, threads: int) -> Tensor:
    """Return the critics after 20 updates that are large enough for several threads."""
    agent = maxent.SAC(
        "Pendulum-v1", seed=0, hidden=(128, 128), learning_starts=50, eval_every=0, verbose=False,
        compile=compile, threads=threads,
    )  # fmt: skip
    return agent.learn(70)._learner.state["critic"]


@needs_own
@pytest.mark.parametrize("compile", ["off", "on"])
def test_numbers_do_not_depend_on_the_number_of_threads(compile: str) -> None:
    assert torch.equal(learned(compile, 1), learned(compile, 2))


@needs_own
def test_a_run_states_its_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "Pendulum-v1", "--steps", "50", "--compile", "off", "--run-dir", str(tmp_path / "run")]
    assert main([*command, "--threads", "2"]) == 0
    assert "threads: up to 2, fewer while other processes use the cores" in capsys.readouterr().out
    assert main(["resume", str(tmp_path / "run"), "--steps", "100", "--threads", "1", "--device", "cpu"]) == 0
    assert "threads: 1" in capsys.readouterr().out
    assert main([*command[:-1], str(tmp_path / "other"), "--threads", "0"]) == 2
    assert "threads: expected a whole number of at least 1, got 0" in capsys.readouterr().err
