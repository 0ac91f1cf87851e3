"""The folder of a run: what it refuses, and the policies in it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import Disk, Killed
from gymnasium import spaces

from maxent.algorithms import SACConfig
from maxent.envs.making import EnvSource
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout
from maxent.runs import folder as folder_module
from maxent.training.settings import TrainConfig
from maxent.runs.folder import CONFIG, RunFolder, read_policy, write_policy
from maxent.engine.learner import Learner


def learner(*seeds: int) -> Learner:
    return Learner(
        "sac",
        SACConfig(hidden=(4, 4)),
        list(seeds),
        ObservationLayout.from_space(spaces.Box(-1.0, 1.0, (3,))),
        ActionLayout.from_space(spaces.Box(-2.0, 2.0, (2,))),
    )


def save_policy(path: Path, of: Learner, step: int, scores: tuple[float, ...]) -> None:
    write_policy(path, of, of.policy(), step, np.array(scores))


class TestFolder:
    def test_a_new_one_is_made_with_its_parents(self, tmp_path: Path) -> None:
        RunFolder.create(tmp_path / "runs" / "new")
        assert (tmp_path / "runs" / "new").is_dir()

    def test_an_empty_one_will_do(self, tmp_path: Path) -> None:
        assert RunFolder.create(tmp_path).path == tmp_path

    def test_one_with_a_run_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / CONFIG).write_text("{}")
        with pytest.raises(UserError, match=r"holds another run: continue it with `maxent resume .*`, or choose"):
            RunFolder.create(tmp_path)

    def test_one_with_anything_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(UserError, match="is not an empty folder: choose another one"):
            RunFolder.create(tmp_path)
        with pytest.raises(UserError, match="is not an empty folder: choose another one"):
            RunFolder.create(tmp_path / "thesis.tex")

    def test_one_that_cannot_be_made_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match=r"file/run cannot be made: Not a directory\."):
            RunFolder.create(tmp_path / "file" / "run")

    @pytest.mark.parametrize("name", ["", "missing"])
    def test_only_one_with_a_run_can_be_opened(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UserError, match=r"holds no run: config\.json is missing\. `maxent list runs`"):
            RunFolder.open(tmp_path / name)

    def test_the_config_tells_everything(self, tmp_path: Path) -> None:
        folder, run = RunFolder.create(tmp_path / "run"), TrainConfig(steps=7, seeds=2, replay_ratio=0.1)
        source = EnvSource.of("Pendulum-v1", {"g": 9.81})
        folder.write_config(source, learner(5, 6), run, "a paper")
        config = RunFolder.open(tmp_path / "run").read_config()
        assert EnvSource.from_json(config["env"]["source"]).to_json() == {"id": "Pendulum-v1", "kwargs": {"g": 9.81}}
        assert TrainConfig(**config["train"]) == run
        again = Learner.from_json(config["learner"])
        assert again.to_json() == learner(5, 6).to_json()
        assert (again.config, again.seeds) == (SACConfig(hidden=(4, 4)), [5, 6])
        assert config["recipe"] == "a paper"
        assert config["versions"]["torch"] == torch.__version__
        assert config["versions"].keys() >= {"python", "platform", "cpus", "maxent", "numpy", "gymnasium", "mujoco"}
        assert config["created"]
        assert config["command"]

    def test_the_config_can_be_updated(self, tmp_path: Path) -> None:
        folder = RunFolder.create(tmp_path)
        folder.write_config(EnvSource.of("Pendulum-v1"), learner(0), TrainConfig(steps=7), None)
        before = folder.read_config()
        folder.update_config(TrainConfig(steps=8))
        assert folder.read_config() == before | {"train": before["train"] | {"steps": 8}}

    def test_another_format_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = RunFolder.create(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(folder_module, "FORMAT", 2)
            folder.write_config(EnvSource.of("Pendulum-v1"), learner(0), TrainConfig(), None)
        with pytest.raises(UserError, match=r"config\.json: format 2 is not 1, which this version reads"):
            folder.read_config()

    def test_a_package_that_is_missing_is_said_to_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folder_module, "PACKAGES", ("numpy", "no-such-package"))
        versions = folder_module.versions()
        assert versions["numpy"] == np.__version__
        assert versions["no-such-package"] == "not installed"

    def test_there_is_no_curve_before_there_are_metrics(self, tmp_path: Path) -> None:
        RunFolder(tmp_path).draw_curve("title")
        assert list(tmp_path.iterdir()) == []


class TestPolicy:
    def test_a_policy_comes_back_bit_for_bit(self, tmp_path: Path) -> None:
        written = learner(3, 4)
        save_policy(tmp_path / "best", written, 70, (-2.5, float("-inf")))
        read, data = read_policy(tmp_path / "best")
        assert torch.equal(read.state["actor"], written.state["actor"])
        obs = {"float": np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(2, 2, 3)}
        np.testing.assert_array_equal(read.mode(obs), written.mode(obs))
        assert (data["step"], data["scores"]) == (70, [-2.5, None])  # a member that was never evaluated

    def test_it_holds_the_actor_alone_by_layer(self, tmp_path: Path) -> None:
        """3 observations, layers of 4, and mean and log σ of 2 actions, for 2 members."""
        save_policy(tmp_path, learner(3, 4), 0, (0.0, 0.0))
        tensors = folder_module.read_tensors(tmp_path / "policy.safetensors")
        assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
            "actor/layer_0.weight": (2, 3, 4),
            "actor/layer_0.bias": (2, 1, 4),
            "actor/layer_1.weight": (2, 4, 4),
            "actor/layer_1.bias": (2, 1, 4),
            "actor/layer_2.weight": (2, 4, 4),
            "actor/layer_2.bias": (2, 1, 4),
        }

    @pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"damaged"), os.remove])
    def test_a_damaged_one_is_refused(self, tmp_path: Path, damage: Callable[[Path], object]) -> None:
        save_policy(tmp_path, learner(0), 0, (0.0,))
        damage(tmp_path / "policy.safetensors")
        with pytest.raises(UserError, match=r"policy\.safetensors is missing or does not match its hash"):
            read_policy(tmp_path)

    def test_another_format_is_named(self, tmp_path: Path) -> None:
        save_policy(tmp_path, learner(0), 0, (0.0,))
        data = json.loads((tmp_path / "policy.json").read_text())
        (tmp_path / "policy.json").write_text(json.dumps(data | {"format": 2}))
        with pytest.raises(UserError, match=r"policy\.json: format 2 is not 1, which this version reads"):
            read_policy(tmp_path)

    def test_a_tensor_that_is_missing_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Learner, "named", lambda *_: {"actor/layer_0.weight": torch.zeros(1, 3, 4)})
        save_policy(tmp_path, learner(0), 0, (0.0,))
        with pytest.raises(UserError, match=r"The file lacks the tensor 'actor/layer_1\.weight'"):
            read_policy(tmp_path)

    def test_a_tensor_of_another_shape_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Learner, "named", lambda *_: {"actor/layer_0.weight": torch.zeros(1, 4, 4)})
        save_policy(tmp_path, learner(0), 0, (0.0,))
        with pytest.raises(
            UserError, match=r"'actor/layer_0\.weight' has the shape \(1, 4, 4\), expected was \(1, 3, 4\)"
        ):
            read_policy(tmp_path)

    def test_killed_at_any_operation(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A policy takes the place of another one: there is the old one, none, or the new one; never a mixture."""
        found = []
        for fatal in range(100):
            path = tmp_path / str(fatal)
            save_policy(path, learner(1), 1, (0.0,))
            with monkeypatch.context() as patch:
                Disk(patch, fatal)
                try:
                    save_policy(path, learner(2), 2, (0.0,))
                except Killed:
                    killed = True
                else:
                    killed = False
            if (path / "policy.json").exists():
                read, data = read_policy(path)
                assert torch.equal(read.state["actor"], learner(data["step"]).state["actor"])
                found.append(data["step"])
            if not killed:
                break
        assert found[0] == 1
        assert found[-1] == 2
        assert found == sorted(found)
