"""SIGKILL at random moments and at every file operation: the resumed run equals one that was never interrupted."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from configurations import CONFIGURATIONS, STEPS
from nursery import KILLED, Fault, Nursery, left_over

SHORT = ("sac", "hindsight", "worker processes")
EVERYWHERE = ("prioritised", "reinforce")
"""Configurations that are killed at each of their file operations."""


class Twins:
    """Uninterrupted runs, made when they are first needed."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery, self._folder = nursery, folder
        self._made: dict[str, tuple[dict[str, Any], float]] = {}

    def of(self, name: str) -> tuple[dict[str, Any], float]:
        """Return the contents of the uninterrupted run, and how many seconds it took."""
        if name not in self._made:
            run = self._folder / f"twin-{len(self._made)}"
            ended = self._nursery.run("train", run=run, name=name, steps=STEPS)
            assert ended.status == 0, ended.said
            self._made[name] = self._nursery.do("contents", run=run), ended.seconds
        return self._made[name]


@pytest.fixture(scope="module")
def twins(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return Twins(nursery, tmp_path_factory.mktemp("twins"))


def require_equal(nursery: Nursery, run: Path, expected: dict[str, Any]) -> None:
    """Finish a run and compare it with its uninterrupted twin; leave no file that such a run does not have."""
    found = nursery.do("contents", run=run)
    assert found["metrics"] == expected["metrics"]
    assert found["plain"] == expected["plain"]
    assert [name for name in expected if found.get(name) != expected[name]] == []
    assert left_over(run) == []


def kill_at_random(nursery: Nursery, twins: Twins, folder: Path, name: str, kills: int, dice: Random) -> int:
    """Kill one run again and again, finish it, and compare it; return how many kills came before its end."""
    expected, seconds = twins.of(name)
    run, came = folder / "run", 0
    for _ in range(kills):
        ended = nursery.run("train", run=run, name=name, steps=STEPS, kill_after=dice.uniform(0.0, 0.7 * seconds))
        assert ended.status in (0, KILLED), ended.said
        came += ended.status == KILLED
    nursery.do("train", run=run, name=name, steps=STEPS)
    require_equal(nursery, run, expected)
    shutil.rmtree(run)
    return came


SOME = [(name, 3, seed) for seed, name in enumerate(SHORT)]
MANY = [(name, 6, 10 * number + attempt) for number, name in enumerate(CONFIGURATIONS) for attempt in range(3)]
MANY += [("sac", 50, 0)]


@pytest.mark.parametrize(
    "runs", [pytest.param(SOME, id="some"), pytest.param(MANY, id="every configuration", marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(
    runs: list[tuple[str, int, int]],
    nursery: Nursery,
    twins: Twins,
    tmp_path: Path,
    promise: Callable[[str], None],
) -> None:
    """Each run has a configuration, a number of kills, and the seed of their moments."""
    kills = sum(kill_at_random(nursery, twins, tmp_path, name, count, Random(seed)) for name, count, seed in runs)
    configurations = len({name for name, *_ in runs})
    assert kills > 0
    promise(f"SIGKILL at {kills} random moments over {configurations} configurations: every resumed run ended equal")


def killed_at_operations(
    faulty: Nursery, root: Path, job: Callable[[Fault], Any], numbers: Callable[[int], range], check: Callable[[], None]
) -> int:
    """Run a job once for each number, killed at that call below `root`, and check what it leaves."""
    whole = job(Fault(str(root)))
    assert whole.status == 0, whole.said
    done = 0
    for number in numbers(whole.calls):
        ended = job(Fault(str(root), number, "kill"))
        assert ended.status == KILLED, f"call {number}: {ended.said}"
        check()
        done += 1
    return done


def train_killed_at_operations(
    faulty: Nursery, twins: Twins, folder: Path, name: str, numbers: Callable[[int], range]
) -> int:
    """Kill a run from its beginning at its file operations."""
    expected, _ = twins.of(name)
    run = folder / "run"

    def job(fault: Fault) -> Any:
        shutil.rmtree(run, ignore_errors=True)
        return faulty.run("train", run=run, name=name, steps=STEPS, fault=fault)

    def check() -> None:
        faulty.do("train", run=run, name=name, steps=STEPS)
        require_equal(faulty, run, expected)

    return killed_at_operations(faulty, run, job, numbers, check)


def resume_killed_at_operations(
    faulty: Nursery, twins: Twins, folder: Path, name: str, numbers: Callable[[int], range]
) -> int:
    """Kill a run that was killed before, while it is resumed."""
    expected, _ = twins.of(name)
    run, before = folder / "resumed", folder / "before"
    ended = faulty.run("train", run=run, name=name, steps=STEPS, fault=Fault(str(run), 150, "kill"))
    assert ended.status == KILLED, ended.said
    run.rename(before)

    def job(fault: Fault) -> Any:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(before, run)
        return faulty.run("train", run=run, name=name, steps=STEPS, fault=fault)

    def check() -> None:
        faulty.do("train", run=run, name=name, steps=STEPS)
        require_equal(faulty, run, expected)

    done = killed_at_operations(faulty, run, job, numbers, check)
    shutil.rmtree(before)
    shutil.rmtree(run)
    return done


def save_killed_at_operations(faulty: Nursery, folder: Path, numbers: Callable[[int], range]) -> int:
    """Kill `Agent.save` over an agent that was saved before: the old one or the new one loads whole."""
    home = folder / "agents"
    home.mkdir()
    faulty.do("train_and_save", saved=folder / "old", name="sac", steps=[30])
    faulty.do("save_on", saved=folder / "old", steps=10, to=folder / "new")
    known = [faulty.do("saved_contents", saved=folder / name) for name in ("old", "new")]
    assert known[0] != known[1]
    found = []

    def job(fault: Fault) -> Any:
        shutil.rmtree(home)
        home.mkdir()
        shutil.copytree(folder / "old", home / "agent")
        return faulty.run("save_on", saved=home / "agent", steps=10, to=home / "agent", fault=fault)

    def check() -> None:
        found.append(known.index(faulty.do("saved_contents", saved=home / "agent")))
        faulty.do("train_and_save", saved=home / "agent", name="sac", steps=[30])
        assert left_over(home) == []

    done = killed_at_operations(faulty, home, job, numbers, check)
    assert found == sorted(found)
    assert set(found) == {0, 1}
    return done


def every(step: int, first: int = 0) -> Callable[[int], range]:
    """Return a function from the number of calls to those at which a job is killed."""
    return lambda count: range(first, count, step)


@pytest.mark.parametrize(
    ("names", "train", "resume", "save"),
    [
        pytest.param(("sac",), every(47, 5), every(61, 9), every(13), id="some"),
        pytest.param(EVERYWHERE, every(1), every(1), every(1), id="every call", marks=pytest.mark.slow),
    ],
)
def test_killed_at_file_operations(
    names: tuple[str, ...],
    train: Callable[[int], range],
    resume: Callable[[int], range],
    save: Callable[[int], range],
    faulty: Nursery,
    twins: Twins,
    tmp_path: Path,
    promise: Callable[[str], None],
) -> None:
    kills = save_killed_at_operations(faulty, tmp_path, save)
    for name in names:
        kills += train_killed_at_operations(faulty, twins, tmp_path, name, train)
        kills += resume_killed_at_operations(faulty, twins, tmp_path, name, resume)
    promise(f"SIGKILL at {kills} file operations of training, resuming and saving: all ended equal, or loaded whole")
