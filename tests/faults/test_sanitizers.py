"""The tests of own layers, with a library that is built with AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maxent import native

NATIVE = Path(__file__).parents[1] / "unit" / "native" / "test_layers.py"

COMPILER = """#!/bin/sh
unset LD_PRELOAD
exec g++ "$@" -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
"""
"""The library's own options come first, so these take precedence. The compiler itself runs without the sanitizers."""

FAULTY = {
    "heap-use-after-free": "volatile int* cell = new int(count); delete cell; return *cell;",
    "signed integer overflow": "return 2147483647 + count;",
}
"""Bodies of a program, by the words that tell what is wrong with it."""


def runtime(name: str) -> str:
    """Return the path of a sanitizer's library; skip the test where g++ has none."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ was found")
    asked = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    path = asked.stdout.strip()
    if not Path(path).is_absolute():
        pytest.skip(f"this g++ comes without {name}")
    return path


@pytest.fixture
def compiler(tmp_path: Path) -> Path:
    runtime("libasan.so")
    path = tmp_path / "sanitizing"
    path.write_text(COMPILER)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("wrong", FAULTY)
def test_the_sanitizers_stop_a_wrong_program(compiler: Path, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "faulty.cpp").write_text(f"int main(int count, char**) {{ {FAULTY[wrong]} }}")
    subprocess.run([compiler, str(tmp_path / "faulty.cpp"), "-o", str(tmp_path / "faulty")], check=True)
    done = subprocess.run([tmp_path / "faulty"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert wrong in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")
def test_own_layers_under_the_sanitizers(compiler: Path, tmp_path: Path, promise: Callable[[str], None]) -> None:
    """With the instructions of AVX2: those of AVX-512 take g++ many minutes with sanitizers."""
    environment = os.environ | {
        "CXX": str(compiler), "XDG_CACHE_HOME": str(tmp_path / "cache"), "ATEN_CPU_CAPABILITY": "avx2",
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}", "OMP_NUM_THREADS": "1",
        "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps what it has until the end
    }  # fmt: skip
    (tmp_path / "cache").mkdir(mode=0o700)
    command = [sys.executable, "-m", "pytest", "-q", str(NATIVE), "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    said = done.stdout[-3_000:] + done.stderr[-3_000:]
    assert done.returncode == 0, said
    assert list((tmp_path / "cache").rglob("layers-*.so")), "the sanitized library was not built"
    found = re.search(r"(\d+) passed", done.stdout)
    assert found is not None, said
    assert int(found[1]) > 20
    promise(f"own layers under AddressSanitizer and UndefinedBehaviorSanitizer: {found[1]} tests, no report")
