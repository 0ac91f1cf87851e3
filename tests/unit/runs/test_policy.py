"""Policy folders: plain data and tensors that come back bit for bit, or a sentence."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from disk_faults import Disk, Killed

from maxent.errors import UserError
from maxent.runs.policy import read_policy, write_policy

LEARNER = {"algorithm": "sac", "settings": {"hidden": [4, 4], "alpha": "auto"}, "seeds": [3, 4]}


def save(path: Path, step: int, scores: tuple[float, ...] = (0.0,)) -> None:
    write_policy(
        path, learner=LEARNER, tensors={"actor/w": torch.full((2, 3), step / 7)}, step=step, scores=np.array(scores)
    )


def edit(path: Path, **entries: object) -> None:
    data = json.loads((path / "policy.json").read_text())
    (path / "policy.json").write_text(json.dumps(data | entries))


def test_a_policy_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save(tmp_path / "best", 70, (-2.5, float("-inf")))
    file = read_policy(tmp_path / "best")
    assert (file.learner, file.step) == (LEARNER, 70)
    assert file.tensors.keys() == {"actor/w"}
    assert torch.equal(file.tensors["actor/w"], torch.full((2, 3), 10.0))
    np.testing.assert_array_equal(file.scores, [-2.5, np.nan])  # a member that was never evaluated


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"damaged"), os.remove])
def test_a_damaged_one_is_refused(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    save(tmp_path, 0)
    damage(tmp_path / "policy.safetensors")
    with pytest.raises(UserError, match=r"policy\.safetensors: it is missing or does not match its hash"):
        read_policy(tmp_path)


def test_another_format_is_named(tmp_path: Path) -> None:
    save(tmp_path, 0)
    edit(tmp_path, format=1)
    with pytest.raises(UserError, match=r"policy\.json: format 1 is not 2, which this version of maxent reads"):
        read_policy(tmp_path)


@pytest.mark.parametrize("entry", [{"learner": []}, {"step": "7"}, {"scores": None}, {"hash": 1}, {"scores": ["1"]}])
def test_entries_of_another_type_are_refused(tmp_path: Path, entry: dict[str, object]) -> None:
    save(tmp_path, 0)
    edit(tmp_path, **entry)
    with pytest.raises(UserError, match=r"policy\.json: .*: expected .*, got "):
        read_policy(tmp_path)


def test_killed_at_any_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy takes the place of another one: there is the old one, none, or the new one; never a mixture."""
    found = []
    for fatal in range(100):
        path = tmp_path / str(fatal)
        save(path, 1)
        killed = False
        with monkeypatch.context() as patch:
            Disk(patch, fatal)
            try:
                save(path, 2)
            except Killed:
                killed = True
        if (path / "policy.json").exists():
            file = read_policy(path)
            assert torch.equal(file.tensors["actor/w"], torch.full((2, 3), file.step / 7))
            found.append(file.step)
        save(path, 3)  # over what may be there
        assert sorted(entry.name for entry in path.iterdir()) == ["policy.json", "policy.safetensors"]
        if not killed:
            break
    assert found[0] == 1
    assert found[-1] == 2
    assert found == sorted(found)


@pytest.mark.parametrize("name", ["policy.json", "policy.safetensors"])
def test_a_folder_where_a_file_is_to_be_written_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "policy" / name).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"{name}: expected a file or nothing, got a folder; move it away\."):
        write_policy(tmp_path / "policy", learner={}, tensors={}, step=1, scores=np.zeros(1))
