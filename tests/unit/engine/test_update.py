"""The compiled update against the eager one, the number of compilations, when compiling is chosen, and metrics."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor
from torch._dynamo.backends.debugging import aot_eager
from torch._dynamo.testing import CompileCounter

from maxent.algorithms.base import Algorithm, Noise
from maxent.algorithms.component import Part
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import AlgorithmConfig
from maxent.batch import Batch
from maxent.engine.update import PAYS_OFF, Engine, Mode
from maxent.errors import UserError
from maxent.nn.optimiser import State
from maxent.replay import Gather, Replay, RowLayout
from maxent.spaces import ActionLayout, ObservationLayout

P, B, ROWS = 2, 8, 40
OBSERVATION = ObservationLayout.from_space(Box(-1.0, 1.0, (3,), np.float32))
ACTION = ActionLayout.from_space(Box(-1.0, 1.0, (2,), np.float32))
LAYOUT = RowLayout(OBSERVATION.floats, OBSERVATION.bytes, ACTION.size)
EAGER, COMPILED = Mode(False, "test"), Mode(True, "test")


def filled_replay() -> Replay:
    """One lane for each member, with random rows of which every seventh terminates and every fifth is truncated."""
    replay, random = Replay(LAYOUT, members=P, lanes=1, capacity=ROWS), np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal((P, *shape), np.float32)

    replay.begin({"float": normal(3)})
    for step in range(2 * ROWS):
        terminated, truncated = np.full(P, step % 7 == 6), np.full(P, step % 5 == 4)
        replay.add(normal(2), normal(), terminated, truncated, {"float": normal(3)}, {"float": normal(3)})
    return replay


def make_engine(mode: Mode, config: SACConfig) -> tuple[Engine, State]:
    algorithm = SoftActorCritic(config, P, OBSERVATION, ACTION)
    engine = Engine(algorithm, Gather(LAYOUT, OBSERVATION, ROWS, config.gamma, n_step=2), mode)
    state = algorithm.init([torch.Generator().manual_seed(seed) for seed in range(P)])
    engine.add_metrics(state)
    return engine, state


def inputs(replay: Replay, engine: Engine) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and noise for update after update, as the trainer draws them."""
    streams = [np.random.default_rng(seed) for seed in range(P)]
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (
            torch.from_numpy(replay.sample(B, streams)),
            torch.randn(P, engine.noise_size(B), generator=generator),
        )


def test_the_compiled_update_equals_the_eager_one() -> None:
    """Through Inductor to machine code, as in a run; the next test counts the compilations without that cost."""
    replay, config = filled_replay(), SACConfig(hidden=(16, 16), max_grad_norm=1.0)
    eager, eager_state = make_engine(EAGER, config)
    compiled, compiled_state = make_engine(COMPILED, config)
    before = {name: tensor.clone() for name, tensor in eager_state.items()}
    draws = inputs(replay, eager)
    for update in range(1, 6):
        rows, noise = next(draws)
        eager(eager_state, replay.columns, rows, noise, update)
        compiled(compiled_state, replay.columns, rows, noise, update)
    for name, tensor in eager_state.items():
        # Adam's steps are of 3e-4; five of them may differ by a hundredth of one in rounding
        torch.testing.assert_close(compiled_state[name], tensor, atol=3e-6, rtol=1e-5)
        assert not torch.equal(tensor, before[name])


def test_each_kind_of_update_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """policy_delay 2 and target_delay 3 make four kinds of updates, all among 1 to 6: four graphs, and no more.

    Nothing has run eagerly before, so what a first call caches must be traceable too.
    """
    counter = CompileCounter()

    def compile(graph: Any, inputs: Any, options: Any) -> Any:
        counter(graph, inputs)
        return aot_eager(graph, inputs)  # like Inductor's, code without a tape of its own

    monkeypatch.setattr(torch._inductor, "compile", compile)
    replay = filled_replay()
    engine, state = make_engine(COMPILED, SACConfig(hidden=(16, 16), policy_delay=2, target_delay=3))
    draws = inputs(replay, engine)
    for update in range(1, 31):
        engine(state, replay.columns, *next(draws), update)
        if update == 6:
            assert counter.frame_count == 4
    assert counter.frame_count == 4
    assert state["critic.adam_steps"].item() == 30
    assert state["actor.adam_steps"].item() == 15


def test_a_setting_decides_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/c++")
    assert Mode.choose("on", 0).compiled
    assert not Mode.choose("off", 10 * PAYS_OFF).compiled
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert Mode.choose("on", 0) == Mode(False, "no C++ compiler was found")


def test_a_compiled_run_goes_on_eagerly_where_nothing_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Mode.resumed(True).compiled
    assert not Mode.resumed(False).compiled
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not Mode.resumed(True).compiled
    assert "were compiled before, so numbers will differ by rounding" in Mode.resumed(True).reason


