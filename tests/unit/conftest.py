"""Makes `tiny_world`, and `runs` and `faults`, which live beside the tests of training, importable here."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "training")]
