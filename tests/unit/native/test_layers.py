"""Own layers against the same program in float64, and their promises beyond numbers."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import plain_layers
import pytest
import torch
from plain_layers import SHAPES, Shape, random_layers, same_as_plain, same_with_threads
from torch import Tensor

import maxent
from maxent import native
from maxent.cli import main
from maxent.native import library

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@every_shape
def test_outputs_and_gradients_equal_float64(shape: Shape) -> None:
    layers = random_layers(shape)
    assert native.takes(layers.sizes, layers.flat, layers.x)
    same_as_plain(layers)


@every_shape
def test_one_gradient_alone_is_the_same(shape: Shape) -> None:
    """Without a gradient of the parameters, rows with zero slopes are skipped."""
    layers = random_layers(shape)
    y, of_flat, of_x = layers.own()
    leaf = layers.flat.clone().requires_grad_()
    (alone,) = torch.autograd.grad(native.mlp(layers.sizes, leaf, layers.x), leaf, layers.slopes)
    assert torch.equal(alone, of_flat)
    assert torch.equal(layers.own_input_gradient(), of_x)
    with torch.no_grad():
        assert torch.equal(native.mlp(layers.sizes, layers.flat, layers.x), y)


def run_script(*arguments: object) -> str:
    """Run `plain_layers` in a process of its own, as a process can load one library only, and return its output."""
    command = [sys.executable, plain_layers.__file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("instructions", "panel"), [("AVX2", 16), ("AVX512", 32)])
def test_every_width_at_every_place_equals_float64(instructions: str, panel: int, tmp_path: Path) -> None:
    if list(library.FLAGS).index(instructions) > list(library.FLAGS).index(library.capability()):
        pytest.skip(f"the processor has no {instructions}")
    said = run_script(tmp_path, "widths", *library.FLAGS[instructions])
    assert said.startswith(f"panels of {panel}, ")
    assert int(said.split()[3]) > 2000


@pytest.mark.parametrize("lanes", [4, 16])
def test_other_vector_widths_give_the_same(lanes: int, tmp_path: Path) -> None:
    """The compiler makes two instructions of each where the processor has none of that width.

    Here the smallest network wakes all threads, as many as there are.
    """
    flags = ("-O1", "-Wno-psabi", f"-DMAXENT_LANES={lanes}", "-DMAXENT_WORTH=1")
    assert f"panels of {2 * lanes}" in run_script(tmp_path, "shapes", *library.FLAGS["AVX2"], *flags)


@pytest.fixture
def own_threads() -> Iterator[None]:
    yield
    native.use_threads(torch.get_num_threads())


@every_shape
def test_numbers_do_not_depend_on_threads(shape: Shape, own_threads: None) -> None:
    same_with_threads(random_layers(shape), 2, 1)


@every_shape
def test_numbers_of_a_member_do_not_depend_on_the_others(shape: Shape) -> None:
    layers = random_layers((3, *shape[1:]))
    together, copies = layers.own(), shape[1]
    for p in range(3):
        groups = slice(p * copies, (p + 1) * copies)
        alone = dataclasses.replace(
            layers, flat=layers.flat[groups], x=layers.x[p : p + 1], slopes=layers.slopes[groups]
        ).own()
        assert torch.equal(alone[0], together[0][groups])
        assert torch.equal(alone[1], together[1][groups])
        assert torch.equal(alone[2][0], together[2][p])


def test_nan_stays_nan() -> None:
    """A ReLU that turned NaN into 0 would hide that a run has diverged."""
    layers = random_layers((1, 1, 40, (5, 33, 3)))
    layers.x[0, 7, 2] = float("nan")
    layers.slopes.fill_(1.0)
    y, of_flat, of_x = layers.own()
    assert bool(y[0, 7].isnan().all())
    assert not y[0, torch.arange(40) != 7].isnan().any()
    assert bool(of_flat.isnan().any())
    assert not of_x[0, torch.arange(40) != 7].isnan().any()


def test_other_numbers_and_shapes_are_left_to_torch() -> None:
    layers = random_layers((1, 1, 4, (3, 8, 2)))
    sizes, flat, x = layers.sizes, layers.flat, layers.x
    assert native.takes(sizes, flat, x)
    assert not native.takes(sizes, flat.double(), x.double())
    assert not native.takes(sizes, flat, x[:, :0])
    assert not native.takes((3, 8, 8, 8, 8, 2), flat, x)
    assert not native.takes((3, 2**15, 2), flat, x)
    assert not native.takes((3, 0, 2), flat, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not native.takes(sizes, flat, x)


def test_wrong_input_is_refused() -> None:
    assert native.ready()
    operator, flat, x = torch.ops.maxent.mlp, torch.zeros(2, 64), torch.zeros(1, 4, 3)
    widths, layout = native.digits((3, 8, 2)), native.layout()
    operator(flat, x, widths, layout, False)
    for wrong in (
        (flat.double(), x, widths), (flat[:, :40], x, widths), (flat, x.transpose(1, 2), widths),
        (flat[:1], x.expand(2, 4, 3).contiguous(), widths), (flat[:, :32].contiguous(), x, widths), (flat, x, 0),
        (flat[:0], x, widths),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="maxent: expected"):
            operator(*wrong, layout, False)
    with pytest.raises(RuntimeError, match="expected code that was compiled for this library"):
        operator(flat, x, widths, layout + 1, False)
    with pytest.raises(ValueError, match=r"expected inputs \[\.\.\., 3\], got \(1, 4, 2\)"):
        native.mlp((3, 8, 2), flat, x[..., :2])


def test_tensors_may_lie_anywhere() -> None:
    """Windows at odd addresses, and slopes and inputs that are not contiguous."""
    layers = random_layers((2, 2, 37, (5, 33, 3)))
    expected = layers.own()

    def shifted(tensor: Tensor) -> Tensor:
        return torch.cat([torch.zeros(1), tensor.flatten()])[1:].view(tensor.shape)

    def transposed(tensor: Tensor) -> Tensor:
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)

    for move in (shifted, transposed):
        moved = plain_layers.Layers(layers.sizes, move(layers.flat), move(layers.x), move(layers.slopes))
        assert all(torch.equal(one, other) for one, other in zip(moved.own(), expected, strict=True))


def test_a_second_derivative_is_refused() -> None:
    """torch would only warn, and leave out what goes through these layers."""
    layers = random_layers((1, 1, 4, (3, 8, 2)))
    leaf = layers.x.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(native.mlp(layers.sizes, layers.flat, leaf).sum(), leaf, create_graph=True)


def test_threads_of_python_may_come_first_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thread builds and registers; the others wait for it."""
    assert native.ready()
    registered: list[int] = []
    monkeypatch.setattr(native, "_state", [])
    monkeypatch.setattr(native, "_register", lambda: time.sleep(0.05) or registered.append(1))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: native.ready(), range(8)))
    assert registered == [1]


