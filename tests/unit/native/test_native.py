"""Own layers against torch's in float64, and what they promise beside numbers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

import maxent
from maxent import native
from maxent.cli import main
from maxent.native import library
from maxent.nn.networks import MLP

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")

# (members, critics, rows, sizes): whole panels and parts of them, one output and several, no hidden layer and three
SHAPES = [
    (1, 2, 256, (23, 256, 256, 1)),
    (1, 1, 256, (17, 64, 64, 12)),
    (3, 1, 100, (5, 40, 30, 7)),
    (2, 3, 37, (5, 33, 1)),
    (2, 1, 1, (4, 3)),
    (1, 1, 9, (4, 1)),
    (1, 1, 300, (6, 7, 8, 9, 10)),
    (2, 2, 130, (1, 1, 1)),
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)

Shape = tuple[int, int, int, tuple[int, ...]]


def case(shape: Shape) -> tuple[MLP, Tensor, Tensor, Tensor]:
    """A network, parameters, inputs of every member, and slopes of the outputs, half of them zero."""
    members, critics, rows, sizes = shape
    generator = torch.Generator().manual_seed(0)
    network = MLP((members, critics), sizes)
    flat = network.init([generator] * members)
    x = torch.randn(members, rows, sizes[0], generator=generator)
    slopes = torch.randn(network.count, rows, sizes[-1], generator=generator)
    slopes *= torch.rand(network.count, rows, 1, generator=generator) > 0.5
    return network, flat, x, slopes


def answers(network: MLP, flat: Tensor, x: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, and the gradients of parameters and inputs."""
    flat, x = flat.clone().requires_grad_(), x.clone().requires_grad_()
    y = network(flat, x)
    return (y.detach(), *torch.autograd.grad(y, [flat, x], slopes))


@every_shape
def test_outputs_and_gradients_are_those_of_torch(shape: Shape) -> None:
    network, flat, x, slopes = case(shape)
    assert native.takes(network.sizes, flat, x)
    expected = answers(network, flat.double(), x.double(), slopes.double())  # float64: through torch
    for answer, reference in zip(answers(network, flat, x, slopes), expected, strict=True):
        assert answer.dtype == torch.float32
        error = (answer.double() - reference).abs().max()
        assert error <= 2e-6 * reference.abs().max()


@every_shape
def test_one_gradient_alone_is_the_same(shape: Shape) -> None:
    """Where the parameters' is not asked for, rows without slopes are left out."""
    network, flat, x, slopes = case(shape)
    y, of_flat, of_x = answers(network, flat, x, slopes)
    leaf = flat.clone().requires_grad_()
    (alone,) = torch.autograd.grad(network(leaf, x), leaf, slopes)
    assert torch.equal(alone, of_flat)
    leaf = x.clone().requires_grad_()
    (alone,) = torch.autograd.grad(network(flat, leaf), leaf, slopes)
    assert torch.equal(alone, of_x)
    with torch.no_grad():
        assert torch.equal(network(flat, x), y)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def same_with_threads(shape: Shape, *counts: int) -> None:
    network, flat, x, slopes = case(shape)
    found = []
    for count in counts:
        torch.set_num_threads(count)
        found.append(answers(network, flat, x, slopes))
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


@every_shape
def test_numbers_do_not_depend_on_threads(shape: Shape, two_threads: None) -> None:
    same_with_threads(shape, 2, 1)


@every_shape
def test_numbers_of_a_member_do_not_depend_on_the_others(shape: Shape) -> None:
    network, flat, x, slopes = case((3, *shape[1:]))
    together = answers(network, flat, x, slopes)
    single = MLP((1, *network.groups[1:]), network.sizes)
    for p in range(3):
        of_member = slopes[p * single.count : (p + 1) * single.count]
        y, of_flat, of_x = answers(single, flat[p : p + 1], x[p : p + 1], of_member)
        assert torch.equal(y, together[0][p * single.count : (p + 1) * single.count])
        assert torch.equal(of_flat[0], together[1][p])
        assert torch.equal(of_x[0], together[2][p])


def test_what_is_no_number_stays_so() -> None:
    """A ReLU that turned NaN into 0 would hide that a run has diverged."""
    network, flat, x, slopes = case((1, 1, 40, (5, 33, 3)))
    x[0, 7, 2] = float("nan")
    y, of_flat, of_x = answers(network, flat, x, slopes.fill_(1.0))
    assert bool(y[0, 7].isnan().all())
    assert not y[0, torch.arange(40) != 7].isnan().any()
    assert bool(of_flat.isnan().any())
    assert not of_x[0, torch.arange(40) != 7].isnan().any()