def test_own_layers_that_cannot_be_traced_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.engine.update.can_trace_the_tape", lambda: False)
    monkeypatch.setattr("maxent.engine.update.kernels.ready", lambda: True)
    assert Mode.choose("on", 0) == Mode(False, "this version of torch cannot compile maxent's own layers")


@pytest.mark.parametrize(
    ("compiler", "updates", "compiled", "reason"),
    [
        ("c++", PAYS_OFF, True, "5,000 updates pay for compiling"),
        ("clang++", PAYS_OFF, True, "5,000 updates pay for compiling"),
        ("c++", PAYS_OFF - 1, False, "4,999 updates do not pay for compiling"),
        (None, PAYS_OFF, False, "no C++ compiler was found"),
    ],
)
def test_auto_compiles_long_runs_where_there_is_a_compiler(
    compiler: str | None, updates: int, compiled: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name == compiler else None)
    assert Mode.choose("auto", updates) == Mode(compiled, reason)


class Telling(Algorithm):
    """Reports the mean reward of its batch at every update, and how many policy updates there were at every third."""

    summary, config_class, actions = "", AlgorithmConfig, ("continuous",)
    metrics = ("reward", "policies")
    policy_names = ()

    @property
    def components(self) -> tuple[Part, ...]:
        return ()

    def init(self, generators: Sequence[torch.Generator]) -> State:
        return {"policies": torch.zeros(self.members)}

    def due(self, update: int) -> tuple[bool, bool]:
        return update % 3 == 0, False

    def update(self, state: State, batch: Batch, noise: Noise, *, policy: bool, target: bool) -> dict[str, Tensor]:
        values = {"reward": batch.reward.mean(-1)}
        if policy:
            state["policies"] += 1
            values["policies"] = state["policies"].clone()
        return values

    def act(self, state: Mapping[str, Tensor], obs: Tensor, noise: Tensor, step: float) -> Tensor:
        raise AssertionError

    def mode(self, state: Mapping[str, Tensor], obs: Tensor) -> Tensor:
        raise AssertionError


def test_metrics_are_means_over_the_updates_that_reported_them() -> None:
    """Rewards are 10 · row + member. Six updates, on rows (u, u + 1) for u = 1 … 6, have means 10u + 5 + member, whose
    mean is 10 · 3.5 + 5 + member = 40 + member. Updates 3 and 6 report the counts 1 and 2, whose mean is 1.5.
    """
    algorithm = Telling(AlgorithmConfig(), P, OBSERVATION, ACTION)
    engine = Engine(algorithm, Gather(LAYOUT, OBSERVATION, ROWS, gamma=0.9), EAGER)
    columns = filled_replay().columns
    columns["row"][..., -1] = 10.0 * torch.arange(ROWS) + torch.arange(P).unsqueeze(-1)
    state = algorithm.init([])
    engine.add_metrics(state)

    def update(number: int) -> None:
        engine(state, columns, torch.tensor([[number, number + 1]] * P), torch.zeros(P, 0), number)

    for number in range(1, 7):
        update(number)
    means = engine.read_metrics(state)
    assert means["reward"].tolist() == [40.0, 41.0]
    assert means["policies"].tolist() == [1.5, 1.5]
    # the sums start anew: update 7 on rows (7, 8) alone has the mean 75, and moves no policy
    update(7)
    means = engine.read_metrics(state)
    assert means["reward"].tolist() == [75.0, 76.0]
    assert np.isnan(means["policies"]).all()
    assert all(np.isnan(mean).all() for mean in engine.read_metrics(state).values())
    assert all(mean.dtype == np.float64 for mean in means.values())


@pytest.mark.parametrize("mode", [EAGER, COMPILED], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (("reward",), "it returns policies undeclared"),
        (("reward", "policies", "loss"), "it declares loss and does not return it"),
        (("policies", "loss"), "it returns reward undeclared, and declares loss and does not return it"),
    ],
)
def test_metrics_have_to_be_those_declared(mode: Mode, declared: tuple[str, ...], message: str) -> None:
    """Checked at the first update, on a copy of the state."""
    algorithm = Telling(AlgorithmConfig(), P, OBSERVATION, ACTION)
    algorithm.metrics = declared  # type: ignore[misc]
    engine = Engine(algorithm, Gather(LAYOUT, OBSERVATION, ROWS, gamma=0.9), mode)
    state = algorithm.init([])
    engine.add_metrics(state)
    with pytest.raises(UserError, match=message):
        engine(state, filled_replay().columns, torch.tensor([[1, 2]] * P), torch.zeros(P, 0), 1)
    assert not state["policies"].any()
