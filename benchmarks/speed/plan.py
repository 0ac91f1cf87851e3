"""What is measured, and which ratios have goals."""

from dataclasses import dataclass
from typing import Literal

SB3, SBX, MAXENT = "run_sb3", "run_sbx", "run_maxent"


@dataclass(frozen=True)
class Measurement:
    """One measurement: a process that prints its figures.

    Args:
        task: what is timed, a row of the table.
        library: whose, a column of the table.
        worker: the script below `workers/`.
        name: the script's task.
        arguments: further arguments of the script.
        neighbours: busy processes beside it: "one", or as many as there are "cores".
        at_once: processes that measure at the same time; their rates are added up.
        quick: whether the short form measures it too.
    """

    task: str
    library: str
    worker: str
    name: str
    arguments: tuple[str, ...] = ()
    neighbours: Literal["none", "one", "cores"] = "none"
    at_once: int = 1
    quick: bool = False


ONE = ("on", "--threads", "1")

MEASUREMENTS = [
    Measurement("peak", "one thread", MAXENT, "peak", ("on", "--threads", "1"), quick=True),
    Measurement("peak", "all threads", MAXENT, "peak", quick=True),
    Measurement("updates", "maxent", MAXENT, "updates", quick=True),
    Measurement("updates", "maxent, one thread", MAXENT, "updates", ONE),
    Measurement("updates", "maxent eager", MAXENT, "updates", ("off",)),
    Measurement("updates", "SB3", SB3, "updates", quick=True),
    Measurement("updates", "SBX", SBX, "updates", quick=True),
    Measurement("updates", "SBX scanned", SBX, "scanned"),
    Measurement("training", "maxent", MAXENT, "training", quick=True),
    Measurement("training", "SB3", SB3, "training", quick=True),
    Measurement("training", "SBX", SBX, "training", quick=True),
    Measurement("small", "maxent", MAXENT, "small"),
    Measurement("small", "maxent, one thread", MAXENT, "small", ONE),
    Measurement("small", "maxent, 5 members", MAXENT, "small", ("on", "--members", "5")),
    Measurement("small", "SB3", SB3, "small"),
    Measurement("small", "SBX", SBX, "small"),
    Measurement("updates, a busy neighbour", "maxent", MAXENT, "updates", neighbours="one"),
    Measurement("updates, a busy neighbour", "SB3", SB3, "updates", neighbours="one"),
    Measurement("updates, a busy neighbour", "SBX", SBX, "updates", neighbours="one"),
    Measurement("small, a busy neighbour", "maxent", MAXENT, "small", neighbours="one"),
    Measurement("small, a busy neighbour", "SB3", SB3, "small", neighbours="one"),
    Measurement("small, a busy neighbour", "SBX", SBX, "small", neighbours="one"),
    Measurement("updates, all cores busy", "maxent", MAXENT, "updates", neighbours="cores"),
    Measurement("small, all cores busy", "maxent", MAXENT, "small", neighbours="cores"),
    Measurement("updates, two runs", "maxent", MAXENT, "updates", at_once=2),
    Measurement("small, two runs", "maxent", MAXENT, "small", at_once=2),
    Measurement("modern", "LayerNorm critics", MAXENT, "layernorm"),
    Measurement("modern", "ten critics", MAXENT, "ten"),
    Measurement("modern", "flash-sac, narrow", MAXENT, "flash"),
    Measurement("startup", "maxent eager", MAXENT, "startup", ("off",)),
    Measurement("startup", "maxent compiled", MAXENT, "startup"),
    Measurement("startup", "SB3", SB3, "startup"),
    Measurement("startup", "SBX", SBX, "startup"),
    Measurement("acting", "maxent", MAXENT, "acting"),
    Measurement("memory", "maxent", MAXENT, "memory"),
]

UNITS = {"training": "steps/s", "startup": "s", "peak": "GFLOP/s"}
"""What a rate is, where it is not updates per second and member."""

Place = tuple[str, str]  # task, library


@dataclass(frozen=True)
class Ratio:
    """A ratio of two figures of the same round, and its goal: at least, or at most."""

    what: str
    above: Place
    below: Place
    goal: float
    figure: str = "rate"
    at_most: bool = False


def _beside(task: str, below: str, goal: float, neighbours: str) -> Ratio:
    quiet, name = (task, "maxent, one thread"), f"{task}, {neighbours}"
    place = quiet if below == "own" else (name, below)
    what = "its quiet rate with one thread" if below == "own" else f"{below} beside the same"
    return Ratio(f"{name}: maxent / {what}", (name, "maxent"), place, goal)


PLAIN = ("updates", "maxent")
RATIOS = [
    Ratio("updates: maxent / SB3", ("updates", "maxent"), ("updates", "SB3"), 5.0),
    Ratio("updates: maxent / SBX", ("updates", "maxent"), ("updates", "SBX"), 2.2),
    Ratio("updates: share of the peak", ("updates", "maxent"), ("peak", "all threads"), 0.8, figure="gflops"),
    Ratio("training: maxent / SB3", ("training", "maxent"), ("training", "SB3"), 3.3),
    Ratio("training: maxent / SBX", ("training", "maxent"), ("training", "SBX"), 2.0),
    _beside("updates", "own", 0.95, "a busy neighbour"),
    _beside("updates", "SBX", 1.5, "a busy neighbour"),
    _beside("small", "own", 0.95, "a busy neighbour"),
    _beside("small", "SBX", 1.5, "a busy neighbour"),
    _beside("updates", "own", 0.45, "all cores busy"),
    _beside("small", "own", 0.45, "all cores busy"),
    Ratio("two runs together / one alone, 256 units", ("updates, two runs", "maxent"), ("updates", "maxent"), 0.95),
    Ratio("two runs together / one alone, 64 units", ("small, two runs", "maxent"), ("small", "maxent"), 0.95),
    Ratio(
        "64 units: 5 members / one on one thread",
        ("small", "maxent, 5 members"),
        ("small", "maxent, one thread"),
        1.9,
    ),
    *(
        Ratio(f"{library}: rate of products / plain network's", ("modern", library), PLAIN, 0.8, "gflops")
        for library in ("LayerNorm critics", "ten critics", "flash-sac, narrow")
    ),
    Ratio("start, eager: maxent / SB3", ("startup", "maxent eager"), ("startup", "SB3"), 1.0, "seconds", True),
    Ratio("start, compiled: maxent / SBX", ("startup", "maxent compiled"), ("startup", "SBX"), 1.0, "seconds", True),
]  # fmt: skip
