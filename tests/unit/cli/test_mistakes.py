"""Mistakes of users end in one sentence."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import SMALL, TINY, Said, config_of

from maxent.runs import checkpoint

MISTAKES: list[tuple[list[object], str]] = [
    (["dance"], "There is no command 'dance': use one of train, resume, eval, play"),
    (["train", "Pendulum-v11"], "expected a registered id, got 'Pendulum-v11'; did you mean Pendulum-v1?"),
    (["train", "no_module:Tiny-v0"], "expected a module 'no_module' that registers or makes the environment, got"),
    (["train", "CartPole-v1"], "sac is for continuous actions and this environment's are discrete"),
    (["train", TINY, "--algo", "ppo"], "Unknown algorithm 'ppo': choose one of actor-critic, crossq, ddpg, "),
    (
        ["train", TINY, "--algo=dqn"],
        "dqn is for discrete actions and this environment's are continuous: algorithms for ",
    ),
    (
        ["train", TINY, "--env-arg", "length"],
        "--env-arg: expected NAME=VALUE, got 'length'; the environment goes first",
    ),
    (["train", TINY, "--env-arg", "=3"], "--env-arg: expected NAME=VALUE, got '=3'"),
    (["train", TINY, "--env-arg", "height=3"], "Tiny-v0: expected arguments of the environment, got ['height']"),
    (["train", TINY, "--buffer-size", 2], "buffer_size: expected at least 3 for 1 environments, got 2"),
    (
        ["train", TINY, "--algo", "reinforce", "--n-step", 3],
        "n_step: reinforce learns from the newest steps of its own",
    ),
    (
        ["train", TINY, "--alpha", 0.2, "--target-entropy", -3],
        "target_entropy: it is a setting of alpha auto: --alpha auto target_entropy=VALUE.",
    ),
    (["resume", "nowhere"], "nowhere holds no run: config.json is missing. `maxent list runs` shows"),
    (["eval", "nowhere"], "nowhere holds no run: config.json is missing. `maxent list runs` shows"),
    (["play", "nowhere", "--human"], "nowhere holds no run: config.json is missing. `maxent list runs` shows"),
    (["play", "nowhere"], "expected one of --video FILE.mp4, --gif FILE.gif, --picture FILE.png and --human"),
    (
        ["play", "nowhere", "--human", "--video", "x.mp4"],
        "expected one of --video FILE.mp4, --gif FILE.gif, --picture FILE.png and --human",
    ),
    (["play", "nowhere", "--gif", "x.png"], "--gif: expected a name that ends in .gif, got x.png"),
    (["play", "nowhere", "--video", "x.avi"], "--video: expected a name that ends in .mp4, got x.avi"),
    (["train", TINY, "--alpha", "much"], "maxent: alpha: expected 'auto' or a number, got 'much'"),
    (["train", TINY, "--alpha", "0.2", "initial=1"], "--alpha: a number has no settings of its own, got initial=1"),
    (
        ["train", TINY, "--alpha", "auto", "more"],
        "--alpha: expected NAME=VALUE, got 'more'; the environment goes",
    ),
    (["train", TINY, "--alpha", "auto", "initial=-1"], "initial: expected a number above 0, got -1"),
    (["train", TINY, "--replay", "uniform", "exponent=1"], "replay uniform has no setting 'exponent': it has none"),
    (["train", TINY, "--replay", "hindsight", "0.5"], "--replay: expected NAME=VALUE, got '0.5'"),
    (["eval", "nowhere", "--episodes", 0], "episodes: expected at least 1, got 0"),
    (["play", "nowhere", "--human", "--episodes", 0], "episodes: expected at least 1, got 0"),
    (["eval", "nowhere", "--seed", -1], "seed: expected a whole number of at least 0, got -1"),
]


class TestMistakes:
    @pytest.mark.parametrize(("words", "message"), MISTAKES)
    def test_one_sentence_and_exit_code_2(self, say: Callable[..., Said], words: list[object], message: str) -> None:
        said = say(*words)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("maxent: ")
        assert said.err.count("\n") == 1
        assert message in said.err
        assert list(Path.cwd().iterdir()) == []

    @pytest.mark.parametrize(
        ("words", "parts"),
        [
            (["train", TINY, "--learning-rat", "1"], ["--learning-rat", "--learning-rate"]),
            (["train", TINY, "--steps", "many"], ["--steps", "many"]),
            (["train", TINY, "--gamma", 2], ["gamma: expected a number from 0 to 1, got 2.0"]),
            (["list", "planets"], ["planets", "'algos'"]),
            (["resume"], ["RUN"]),
        ],
    )
    def test_words_that_cannot_be_parsed(self, say: Callable[..., Said], words: list[object], parts: list[str]) -> None:
        said = say(*words)
        assert (said.code, said.out) == (2, "")
        assert "Traceback" not in said.err
        for part in parts:
            assert part.lower() in said.err.lower()

    def test_a_folder_of_another_run(self, say: Callable[..., Said], run: Path) -> None:
        before = config_of(run)
        said = say("train", TINY, *SMALL, "--run-dir", run)
        assert said.code == 2
        assert f"run holds another run: continue it with `maxent resume {run}`, or choose another folder." in said.err
        assert config_of(run) == before

    def test_a_member_that_is_not_there(self, say: Callable[..., Said], run: Path) -> None:
        said = say("play", run, "--video", "x.mp4", "--member", 2)
        assert (said.code, said.err) == (2, "maxent: member: expected 0 to 1, got 2.\n")

    def test_an_environment_of_other_spaces(self, say: Callable[..., Said], run: Path) -> None:
        said = say("eval", run, "--env", "Pendulum-v1")
        assert said.code == 2
        assert said.err == "maxent: Pendulum-v1 has other observations or actions than this agent knows.\n"

    def test_a_run_whose_checkpoints_are_all_damaged(self, say: Callable[..., Said], run: Path) -> None:
        for path in run.glob("checkpoints/*/state.json"):
            path.write_text("{}")
        said = say("resume", run)
        assert said.code == 2
        assert said.err.startswith("maxent: Every checkpoint of this run is damaged: ")
        assert said.err.count("\n") == 1

    def test_a_full_disk(self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "state.json")

        monkeypatch.setattr(checkpoint, "write_json", full)
        said = say("resume", run, "--steps", 90, "--quiet")
        assert said == Said(2, "", "maxent: No space left on device: state.json.\n")

    def test_what_is_no_mistake_of_the_user_is_not_hidden(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any) -> None:
            raise OSError(errno.EBADF, "a closed file")

        monkeypatch.setattr(checkpoint, "write_json", broken)
        with pytest.raises(OSError, match="a closed file"):
            say("resume", run, "--steps", 90, "--quiet")

    def test_a_broken_disk_is_one_sentence(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any) -> None:
            raise OSError(errno.EIO, "Input/output error", "state.json")

        monkeypatch.setattr(checkpoint, "write_json", broken)
        said = say("resume", run, "--steps", 90, "--quiet")
        assert said == Said(2, "", "maxent: Input/output error: state.json.\n")
