"""The self-test finds wrong layers, and a process with such layers goes through torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from plain_layers import plain_mlp
from torch import Tensor

from maxent import native
from maxent.native import library, selftest
from maxent.native.selftest import COPIES, NETWORKS, example, plain

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")

Sizes = tuple[int, ...]

every_network = pytest.mark.parametrize("sizes", NETWORKS, ids=str)


def forward(sizes: Sizes, flat: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.ops.maxent.mlp(flat, x, native.digits(sizes), native.layout(), True)


def backward(
    sizes: Sizes, dy: Tensor, flat: Tensor, x: Tensor, hidden: Tensor, for_flat: bool
) -> tuple[Tensor, Tensor]:
    return torch.ops.maxent.mlp_backward(dy, flat, x, hidden, native.digits(sizes), native.layout(), True, for_flat)


@every_network
def test_the_reference_equals_autograd(sizes: Sizes) -> None:
    flat, x, dy = (tensor.double() for tensor in example(sizes))
    flat.requires_grad_()
    x.requires_grad_()
    y = torch.stack([plain_mlp(sizes, one, x[group // COPIES]) for group, one in enumerate(flat)])
    expected = (y.detach(), *torch.autograd.grad(y, [flat, x], dy))
    for ours, theirs in zip(plain(sizes, flat.detach(), x.detach(), dy), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@every_network
def test_the_example_reaches_every_layer(sizes: Sizes) -> None:
    """A unit that is never active has no gradient, so nothing before it would be compared."""
    flat, x, dy = example(sizes)
    _, dflat, dx = plain(sizes, flat, x, dy)
    assert bool((dflat[:, : sizes[0]] != 0).all())  # weights of the first layer, behind all others
    assert bool((dx[:, 0] != 0).all())
    assert (dflat != 0).float().mean() > 0.6
    assert not bool((dflat != 0).all())  # and some units are not active


def test_right_layers_pass() -> None:
    assert native.ready()
    selftest.self_test(forward, backward)


@pytest.mark.parametrize("which", ["y", "dx", "dflat", "dx alone", "nan"])
def test_wrong_numbers_are_found(which: str) -> None:
    assert native.ready()

    def off(tensor: Tensor, name: str) -> Tensor:
        largest = tensor.abs().max()
        return tensor + 1e-4 * largest if which == name else tensor

    def wrong_forward(sizes: Sizes, flat: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        y, hidden = forward(sizes, flat, x)
        return torch.full_like(y, torch.nan) if which == "nan" else off(y, "y"), hidden

    def wrong_backward(
        sizes: Sizes, dy: Tensor, flat: Tensor, x: Tensor, hidden: Tensor, for_flat: bool
    ) -> tuple[Tensor, Tensor]:
        dx, dflat = backward(sizes, dy, flat, x, hidden, for_flat)
        return off(dx, "dx" if for_flat else "dx alone"), off(dflat, "dflat") if for_flat else dflat

    with pytest.raises(library.UnavailableError, match="failed their self-test"):
        selftest.self_test(wrong_forward, wrong_backward)


def test_modes_of_the_caller_do_not_matter() -> None:
    assert native.ready()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16):
            selftest.self_test(forward, backward)
    finally:
        torch.set_default_dtype(before)


def test_layers_that_fail_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.ready()
    monkeypatch.setattr(native, "_state", [])
    monkeypatch.setattr(native, "_register", lambda: None)
    monkeypatch.setattr(selftest, "RELATIVE_TOLERANCE", 0.0)
    with pytest.warns(UserWarning, match="Networks go through torch: maxent's own layers failed") as said:
        assert not native.ready()
    assert not native.ready()
    assert not native.takes(NETWORKS[0], *example(NETWORKS[0])[:2])
    assert len(said) == 1
    assert "failed their self-test" in native.why_not()


WRONG = """
import sys, warnings
from pathlib import Path
from maxent import native
from maxent.native import library
folder, source = Path(sys.argv[1]), sys.argv[2]
library.SOURCES, library.HEADERS = (source,), ()
library.OPTIONS = ("-O1", *(option for option in library.OPTIONS if option != "-O3"))
library.cache_folder = lambda name: folder
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    assert not native.ready()
    assert not native.ready()
print(len(said), said[0].message)
"""


def test_the_gradients_that_were_wrong_once_are_found(tmp_path: Path) -> None:
    """The shortcut for one output, applied to hidden layers of one unit too."""
    wrong, cache = tmp_path / "wrong", tmp_path / "cache"
    for folder in (wrong, cache):
        folder.mkdir()
    for name in (*library.SOURCES, *library.HEADERS):
        source = (Path(native.__file__).parent / name).read_text()
        (wrong / name).write_text(source.replace("if (l == last && out == 1)", "if (out == 1)"))
    assert "if (out == 1)" in (wrong / "backward.h").read_text()
    done = subprocess.run(
        [sys.executable, "-c", WRONG, cache, wrong / "mlp.cpp"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 Networks go through torch: maxent's own layers failed their self-test")
