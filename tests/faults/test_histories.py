"""Random histories of commands end like one uninterrupted run; hypothesis finds and shortens those that do not."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from configurations import CONFIGURATIONS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nursery import KILLED, Fault, Nursery, left_over

BEGIN, MORE = 40, 20
"""Steps of a run at its beginning, and those that an extension adds."""

Command = tuple[str, int]

COMMANDS = st.one_of(
    st.tuples(st.just("kill"), st.integers(0, 220)),  # go on, killed at this file operation, if there are as many
    st.tuples(st.just("go on"), st.just(0)),
    st.tuples(st.just("extend"), st.sampled_from((MORE, 2 * MORE))),
    st.tuples(st.just("move"), st.just(0)),  # to another folder, and go on there
    st.tuples(st.just("load"), st.just(0)),  # look at it
)
HISTORIES = st.lists(COMMANDS, min_size=1, max_size=8)
NAMES = ("sac", "hindsight", "reinforce", "normalised")
"""Configurations; of the last one, worker processes step the environments in every second history.

Not prioritised replay, whose correction follows the planned length of the run: an extended run has another one.
"""


def own_settings(name: str) -> dict[str, Any]:
    """Return settings with which the last step of a run that is extended is due for everything in its twin as well."""
    return {"eval_every": MORE} | ({"rollout_steps": 10} if name == "reinforce" else {})


class Histories:
    """Carries out histories, and knows how they have to end."""

    def __init__(self, faulty: Nursery, folder: Path) -> None:
        self._faulty, self._folder = faulty, folder
        self._twins: dict[tuple[str, int], dict[str, Any]] = {}
        self.counts = Counter[str]()

    def twin(self, name: str, steps: int) -> dict[str, Any]:
        """Return the contents of an uninterrupted run of these steps, in one process."""
        if (name, steps) not in self._twins:
            run = self._folder / f"twin-{len(self._twins)}"
            self._faulty.do("go_on", run=run, name=name, steps=steps, settings=own_settings(name))
            self._twins[name, steps] = self._faulty.do("contents", run=run)
        return self._twins[name, steps]

    def carry_out(self, name: str, history: list[Command], *, workers: bool) -> None:
        """Begin a run, carry out the commands, finish it, and compare it with its twin."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        run, steps = place / "run-0", BEGIN
        own = own_settings(name) | {"workers": workers}
        for number, (command, value) in enumerate([*history, ("go on", 0)], 1):
            self.counts[command] += 1
            if command == "kill":
                fault = Fault(str(run), value, "kill")
                ended = self._faulty.run("go_on", run=run, name=name, steps=steps, settings=own, fault=fault)
                assert ended.status in (0, KILLED), ended.said
            elif command == "move":
                if run.exists():
                    to = place / f"run-{number}"
                    shutil.copytree(run, to)
                    shutil.rmtree(run)
                    run = to
            elif command == "load":
                if (run / "config.json").exists():
                    self._faulty.do("look", run=run)
            else:
                steps += value
                self._faulty.do("go_on", run=run, name=name, steps=steps, settings=own)
        found, expected = self._faulty.do("contents", run=run), self.twin(name, steps)
        assert found["metrics"] == expected["metrics"]
        assert found == expected
        assert left_over(run) == []
        shutil.rmtree(place)
        self.counts["histories"] += 1

    def __str__(self) -> str:
        counts = self.counts
        return (
            f"{counts['histories']} random histories of {sum(counts.values()) - counts['histories']} commands "
            f"({counts['kill']} kills, {counts['extend']} extensions, {counts['move']} moves): each ended like its twin"
        )


@pytest.fixture
def histories(faulty: Nursery, tmp_path: Path) -> Histories:
    return Histories(faulty, tmp_path)


def search(histories: Histories, count: int, *, fixed: bool) -> None:
    """Try random histories; a failing one is shortened and printed with what reproduces it."""

    @settings(
        max_examples=count, deadline=None, derandomize=fixed, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(st.sampled_from(NAMES), HISTORIES, st.booleans())
    def carry_out(name: str, history: list[Command], workers: bool) -> None:
        histories.carry_out(name, history, workers=workers and name == NAMES[-1])

    carry_out()
    assert set(NAMES) <= set(CONFIGURATIONS)


def test_random_histories(histories: Histories, promise: Callable[[str], None]) -> None:
    search(histories, 4, fixed=True)
    promise(str(histories))


@pytest.mark.slow
def test_many_random_histories(histories: Histories, promise: Callable[[str], None]) -> None:
    search(histories, 60, fixed=False)
    promise(str(histories))
