"""Curves of others on the environments that one's own runs have."""

import re
from collections.abc import Sequence
from pathlib import Path

from maxent.findings import listed
from maxent.results.curves import Curve


def references_for(curves: Sequence[Curve], others: Sequence[Curve], path: Path) -> tuple[list[Curve], list[str]]:
    """Return the references for the environments of curves, and notes.

    Another version of an environment counts if there is none of the same version; a note says so.
    """
    known = list(dict.fromkeys(curve.env for curve in others))
    found: list[Curve] = []
    notes: list[str] = []
    envs = list(dict.fromkeys(curve.env for curve in curves))
    for env in envs:
        same = [name for name in known if name == env] or [name for name in known if _base(name) == _base(env)][-1:]
        for name in same:
            found += [curve.as_reference(env) for curve in others if curve.env == name]
            if name != env:
                notes.append(f"{env}: the references are of {name}, another version or name of the task.")
    if not found:
        notes.append(f"{path} has no curves of {listed(envs)}, only of {listed(known)}.")
    return found, notes


def _base(env: str) -> str:
    """Return the name of an environment without namespace and version."""
    return re.sub(r"-v\d+$", "", env.rpartition("/")[2])
