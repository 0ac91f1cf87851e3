"""Direct calls of compiled code: with the inputs of each call, not of the first, and only where possible."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from maxent.engine.compiling import Compiled, keep_compiled


class Adding:
    """An update that adds up its inputs, and counts how often Python runs it."""

    def __init__(self, offset: Tensor | None = None) -> None:
        self.runs, self.offset = 0, offset

    def update(
        self,
        state: dict[str, Tensor],
        columns: dict[str, Tensor],
        rows: Tensor,
        noise: Tensor,
        extras: dict[str, Tensor],
        policy: bool,
        target: bool,
    ) -> Tensor:
        self.runs += 1
        state["sum"].add_(columns["row"].gather(0, rows) * (2.0 if policy else 1.0) + noise)
        if self.offset is not None:
            state["sum"].add_(self.offset)
        return state["sum"] * (10.0 if target else 1.0)


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs that were compiled; they run as they are, without Inductor."""
    made: list[Any] = []

    def compile_(graph: Any, inputs: Any, options: object) -> Any:
        made.append(graph)
        return graph

    monkeypatch.setattr(torch._inductor, "compile", compile_)
    return made


def call(compiled: Compiled, state: dict[str, Tensor], row: int, policy: bool = False, target: bool = False) -> Tensor:
    """Make one call with new tensors; the columns hold 0, 100, 200, …"""
    columns = {"row": 100.0 * torch.arange(5.0)}
    noise = torch.full((1,), float(row))
    with torch.no_grad():
        return compiled(state, columns, torch.tensor([row]), noise, {}, policy, target)


def test_every_call_takes_its_own_inputs_and_changes_the_state(graphs: list[Any]) -> None:
    """Rows 1, 2 and 3 add 101, 202 and 303; with a policy, row 4 adds 2 · 400 + 4. With targets the
    result is ten times the sum.
    """
    compiled, state = Compiled(Adding().update, "cpu", 1), {"sum": torch.zeros(1)}
    assert [call(compiled, state, row).item() for row in (1, 2, 3)] == [101.0, 303.0, 606.0]
    assert call(compiled, state, 4, policy=True, target=True).item() == 10.0 * 1410.0
    assert call(compiled, state, 4, policy=True, target=True).item() == 10.0 * 2214.0
    assert call(compiled, state, 0).item() == 2214.0
    assert len(graphs) == 2


def test_another_state_may_follow(graphs: list[Any]) -> None:
    """Tensors are found by name at each call, so those of a restored run take the place of the first ones."""
    compiled = Compiled(Adding().update, "cpu", 1)
    state, other = {"sum": torch.zeros(1)}, {"sum": torch.full((1,), 7.0)}
    call(compiled, state, 1)
    call(compiled, state, 1)
    assert call(compiled, other, 1).item() == 108.0
    assert state["sum"].item() == 202.0
    assert len(graphs) == 1


def test_only_the_first_call_of_a_kind_goes_through_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, state = Compiled(Adding().update, "cpu", 1), {"sum": torch.zeros(1)}
    call(compiled, state, 1)
    through = compiled._traced
    monkeypatch.setattr(compiled, "_traced", lambda *inputs: pytest.fail("called through torch"))
    assert call(compiled, state, 2).item() == 303.0
    monkeypatch.setattr(compiled, "_traced", through)
    assert call(compiled, state, 1, target=True).item() == 4040.0


def test_an_input_from_elsewhere_leaves_the_calls_to_torch() -> None:
    """A tensor that the update reads from its object is an input of the code that no call could name."""
    offset = torch.full((1,), 1000.0)
    compiled, state = Compiled(Adding(offset).update, "cpu", 1), {"sum": torch.zeros(1)}
    assert [call(compiled, state, row).item() for row in (1, 2)] == [1101.0, 2303.0]
    offset.fill_(0.0)
    assert call(compiled, state, 3).item() == 2606.0


def test_a_call_with_more_tensors_goes_through_torch_again(graphs: list[Any]) -> None:
    """They might mean something, such as the weights of a prioritised replay."""
    compiled, state = Compiled(Adding().update, "cpu", 1), {"sum": torch.zeros(1)}
    for _ in range(2):
        call(compiled, state, 1)
    state["more"] = torch.ones(1)
    assert call(compiled, state, 1).item() == 303.0
    assert call(compiled, state, 1).item() == 404.0


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the folder of Inductor's files during a test."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")


@pytest.mark.usefixtures("cache")
def test_machine_code_is_kept_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each kind of processor, because a home folder may be shared by several machines."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_compiled()
    folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.parent == tmp_path / "maxent" / "inductor"
    assert torch.backends.cpu.get_cpu_capability().lower() in folder.name
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "elsewhere"


@pytest.mark.usefixtures("cache")
def test_without_a_home_inductors_own_folder_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    keep_compiled()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
