"""A wheel with built layers needs no compiler."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from maxent import native
from maxent.native import library

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=f"no own layers: {native.why_not()}")

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import shutil
from maxent import native
from maxent.native import library
assert not shutil.which("g++") and not native.why_not(), native.why_not()
assert native.ready()
print(library.find().path)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    environment = os.environ | {"MAXENT_WHEEL_LAYERS": "1"}
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True, capture_output=True, env=environment)
    (wheel,) = folder.glob("maxent-*-py3-none-linux_x86_64.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(site), "PATH": str(site / "no programs"), **variables}
    return subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)


def test_layers_of_a_wheel_work_without_a_compiler(site: Path) -> None:
    done = run(site, HOME=str(site))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == site / "maxent" / "native" / f"layers-{library.capability()}.so"


def test_a_wheel_has_the_layers_of_every_processor(site: Path) -> None:
    built = {path.stem.partition("-")[2] for path in (site / "maxent" / "native").glob("layers-*.so")}
    assert built == set(library.FLAGS)
    done = run(site, HOME=str(site), ATEN_CPU_CAPABILITY="avx2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("layers-AVX2.so")


def test_without_compiler_and_layers_the_reason_is_named(site: Path, tmp_path: Path) -> None:
    source = Path(native.__file__).parents[1]  # the package as it is installed here, without built layers
    assert not library.packaged().exists()
    done = run(source.parent, HOME=str(tmp_path))
    assert done.returncode != 0
    assert "no g++ was found" in done.stderr
