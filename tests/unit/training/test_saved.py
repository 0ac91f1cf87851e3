"""Compiled updates of earlier processes: taken where they are the same update, and nowhere else."""

import functools
import json
import os
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from maxent import algorithms, native, objectives, optim
from maxent.algorithms import SACConfig, SoftActorCritic
from maxent.algorithms.parts import Critics
from maxent.replay import Gather, RowLayout
from maxent.spaces import ActionLayout, ObservationLayout
from maxent.training import saved
from maxent.training.compiling import Compiled, _alike
from maxent.training.fingerprint import PARTS, fingerprint
from maxent.training.saved import Direct

OBSERVATION = ObservationLayout.from_space(Box(-1.0, 1.0, (3,), np.float32))
ACTION = ActionLayout.from_space(Box(-1.0, 1.0, (2,), np.float32))
GATHER = Gather(RowLayout(OBSERVATION.floats, OBSERVATION.bytes, ACTION.size), OBSERVATION, 40, 0.99)
CONFIG = SACConfig(hidden=(16, 16))


class Adding:
    """state += rows, and with a policy twice."""

    def update(
        self, state: Any, columns: Any, rows: Tensor, noise: Tensor, beside: Any, policy: bool, target: bool
    ) -> Tensor:
        state["sum"].add_(rows * (2.0 if policy else 1.0))
        return noise[:0]


def name(config: SACConfig = CONFIG, *, gather: Gather = GATHER, members: int = 2, rows: int = 8) -> str | None:
    algorithm = SoftActorCritic(config, members, OBSERVATION.features, ACTION)
    return fingerprint([algorithm, gather], ({}, {}, {}, {"rows": torch.zeros(members, rows)}))


def test_equal_updates_have_one_fingerprint() -> None:
    assert name() == name(SACConfig(hidden=(16, 16)))
    assert name() is not None


def test_what_was_computed_and_kept_does_not_matter() -> None:
    algorithm = SoftActorCritic(CONFIG, 2, OBSERVATION.features, ACTION)
    before = fingerprint([algorithm], ())
    assert algorithm.networks  # a cached property
    assert fingerprint([algorithm], ()) == before


def test_another_update_has_another_fingerprint() -> None:
    others = [
        name(replace(CONFIG, gamma=0.98)),
        name(replace(CONFIG, learning_rate=1e-3)),
        name(gather=replace(GATHER, n_step=2)),
        name(gather=replace(GATHER, reward_scale=5.0)),
        name(members=3),
        name(rows=9),
    ]
    assert len({name(), *others}) == 1 + len(others)


def test_other_code_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function, a method, a constant, replaced by a program that experiments with them."""
    seen = [name()]
    with monkeypatch.context() as patch:
        patch.setattr(objectives, "actor_loss", objectives.alpha_loss)
        seen.append(name())
    with monkeypatch.context() as patch:
        patch.setattr(objectives, "actor_loss", lambda q, log_prob, alpha: -q.amin(1).mean(-1))
        assert name() is None  # nobody knows what it calls
    with monkeypatch.context() as patch:
        patch.setattr(Critics, "follow", Critics.init)
        seen.append(name())
    with monkeypatch.context() as patch:
        patch.setattr(optim, "BETA_M", 0.8)
        seen.append(name())
    assert len(set(seen)) == len(seen)
    assert name() == seen[0]


def test_a_wrapped_function_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """`functools.wraps` gives it the name and the module of the one that it calls."""
    original, before = objectives.td_target, name()

    @functools.wraps(original)
    def clipped(*whatever: Tensor) -> Tensor:
        return original(*whatever).clamp(-5.0, 5.0)

    monkeypatch.setattr(objectives, "td_target", clipped)
    assert name() != before


@pytest.mark.parametrize("replacement", [functools.partial(max, 1), Adding(), Adding().update, [Adding()]])
def test_what_could_be_anything_has_no_fingerprint(replacement: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectives, "td_target", replacement)
    assert name() is None


BOX, INDEX = Box(-1.0, 1.0, (2,), np.float32), Discrete(3)
PAIRS = [
    (kind, space)
    for kind in algorithms.ALGORITHMS.values()
    for space, action in ((BOX, "continuous"), (INDEX, "discrete"))
    if action in kind.actions
]


@pytest.mark.parametrize(("kind", "space"), PAIRS)
def test_every_algorithm_has_a_fingerprint(kind: Any, space: Any) -> None:
    """Or it would start cold each time, and nobody would notice."""
    algorithm = kind(kind.config_class(), 2, OBSERVATION.features, ActionLayout.from_space(space))
    assert fingerprint([algorithm, GATHER, False], ()) is not None


def test_settings_of_the_compiler_count() -> None:
    before = name()
    with torch._inductor.config.patch({"cpp.simdlen": 1}):
        assert name() != before
    assert name() == before


def test_what_the_process_is_told_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {name()}
    monkeypatch.setenv("TORCHINDUCTOR_FREEZING", "1")
    seen.add(name())
    with torch.autocast("cpu", torch.bfloat16):
        seen.add(name())
    monkeypatch.setattr("maxent.native.used", False)
    seen.add(name())
    assert len(seen) == 4 if native.why_not() == "" else len(seen) >= 3


def test_nothing_is_known_of_algorithms_from_elsewhere() -> None:
    class Mine:
        pass

    assert fingerprint([Mine()], ()) is None
    assert fingerprint([SoftActorCritic(CONFIG, 2, OBSERVATION.features, ACTION), lambda: 1], ()) is None


def test_all_that_updates_run_is_in_the_fingerprint() -> None:
    """Whatever importing the algorithms brings of this package is among PARTS, or is no part of an update."""
    found = subprocess.run(
        [sys.executable, "-c", "import maxent.algorithms, sys; print(*(m for m in sys.modules if 'maxent.' in m))"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    beside = {"acting", "agent", "cache", "errors", "playing", "recipes", "training", "envs", "report", "goal_paths"}
    assert {module.split(".")[1] for module in found} <= {*PARTS, *beside}


def groups(state: dict[str, Tensor]) -> Any:
    return state, {}, torch.ones(1), torch.zeros(1), {}, False, False


def wrong_code(inputs: list[Tensor]) -> list[Tensor]:
    """Adds 1.1 instead of 1."""
    inputs[0].add_(1.1)
    return [torch.zeros(0)]


def right_code(inputs: list[Tensor]) -> list[Tensor]:
    inputs[0].add_(inputs[1])
    right_calls.append(1)
    return [torch.zeros(0)]


right_calls: list[int] = []


@pytest.mark.parametrize(("code", "taken"), [(right_code, True), (wrong_code, False)])
def test_saved_code_is_taken_where_it_does_what_the_update_does(
    code: Any, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[Any] = []

    def compile_(graph: Any, inputs: Any, options: object) -> Any:
        traced.append(graph)
        return graph

    monkeypatch.setattr("torch._inductor.compile", compile_)
    direct = Direct([1, 0, 0, 2], [(0, "sum"), (3, "rows")], 0, code)
    monkeypatch.setattr("maxent.training.compiling.load", lambda name: direct)
    compiled, state = Compiled(Adding().update, "cpu", made_of=()), {"sum": torch.zeros(1)}
    right_calls.clear()
    with torch.no_grad():
        for _ in range(3):
            compiled(*groups(state))
    assert state["sum"].item() == 3.0
    assert bool(traced) is not taken
    assert len(right_calls) == (4 if taken else 0)  # and once more to see what it does


BAD = [
    "{",
    "[]",
    "5",
    '{"library": "y"}',
    '{"library": 7}',
    '{"library": "x-0.so", "places": [], "answer": 0, "sizes": []}',
]


@pytest.mark.parametrize("broken", BAD)
def test_what_cannot_be_read_is_made_again(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library of the last has another content than its name says: the power failed."""
    monkeypatch.setattr(saved, "cache_folder", lambda name: tmp_path)
    (tmp_path / "x.json").write_text(broken)
    (tmp_path / "x-0.so").write_text("cut off")
    assert saved.load("x") is None
    assert saved.load("y") is None