def learned(**settings: object) -> Tensor:
    """Return the critics after 30 updates."""
    agent = maxent.SAC(
        "Pendulum-v1", seed=0, learning_starts=100, eval_every=0, verbose=False, compile="off", **settings
    )
    return agent.learn(130)._learner.state["critic"]


@pytest.mark.parametrize("hidden", [(64, 64), (64, 1)])
def test_an_agent_learns_the_same_with_either(hidden: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    own = learned(hidden=hidden)
    monkeypatch.setattr(native, "used", False)
    by_torch = learned(hidden=hidden)
    assert not torch.equal(own, by_torch)
    # thirty steps of Adam of 3e-4 each; rounding may decide some of them where a gradient is nearly zero
    assert (own - by_torch).norm() < 1e-3 * by_torch.norm()


def test_a_resumed_run_says_whose_layers_it_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["train", "Pendulum-v1", "--steps", "200", "--run-dir", str(tmp_path / "run")]
    assert main([*command, "--hidden", "8", "--compile", "off"]) == 0
    assert "layers: maxent's own" in capsys.readouterr().out
    monkeypatch.setattr(native, "used", False)
    assert main(["resume", str(tmp_path / "run"), "--steps", "300"]) == 0
    assert "layers: torch's; they were maxent's own" in capsys.readouterr().out
