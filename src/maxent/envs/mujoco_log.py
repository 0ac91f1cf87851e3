"""MuJoCo's warnings through Python's logging, each once.

By default MuJoCo prints a warning for every environment it builds, which disturbs the live view, and appends it to a
file MUJOCO_LOG.TXT in the working directory.
"""

import importlib
import logging
import re
from typing import Any

_log = logging.getLogger("maxent.mujoco")
_seen: set[str] = set()


def redirect_warnings() -> None:
    """Send MuJoCo's warnings to the logger, unless the program has set a handler of its own."""
    mujoco: Any = importlib.import_module("mujoco")
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_once)


def _once(message: str) -> None:
    """Log a message unless an equal one, apart from its numbers, has been logged."""
    alike = re.sub(r"\d[\d.e+-]*", "#", message)
    if alike not in _seen:
        _seen.add(alike)
        _log.warning("MuJoCo: %s", message)
