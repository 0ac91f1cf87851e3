"""Checkpoints that are damaged, of another version, or of another run than the folder says."""

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from short_runs import SMALL, pendulum

import maxent
from maxent.errors import FileError, NewerVersionError, UserError
from maxent.opening import load_policy, resume_run
from maxent.runs.checkpoint import FORMAT, CheckpointStore, _digest
from maxent.runs.tensors import read_tensors, write_tensors


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 steps with checkpoints of steps 30 and 60; do not change it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    pendulum(seeds=2).learn(60, run_dir=run).close()
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def newest(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


def rewrite(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the newest manifest and compute its hash anew."""
    path = newest(run) / "state.json"
    manifest = {key: value for key, value in json.loads(path.read_text()).items() if key != "hash"}
    change(manifest)
    path.write_text(json.dumps({"hash": _digest(manifest)} | manifest))


def rewrite_tensors(run: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of the newest checkpoint, with hashes that fit."""
    path = newest(run) / "state.safetensors"
    tensors = {name: tensor.clone() for name, tensor in read_tensors(path).items()}
    change(tensors)
    digest = write_tensors(path, tensors)
    rewrite(run, lambda manifest: manifest.update(state=digest))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    run: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], None]
) -> None:
    damage(newest(run) / name)
    agent = maxent.load(run)
    assert agent.num_timesteps == 30
    agent.close()
    said = capsys.readouterr().out
    assert "damaged: 000000000060: " in said
    assert name in said
    assert "The run goes on from the checkpoint before, of step 30." in said


def test_an_undamaged_one_is_taken_in_silence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maxent.load(run).close()
    assert "damaged" not in capsys.readouterr().out


def test_a_checkpoint_of_a_newer_version_is_refused_and_not_passed_over(run: Path) -> None:
    """The one before it would lose what the newer version has learned."""
    rewrite(run, lambda manifest: manifest.update(format=FORMAT + 1))
    for read in (maxent.load, resume_run, lambda path: CheckpointStore(path).latest()):
        with pytest.raises(NewerVersionError, match=r"format 3 is not 2, .*read it with a newer version"):
            read(run)


def test_a_checkpoint_of_another_algorithm_is_refused(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    settings = config["learner"]["settings"]
    config["learner"] |= {"algorithm": "td3", "settings": {name: settings[name] for name in ("hidden", "gamma")}}
    (run / "config.json").write_text(json.dumps(config))
    for read in (maxent.load, lambda path: resume_run(path, verbose=False)):
        with pytest.raises(FileError, match=r"the tensor 'actor/layer_2\.weight': expected .*, got "):
            read(run)
    with pytest.raises(UserError, match="this agent was trained with td3, got sac"):
        maxent.load(run, algorithm="sac")


def huge(run: Path, file: str, hidden: list[int]) -> None:
    """Let the settings of a run or of a policy demand networks that no memory holds."""
    data = json.loads((run / file).read_text())
    data["learner"]["settings"]["hidden"] = hidden
    (run / file).write_text(json.dumps(data))


@pytest.mark.parametrize("hidden", [[70_000, 70_000], [2**40], [2**62, 2**62], [8]])
def test_networks_are_compared_with_the_file_before_memory_is_taken(run: Path, hidden: list[int]) -> None:
    huge(run, "config.json", hidden)
    huge(run, "best/policy.json", hidden)
    reads = [lambda: maxent.load(run, verbose=False), lambda: maxent.load(run / "best")]
    tracemalloc.start()
    try:
        for read in reads:
            with pytest.raises(FileError, match=r"(actor|critic)/layer_"):
                read()
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_a_run_that_begins_needs_the_memory_that_its_networks_take(run: Path) -> None:
    huge(run, "config.json", [2**40])
    for name in ("checkpoints", "last", "best"):
        shutil.rmtree(run / name)
    with pytest.raises(FileError, match=r"the networks need [\d,.]+ GB of memory, and this machine has"):
        maxent.load(run, verbose=False)


def test_a_policy_of_extra_members_is_refused(run: Path) -> None:
    data = json.loads((run / "best" / "policy.json").read_text())
    data["learner"]["seeds"] = list(range(3))
    (run / "best" / "policy.json").write_text(json.dumps(data))
    with pytest.raises(FileError, match="expected 3 scores, one a member, got 2"):
        maxent.load(run / "best")


TENSORS: list[tuple[Callable[[dict[str, torch.Tensor]], object], str]] = [
    (lambda tensors: tensors.pop("learner/log_alpha"), "learner/log_alpha.*missing"),
    (lambda tensors: tensors.update(extra=torch.zeros(1)), "expected no tensor 'extra'"),
    (lambda tensors: tensors.update(scores=torch.zeros(3, dtype=torch.float64)), "the tensor 'scores': expected"),
    (lambda tensors: tensors["collector/lanes/actions"].fill_(float("nan")), "expected actions of the environment"),
    (lambda tensors: tensors["streams/noise"].fill_(255), "expected positions of torch generators"),
    (lambda tensors: tensors.update({"collector/held": tensors["collector/held"].double()}), "collector/held"),
]


@pytest.mark.parametrize(("change", "message"), TENSORS)
def test_a_state_that_the_run_cannot_have_had_is_refused(
    run: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    rewrite_tensors(run, change)
    with pytest.raises(FileError, match=message):
        maxent.load(run, verbose=False)


def parts(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["plain"]["parts"]
    return found


PLAIN: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda data: parts(data)["progress"].update(step="60"), "progress step: expected a whole number"),
    (lambda data: parts(data)["progress"].update(transitions=10**12), "counts of steps, transitions and updates"),
    (lambda data: parts(data)["streams"]["acting"][0].update(bit_generator="MT19937"), "positions of PCG64 streams"),
    (lambda data: parts(data)["collector"]["lanes"]["lanes"][0].update(length=3), "the actions of every step"),
    (lambda data: parts(data)["collector"]["lanes"]["lanes"].pop(), "a checkpoint of 2 environments, .* got 1"),
    (lambda data: parts(data).pop("schedule"), "expected the entries .*schedule"),
    (lambda data: data["plain"].update(layers=1), "layers: expected a text, got 1"),
]


@pytest.mark.parametrize(("change", "message"), PLAIN)
def test_counts_and_positions_that_the_run_cannot_have_had_are_refused(
    run: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    rewrite(run, change)
    with pytest.raises(FileError, match=message):
        maxent.load(run, verbose=False)


def test_priorities_of_a_stranger_are_checked(tmp_path: Path) -> None:
    run = tmp_path / "run"
    maxent.SAC("Pendulum-v1", **SMALL | {"replay": "prioritized"}).learn(60, run_dir=run).close()
    rewrite_tensors(run, lambda tensors: tensors["sampler/priority"].fill_(float("nan")))
    with pytest.raises(UserError, match="expected priorities of at least 0"):
        maxent.load(run, verbose=False)


def test_a_policy_whose_settings_do_not_fit_together_is_refused(run: Path) -> None:
    for settings, message in (({"gamma": "high"}, "gamma"), ({"nonsense": 1}, "nonsense"), ({"hidden": 3}, "hidden")):
        path = run / "last" / "policy.json"
        before = path.read_text()
        data = json.loads(before)
        data["learner"]["settings"] |= settings
        path.write_text(json.dumps(data))
        with pytest.raises(UserError, match=message):
            load_policy(run, "last")
        path.write_text(before)
