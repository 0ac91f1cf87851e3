"""MuJoCo's warnings through Python's logging, each once.

By itself MuJoCo prints a warning for every environment it builds, past any live view, and appends it to a file
MUJOCO_LOG.TXT in the working directory.
"""

import importlib
import logging
import re
from typing import Any

_log = logging.getLogger("maxent.mujoco")
_seen: set[str] = set()


def tame() -> None:
    """Takes over MuJoCo's warnings, unless the program has already done so."""
    mujoco: Any = importlib.import_module("mujoco")
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_once)


def _once(message: str) -> None:
    """Logs a message if none like it, up to its numbers, has been logged."""
    alike = re.sub(r"\d[\d.e+-]*", "#", message)
    if alike not in _seen:
        _seen.add(alike)
        _log.warning("MuJoCo: %s", message)
