"""Makes `toy_envs` importable here and, because workers get the same path, in worker processes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
