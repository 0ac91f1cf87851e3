"""The memory that this process may still take, and what networks need of it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from maxent.algorithms.base import Algorithm
from maxent.errors import UserError


def require_networks(algorithm: Algorithm) -> None:
    """Raise unless the networks of a run fit into memory, before it is taken.

    Each needs its parameters and Adam's two moments of them; a target copy is not optimised. All of it is there twice:
    as it is, and as its last good state, to which a member that diverges goes back.
    """
    copies = {name: 1 if name.startswith("target_") else 3 for name in algorithm.networks}
    needed = 2 * 4 * sum(copies[name] * network.count * network.size for name, network in algorithm.networks.items())
    there = available_memory()
    if there is not None and needed > there:
        raise UserError(
            f"the networks need {needed / 1e9:,.1f} GB of memory, and this machine has {there / 1e9:,.1f} GB left; "
            "use smaller or fewer ones (hidden, critics, seeds)."
        )


def available_memory() -> int | None:
    """Return how many bytes this process can still take; None where the system does not say.

    The system's free and reclaimable memory, or less within the limits of control groups, as containers have them.
    """
    if sys.platform == "win32":
        return None
    return min([_machine(), *_control_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _machine(path: Path = Path("/proc/meminfo")) -> int:
    """Return the available memory of the machine, or all of its memory where the system has no /proc."""
    try:
        fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _control_groups(groups: Path, root: Path) -> Iterator[int]:
    """Yield what each control group of this process leaves, in versions 2 and 1 of their interface."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            base, files = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base, files = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = base / name.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(base) and (left := _left(folder, *files)) is not None:
                yield left


def _left(folder: Path, limit: str, usage: str, cached: str) -> int | None:
    """Return the bytes left in a control group, with those of files that it can drop; None without a limit."""
    try:
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        bound, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        return max(0, bound - used + int(statistics[cached]))
    except (OSError, KeyError, ValueError):  # "max" is no limit, and a group of a container has no path here
        return None