def test_a_whole_library_that_does_not_load_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "cache_folder", lambda name: tmp_path)
    made = tmp_path / "module"
    made.write_text("of another system")
    saved.save("x", types.SimpleNamespace(__file__=str(made)), Direct([], [], 0, wrong_code))
    about = json.loads((tmp_path / "x.json").read_text())
    assert (tmp_path / about["library"]).read_text() == "of another system"
    assert len(list(tmp_path.iterdir())) == 3
    assert saved.load("x") is None


def becoming_infinite(inputs: list[Tensor]) -> list[Tensor]:
    inputs[0].fill_(-torch.inf)
    return [torch.zeros(0)]


@pytest.mark.parametrize("start", [-torch.inf, torch.nan])
def test_what_is_infinite_or_no_number_may_stay_so(start: float) -> None:
    """log α of α = 0 is; where only one of the two becomes so, they differ."""
    for code, alike in ((right_code, True), (becoming_infinite, False)):
        direct = Direct([1, 0, 0, 2], [(0, "sum"), (3, "rows")], 0, code)
        state = {"sum": torch.tensor([start, 0.0])}
        plain = functools.partial(Compiled._call, Adding().update, kind=(False, False))
        assert (
            _alike(direct.run, plain, (state, {}, {}, {"rows": torch.ones(1), "noise": torch.zeros(1)}), 0.02) is alike
        )


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = Direct([], [], 0, wrong_code)
    monkeypatch.setattr(saved, "cache_folder", lambda name: None)
    saved.save("x", sys.modules[__name__], direct)
    assert saved.load("x") is None
    monkeypatch.setattr(saved, "cache_folder", lambda name: tmp_path / "gone")
    saved.save("x", sys.modules[__name__], direct)
    assert not (tmp_path / "gone").exists()


RUN = """
import hashlib, sys, maxent
agent = maxent.SAC("Pendulum-v1", learning_starts=100, hidden=(16, 16), buffer_size=1000, eval_every=0, policy_delay=2,
                   compile="on", verbose=False)
agent.learn(110)
state = agent._trainer.learner.state
print(hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest())
print("traced" if "torch._dynamo" in sys.modules else "loaded")
"""


def test_the_next_process_starts_without_the_compiler_and_computes_the_same(tmp_path: Path) -> None:
    """Both kinds of updates, with and without the actor's, through files and another order of hashes."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)
    said = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN], env={**environment, "PYTHONHASHSEED": hash_seed},
            check=True, capture_output=True, text=True,
        ).stdout.split()
        for hash_seed in ("1", "2")
    ]  # fmt: skip
    assert said[0][1] == "traced"
    assert said[1] == [said[0][0], "loaded"]
    assert len(list(tmp_path.glob("maxent/updates/*/*.so"))) == 2