def test_other_numbers_go_through_torch() -> None:
    network, flat, x, _ = case((1, 1, 4, (3, 8, 2)))
    assert native.takes(network.sizes, flat, x)
    assert not native.takes(network.sizes, flat.double(), x.double())
    assert not native.takes(network.sizes, flat, x[:, :0])
    assert not native.takes((3, 8, 8, 8, 8, 2), flat, x)
    assert not native.takes((3, 2**15, 2), flat, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not native.takes(network.sizes, flat, x)


def test_wrong_input_is_refused() -> None:
    assert native.ready()
    operator, flat, x = torch.ops.maxent.mlp, torch.zeros(2, 64), torch.zeros(1, 4, 3)
    widths, layout = 8 | 2 << 15, native.layout()
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
    network, flat, x, _ = case((1, 1, 4, (3, 8, 2)))
    with pytest.raises(ValueError, match="expected inputs"):
        network(flat, x[..., :2])


def test_tensors_may_lie_anywhere() -> None:
    """Windows at odd addresses, and slopes and inputs that are not contiguous."""
    network, flat, x, slopes = case((2, 2, 37, (5, 33, 3)))
    expected = answers(network, flat, x, slopes)
    shifted = [torch.cat([torch.zeros(1), tensor.flatten()])[1:].view(tensor.shape) for tensor in (flat, x, slopes)]
    turned = [tensor.transpose(-1, -2).contiguous().transpose(-1, -2) for tensor in (flat, x, slopes)]
    for inputs in (shifted, turned):
        assert all(torch.equal(one, other) for one, other in zip(answers(network, *inputs), expected, strict=True))


def test_a_second_derivative_is_refused() -> None:
    """torch would only warn, and leave out what goes through these layers."""
    network, flat, x, _ = case((1, 1, 4, (3, 8, 2)))
    leaf = x.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(network(flat, leaf).sum(), leaf, create_graph=True)


def test_threads_of_python_may_come_first_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks first builds and registers; the others wait for it."""
    registered: list[int] = []
    monkeypatch.setattr(native, "_state", [])
    monkeypatch.setattr(native, "_register", lambda: time.sleep(0.05) or registered.append(1))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: native.ready(), range(8)))
    assert registered == [1]


def learned(**settings: object) -> Tensor:
    """The critics after 30 updates."""
    agent = maxent.SAC(
        "Pendulum-v1", seed=0, hidden=(64, 64), learning_starts=100, eval_every=0, verbose=False, **settings
    )
    return agent.learn(130)._learner.state["critic"]


def test_an_agent_learns_the_same_with_either(monkeypatch: pytest.MonkeyPatch) -> None:
    own = learned(compile="off")
    monkeypatch.setattr(native, "used", False)
    by_torch = learned(compile="off")
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


PLAIN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_native
from maxent import native
from maxent.native import library
flags = ("-mavx2", "-mfma", "-Wno-psabi", "-DMAXENT_LANES=" + sys.argv[2], "-DMAXENT_WORTH=1")
made = library.build(library.Path(sys.argv[1]), "g++", flags)
native._state.append(loaded := library.load(made))
native._register()
assert loaded.layout >> 8 == 2 * int(sys.argv[2])
for shape in test_native.SHAPES:
    test_native.test_outputs_and_gradients_are_those_of_torch(shape)
    test_native.same_with_threads(shape, 1, 2, 3)
"""


@pytest.mark.parametrize("lanes", ["4", "16"])
def test_other_widths_of_vectors_answer_the_same(lanes: str, tmp_path: Path) -> None:
    """As on processors with AVX-512: the compiler makes two instructions of each where there is none.

    Here the smallest network wakes all threads, as many as there are.
    """
    done = subprocess.run([sys.executable, "-c", PLAIN, tmp_path, lanes], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_library_is_built_once(tmp_path: Path) -> None:
    flags = ("-O0", *library.FLAGS["AVX2"])
    first = library.build(tmp_path, "g++", flags)
    built = first.stat().st_mtime_ns
    assert library.build(tmp_path, "g++", flags) == first
    assert first.stat().st_mtime_ns == built
    assert list(tmp_path.iterdir()) == [first]


def test_a_library_that_does_not_load_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "cache_folder", lambda name: tmp_path)

    def load(path: Path) -> Path:
        """Not into this process, which has one."""
        if not path.read_bytes().startswith(b"\x7fELF"):
            raise OSError("invalid ELF header")
        return path

    monkeypatch.setattr(library, "load", load)
    monkeypatch.setattr(library, "OPTIONS", ("-O0", *(flag for flag in library.OPTIONS if flag != "-O3")))
    library.find.__wrapped__()
    (made,) = tmp_path.iterdir()
    made.unlink()
    made.write_text("of another system")
    assert library.find.__wrapped__() is not None
    assert list(tmp_path.iterdir()) == [made]


def test_without_a_cache_nothing_is_taken_from_the_folder_of_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another user could have put a library there whose name is known beforehand."""
    built: list[tuple[Path, int]] = []

    def build(folder: Path, *_: object) -> Path:
        built.append((folder.parent, folder.stat().st_mode & 0o077))
        return folder

    monkeypatch.setattr(library, "cache_folder", lambda name: None)
    monkeypatch.setattr(library, "build", build)
    monkeypatch.setattr(library, "load", lambda path: path)
    monkeypatch.setattr(library.tempfile, "tempdir", str(tmp_path))
    library.find.__wrapped__()
    assert built == [(tmp_path, 0)]


def test_a_compiler_that_fails_leaves_layers_to_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.warns(UserWarning, match="could not be built with false"):
        assert library.find.__wrapped__() is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("MAXENT_NATIVE", "0", "MAXENT_NATIVE is 0"), ("PATH", "", "no g"), ("torch", "2.12.1", "torch 2.13")],
)
def test_what_stands_in_the_way_is_said(name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    if name == "torch":
        monkeypatch.setattr(torch, "__version__", value)
    else:
        monkeypatch.setenv(name, value)
    assert reason in library.why_not()


def test_a_process_can_do_without() -> None:
    code = "from maxent import native; assert not native.ready(); print(native.why_not())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MAXENT_NATIVE": "0"},
    )
    assert "MAXENT_NATIVE is 0" in done.stdout
