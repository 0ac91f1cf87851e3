"""Build hook of the wheel: own layers, compiled for AVX2 and for AVX-512, where MAXENT_WHEEL_LAYERS is 1.

`make wheel` sets it. Without it the wheel is the same for every machine, and layers are built at first use.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path(__file__).parent / "src"


class BuildLayers(BuildHookInterface[Any]):
    """Compile the layers into the wheel."""

    folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add a library for each set of instructions; the wheel is then one for Linux on x86-64."""
        if version == "editable" or os.environ.get("MAXENT_WHEEL_LAYERS", "0") != "1":
            return
        sys.path.insert(0, str(SOURCES))
        from maxent.native.library import FLAGS, compile_to

        self.folder = folder = Path(tempfile.mkdtemp(prefix="maxent-wheel-"))
        for instructions, flags in FLAGS.items():
            made = folder / f"layers-{instructions}.so"
            compile_to(made, os.environ.get("CXX") or "g++", (*flags, "-s"))
            build_data["force_include"][str(made)] = f"maxent/native/{made.name}"
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-linux_x86_64"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder of the libraries, which are in the wheel now."""
        if self.folder is not None:
            shutil.rmtree(self.folder)
