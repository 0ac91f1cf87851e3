"""The threads of own layers: loops, neighbours, forks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from plain_layers import Layers, random_layers

from maxent import native
from maxent.native import library

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")

SHAPE = (2, 2, 150, (17, 90, 90, 3))  # more than a million operations, so threads share it


@pytest.mark.parametrize("sanitizer", ["", "thread"])
def test_loops_and_pauses(sanitizer: str, tmp_path: Path) -> None:
    source, headers = Path(__file__).parents[2] / "support" / "team.cpp", Path(library.__file__).parent
    program = tmp_path / "team"
    options = [f"-fsanitize={sanitizer}"] if sanitizer else []
    command = ["g++", "-std=c++20", "-O1", "-pthread", "-msse3", f"-I{headers}", str(source), "-o", str(program)]
    built = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if sanitizer and built.returncode:
        pytest.skip(f"g++ has no {sanitizer} sanitizer")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)
    if "unexpected memory mapping" in done.stderr:  # address randomisation that this version of the sanitizer lacks
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 5


@pytest.fixture
def two_threads() -> Iterator[None]:
    native.use_threads(2)
    yield
    native.use_threads(torch.get_num_threads())


def same(ours: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ours, expected, strict=True))


@pytest.fixture
def layers(two_threads: None) -> Layers:
    layers = random_layers(SHAPE)
    layers.own()
    return layers


def test_helpers_are_threads_of_this_process(layers: Layers) -> None:
    before = len(os.listdir("/proc/self/task"))
    native.use_threads(6)
    for _ in range(1000):  # the first may be in a pause
        layers.own()
        if len(os.listdir("/proc/self/task")) >= before + 1:
            return
    pytest.fail("six threads were allowed, and no helper was started")


def test_numbers_do_not_depend_on_busy_neighbours(layers: Layers) -> None:
    expected = layers.own()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        assert all(same(layers.own(), expected) for _ in range(300))
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_threads_of_python_may_compute_at_the_same_time(layers: Layers) -> None:
    expected = layers.own()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: same(layers.own(), expected), range(100)))


def test_a_forked_child_computes_too(layers: Layers) -> None:
    """A child has none of its parent's threads: it must not wait for them."""
    expected = layers.own()
    child = os.fork()
    if child == 0:
        os._exit(0 if all(same(layers.own(), expected) for _ in range(50)) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
