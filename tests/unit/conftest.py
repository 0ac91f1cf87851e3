"""Makes `runs` and `faults`, which live beside the tests of training, importable here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "training"))
