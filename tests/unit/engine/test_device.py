"""Devices and precisions: what is chosen, what is refused, rounding of products, the copy of the replay, and CUDA."""

from typing import Any, Literal, NoReturn, get_args

import numpy as np
import pytest
import torch

import maxent
from maxent import algorithms
from maxent.agent import agent_class
from maxent.engine import device, host
from maxent.engine.device import BatchColumns, Compute, DeviceColumns, HostColumns, make_columns
from maxent.errors import UserError
from maxent.replay import Replay, RowLayout
from maxent.replay.kinds import Storage

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
SMALL: dict[str, Any] = {
    "verbose": False, "hidden": (16, 16), "learning_starts": 20, "batch_size": 16, "buffer_size": 200, "eval_every": 0,
}  # fmt: skip


def test_auto_takes_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "has_amx", lambda: False)
    assert Compute.choose("auto", "auto") == Compute("cpu", "float32")
    monkeypatch.setattr(device, "has_amx", lambda: True)
    assert Compute.choose("auto", "auto") == Compute("cpu", "bf16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Compute.choose("auto", "auto") == Compute("cuda", "tf32")
    assert Compute.choose("cpu", "float32") == Compute("cpu", "float32")
    assert Compute.choose("cuda", "bf16") == Compute("cuda", "bf16")


def test_what_the_machine_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device: expected an available device, got 'cuda'"):
        Compute.choose("cuda", "float32")
    with pytest.raises(UserError, match=r"precision: expected .* got 'tf32'"):
        Compute.choose("auto", "tf32")
    with pytest.raises(UserError, match="device: expected"):
        maxent.SAC("Pendulum-v1", device="tpu", **SMALL)
    with pytest.raises(UserError, match="precision: expected"):
        maxent.SAC("Pendulum-v1", precision="float16", **SMALL)


def test_auto_is_written_down_as_what_it_meant() -> None:
    """So that a resume on another machine computes alike, or says that it cannot."""
    trainer = maxent.SAC("Pendulum-v1", device="auto", precision="auto", **SMALL)._trainer
    assert trainer is not None
    assert trainer.settings.run.device == trainer.compute.device
    assert trainer.settings.run.precision == trainer.compute.precision


def learned(steps: int, **settings: Any) -> maxent.Agent:
    agent = maxent.SAC("Pendulum-v1", seed=3, seeds=2, **SMALL, **settings)
    return agent.learn(steps)


@pytest.mark.parametrize("compiled", ["off", pytest.param("on", marks=pytest.mark.slow)])
def test_bf16_rounds_the_products_and_nothing_else(compiled: str) -> None:
    """bfloat16 keeps 8 bits, so one update moves a weight by nearly the same; what is kept stays float32.

    Adam's first step is λ·sign(g) for every gradient that is not tiny: rounding flips few signs.
    """
    plain, rounded = learned(21, compile="off"), learned(21, compile=compiled, precision="bf16")
    before = learned(20, compile="off")._learner.state
    one, other = plain._learner.state, rounded._learner.state
    assert {tensor.dtype for tensor in other.values()} == {torch.float32, torch.float64}
    for name in ("actor", "critic"):
        assert not torch.equal(one[name], other[name])
        moved, also = one[name] - before[name], other[name] - before[name]
        cosine = torch.cosine_similarity(moved.flatten(1), also.flatten(1)).min()
        assert cosine > 0.9


def test_a_copy_of_the_columns_follows_every_write() -> None:
    """With rings that wrap, episodes that end, and several steps between two looks; the device here is the CPU."""
    layout = RowLayout(floats=3, bytes=2, action=1)
    replay, random = Replay(layout, members=2, lanes=2, capacity=10), np.random.default_rng(0)

    def obs() -> dict[str, np.ndarray]:
        return {"float": random.standard_normal((4, 3), np.float32), "byte": random.integers(0, 255, (4, 2), np.uint8)}

    replay.begin(obs())
    # .to("cpu") would share the memory: clone what the copy starts from
    copy = DeviceColumns(replay, "cpu")
    copy._columns = {name: column.clone() for name, column in copy._columns.items()}
    for step in range(60):
        ends = random.random((2, 4)) < 0.2
        action, reward = random.standard_normal((4, 1), np.float32), random.standard_normal(4, np.float32)
        replay.add(action, reward, ends[0], ends[1], obs(), obs())
        if step % 3 == 0 or step > 40:
            copy.refresh()
            for name, column in copy.read(np.zeros((2, 1), np.int64))[0].items():
                assert torch.equal(column, replay.columns[name]), (step, name)


@pytest.mark.parametrize("n_step", [1, 2, 4])
def test_a_batch_holds_the_rows_that_follow_its_own(n_step: int) -> None:
    """Rows of two members with two rings of 5 rows each hold their own number, 10 p + r, and 100 more as bytes."""
    replay = Replay(RowLayout(floats=1, bytes=1, action=1), members=2, lanes=2, capacity=10)
    columns = replay.columns
    number = torch.arange(20, dtype=torch.float32).view(2, 10)
    columns["row"][:] = number.unsqueeze(-1)
    columns["kind"][:] = number.to(torch.uint8)
    columns["byte"][:] = 100 + number.to(torch.uint8).unsqueeze(-1)
    batch = BatchColumns(replay, "cpu", batch_size=3, n_step=n_step)
    for rows in ([[0, 3, 4], [9, 5, 0]], [[8, 8, 1], [2, 7, 6]]):
        copied, first = batch.read(np.array(rows))
        assert first.tolist() == [[0, n_step + 1, 2 * (n_step + 1)]] * 2
        for member, row, at in ((p, rows[p][k], int(first[p, k])) for p in range(2) for k in range(3)):
            lane, place = divmod(row, 5)
            after = [10 * member + 5 * lane + (place + k) % 5 for k in range(n_step + 1)]
            window = slice(at, at + n_step + 1)
            assert copied["row"][member, window].tolist() == [[one, one, one] for one in after]
            assert copied["kind"][member, window].tolist() == after
            assert copied["byte"][member, window, 0].tolist() == [100 + one for one in after]


def test_the_storage_decides_what_an_update_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replay(RowLayout(floats=1, bytes=0, action=1), members=1, lanes=1, capacity=5)
    monkeypatch.setattr(device, "DeviceColumns", lambda *_: "all rows")
    monkeypatch.setattr(device, "BatchColumns", lambda *_: "a batch")

    def read(storage: Storage, place: Literal["cpu", "cuda"]) -> object:
        return make_columns(replay, storage, place, batch_size=2, n_step=1)

    chosen = {storage: read(storage, "cuda") for storage in get_args(Storage)}
    assert chosen == {"auto": "all rows", "device": "all rows", "ram": "a batch", "disk": "a batch"}
    assert all(isinstance(read(storage, "cpu"), HostColumns) for storage in get_args(Storage) if storage != "device")


def test_a_gpu_without_room_for_all_rows_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> NoReturn:
        raise torch.OutOfMemoryError("tried to allocate 97 GiB")

    replay = Replay(RowLayout(floats=1, bytes=0, action=1), members=1, lanes=1, capacity=5)
    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.raises(UserError, match=r"replay_storage: .*\(tried to allocate 97 GiB\); use 'ram' or 'disk'"):
        DeviceColumns(replay, "cuda")


@NEEDS_GPU
@pytest.mark.cuda
@pytest.mark.parametrize("compiled", ["off", "on"])
@pytest.mark.parametrize("storage", ["ram", "disk"])
def test_a_gpu_learns_alike_from_single_batches(compiled: str, storage: str) -> None:
    """The same bits as from a copy of all rows."""
    settings = SMALL | {"device": "cuda", "compile": compiled, "seeds": 2, "n_step": 3}
    states = [maxent.SAC("Pendulum-v1", replay_storage=one, **settings).learn(300)._learner.state
              for one in ("device", storage)]  # fmt: skip
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []


@NEEDS_GPU
@pytest.mark.cuda
@pytest.mark.parametrize("compiled", ["off", "on"])
def test_a_gpu_learns_what_the_processor_learns(compiled: str) -> None:
    """The noise of updates comes from another generator there, so it is values that agree, not bits."""
    agent = maxent.SAC("Pendulum-v1", seed=0, seeds=2, **(SMALL | {"device": "cuda", "compile": compiled}))
    agent.learn(300)
    state = agent._learner.state
    assert all(tensor.is_cuda and bool(torch.isfinite(tensor).all()) for tensor in state.values())
    assert agent._trainer is not None
    agent._trainer.updater.columns.refresh()
    for name, column in agent._trainer.updater.columns.read(np.zeros((2, 1), np.int64))[0].items():
        assert torch.equal(column.cpu(), agent._trainer.replay.columns[name])


@NEEDS_GPU
@pytest.mark.cuda
@pytest.mark.parametrize("algorithm", algorithms.built_in())
def test_every_algorithm_runs_recorded_on_a_gpu(algorithm: str) -> None:
    """Warm-up, recording and replay of its update, whatever that calls."""
    kind = agent_class(algorithms.find(algorithm))
    continuous = "continuous" in algorithms.find(algorithm).actions
    replay = {} if algorithms.find(algorithm).on_policy else {"learning_starts": 20, "batch_size": 16}
    agent = kind(
        "Pendulum-v1" if continuous else "CartPole-v1", hidden=(8, 8), eval_every=0, verbose=False, device="cuda",
        compile="on", **replay,
    )  # fmt: skip
    agent.learn(60 if replay else 1_100)
    for name, tensor in agent._learner.state.items():
        assert tensor.is_cuda, name
        assert bool(torch.isfinite(tensor).all()), name


@NEEDS_GPU
@pytest.mark.cuda
def test_recorded_updates_equal_launched_ones() -> None:
    """A CUDA graph computes what its kernels compute: the same seeds, with and without."""
    states = []
    for recorded in (False, True):
        agent = maxent.SAC("Pendulum-v1", seed=0, **(SMALL | {"device": "cuda", "compile": "on"}))
        trainer = agent._trainer
        assert trainer is not None
        if not recorded:
            engine = trainer.engine()
            engine._step = engine._step._step  # type: ignore[attr-defined]
        agent.learn(100)
        states.append(trainer.learner.state)
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], msg=lambda text, name=name: f"{name}: {text}")


def test_subnormals_are_zero_during_updates_and_back_afterwards() -> None:
    tiny = torch.full((1,), 1e-38) * torch.full((1,), 0.1)
    assert float(tiny) > 0.0
    with host.subnormals_as_zero():
        assert float(torch.full((1,), 1e-38) * torch.full((1,), 0.1)) == 0.0
    learned(25, compile="off")
    assert float(torch.full((1,), 1e-38) * torch.full((1,), 0.1)) == float(tiny)
