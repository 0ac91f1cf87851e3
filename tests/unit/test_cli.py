"""What the user types, and what the user sees."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from tiny_world import Tiny

import maxent
from maxent.agent import Agent
from maxent.algorithms import SACConfig
from maxent.cli import USAGE, main
from maxent.runs import checkpoint
from maxent.runs.checkpoint import CheckpointStore
from maxent.runs.folder import RunFolder
from maxent.training.settings import ReplayConfig, RunConfig

TINY = "tiny_world:Tiny-v0"
SMALL = [
    *("--hidden", "4", "4", "--batch-size", "4", "--learning-starts", "10", "--buffer-size", "500", "--compile", "off"),
    *("--log-every", "20", "--eval-every", "30", "--eval-episodes", "2", "--checkpoint-every", "25"),
]


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Said]:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])  # main puts the folder one stands in there

    def say(*words: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit_:  # tyro's way
            assert isinstance(exit_.code, int)
            code = exit_.code
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return say


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two members; do not change it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", TINY, *SMALL, "--steps", "60", "--seeds", "2", "--run-dir", str(run), "--quiet"]) == 0
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def config_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "config.json").read_text()))


class TestTrain:
    def test_a_run_says_what_it_does_and_leaves_a_folder(self, say: Callable[..., Said]) -> None:
        said = say("train", TINY, *SMALL, "--steps", 60, "--run-dir", "deep/run")
        assert (said.code, said.err) == (0, "")
        for part in ("sac on Tiny-v0: 60 steps, 1 member, cpu, eager", "replay: 500 rows", "step 40/60", "step 60/60"):
            assert part in said.out
        assert said.out.endswith("Run folder: deep/run (curve.png, metrics.csv, tensorboard/, best/, last/)\n")
        assert {path.name for path in Path("deep/run").iterdir()} == {
            *("config.json", "metrics.csv", "evaluations.csv", "ending.json", "curve.png"),
            *("tensorboard", "checkpoints", "replay", "best", "last"),
        }

    def test_every_option_reaches_the_run(self, say: Callable[..., Said]) -> None:
        options = ["--steps", 31, "--seed", 5, "--seeds", 2, "--num-envs", 3, "--n-step", 2, "--replay-ratio", 0.1]
        options += ["--gamma", 0.9, "--alpha", 0.3, "--layer-norm", "--max-grad-norm", 1.5, "--critics", 3]
        assert say("train", TINY, *SMALL, *options, "--run-dir", "run").code == 0
        config = config_of(Path("run"))
        settings = config["run"] | config["replay"] | config["learner"]["settings"]
        wanted = {"steps": 31, "seed": 5, "seeds": 2, "num_envs": 3, "n_step": 2, "replay_ratio": 0.1, "gamma": 0.9}
        wanted |= {"alpha": 0.3, "layer_norm": True, "max_grad_norm": 1.5, "critics": 3, "hidden": [4, 4]}
        assert {name: settings[name] for name in wanted} == wanted
        assert config["learner"]["seeds"] == [5, 6]

    def test_a_choice_is_its_kind_and_what_belongs_to_it(self, say: Callable[..., Said]) -> None:
        options = ["--alpha", "auto", "target_entropy=-3", "--replay", "prioritized", "exponent=0.7"]
        assert say("train", TINY, *SMALL, "--steps", 20, *options, "--run-dir", "run").code == 0
        config = config_of(Path("run"))
        alpha = {"kind": "auto", "initial": 1.0, "learning_rate": None, "target_entropy": -3, "factor": "log_alpha"}
        assert config["learner"]["settings"]["alpha"] == alpha
        assert config["replay"]["replay"] == {"kind": "prioritized", "exponent": 0.7, "correction": 0.4}

    def test_arguments_of_the_environment(self, say: Callable[..., Said]) -> None:
        """Numbers are numbers; the run is made of them again when it is evaluated."""
        assert (
            say("train", TINY, *SMALL, "--steps", 20, "--run-dir", "run", "--env-arg", "length=5", "goal=-1.5").code
            == 0
        )
        assert config_of(Path("run"))["env"]["source"] == {"id": TINY, "kwargs": {"length": 5, "goal": -1.5}}
        result = json.loads(say("eval", "run", "--episodes", 1, "--json").out)
        assert result["members"][0]["lengths"] == [5]

    def test_words_stay_words(self, say: Callable[..., Said]) -> None:
        said = say("train", TINY, *SMALL, "--env-arg", "name=value", "flag=True", "path=a=b")
        assert said.code == 2
        assert "got ['flag', 'name', 'path']" in said.err

    def test_without_a_folder_it_makes_one_below_runs(self, say: Callable[..., Said]) -> None:
        said = say("train", TINY, *SMALL, "--steps", 20)
        (folder,) = Path("runs").iterdir()
        assert re.fullmatch(r"tiny_world-Tiny-v0-sac-\d{8}-\d{6}", folder.name)
        assert f"Run folder: runs/{folder.name} (" in said.out

    def test_quiet_is_quiet(self, say: Callable[..., Said]) -> None:
        assert say("train", TINY, *SMALL, "--steps", 20, "--quiet") == Said(0, "", "")

    def test_the_recipe_is_printed_used_and_overruled(self, say: Callable[..., Said]) -> None:
        words = ["--learning-starts", 10, "--batch-size", 3, "--eval-every", 0, "--checkpoint-every", 0]
        said = say("train", "Pendulum-v1", "--steps", 20, *words, "--run-dir", "with")
        assert said.code == 0
        assert said.out.startswith("Recipe for sac on Pendulum-v1 (")
        config = config_of(Path("with"))
        assert config["recipe"] in said.out
        assert config["run"]["steps"] == 20  # what is typed takes precedence over the recipe
        assert config["replay"]["batch_size"] == 3
        default = ReplayConfig().buffer_size
        assert config["replay"]["buffer_size"] != default  # and the recipe over the default
        said = say("train", "Pendulum-v1", "--steps", 20, *words, "--no-recipe", "--run-dir", "without")
        assert "Recipe" not in said.out
        config = config_of(Path("without"))
        assert (config["recipe"], config["replay"]["buffer_size"]) == (None, default)

    def test_help_lists_every_setting(self, say: Callable[..., Said]) -> None:
        said = say("train", "--help")
        assert said.code == 0
        for setting in (*fields(RunConfig), *fields(ReplayConfig), *fields(SACConfig)):
            if setting.name in ("actor_network", "critic_network"):  # layers are for Python
                continue
            assert f"--{setting.name.replace('_', '-')}" in said.out


class TestResume:
    def test_a_run_that_is_being_written_is_neither_read_nor_changed(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = (run / "config.json").read_bytes()
        monkeypatch.setattr("maxent.opening.open_trainer", lambda *_: pytest.fail("it was read"))
        writer = RunFolder.open(run)
        writer.lock()
        said = say("resume", run, "--steps", 90)
        writer.unlock()
        assert said.code == 2
        assert "is being written by another process" in said.err
        assert (run / "config.json").read_bytes() == before

    def test_a_run_goes_on_to_more_steps(self, say: Callable[..., Said], run: Path) -> None:
        said = say("resume", run, "--steps", 90)
        assert (said.code, said.err) == (0, "")
        assert "step 90/90" in said.out
        assert maxent.load(run, verbose=False).num_timesteps == 90

    def test_a_finished_run_stays_as_it_is(self, say: Callable[..., Said], run: Path) -> None:
        before = maxent.load(run, verbose=False)._learner.state["actor"]
        metrics = (run / "metrics.csv").read_bytes()
        assert say("resume", run, "--quiet") == Said(0, "", "")
        assert np.array_equal(maxent.load(run, verbose=False)._learner.state["actor"], before)
        assert (run / "metrics.csv").read_bytes() == metrics


class TestEval:
    def test_json(self, say: Callable[..., Said], run: Path) -> None:
        """{"mean": …, "std": …, "members": [{"mean": …, "returns": […], "lengths": […]}, …]}."""
        said = say("eval", run, "--episodes", 3, "--json")
        assert (said.code, said.err, said.out.count("\n")) == (0, "", 1)
        result = json.loads(said.out)
        assert result.keys() == {"mean", "std", "members"}
        assert [member.keys() for member in result["members"]] == [{"mean", "returns", "lengths"}] * 2
        returns = np.array([member["returns"] for member in result["members"]])
        assert returns.shape == (2, 3)
        np.testing.assert_allclose([member["mean"] for member in result["members"]], returns.mean(1))
        np.testing.assert_allclose([result["mean"], result["std"]], [returns.mean(), returns.std()])
        assert [member["lengths"] for member in result["members"]] == [[12, 12, 12]] * 2
        np.testing.assert_array_equal(returns, maxent.load(run, verbose=False).evaluate(3).returns)

    def test_text(self, say: Callable[..., Said], run: Path) -> None:
        result = json.loads(say("eval", run, "--episodes", 3, "--json").out)
        lines = say("eval", run, "--episodes", 3).out.splitlines()
        assert len(lines) == 3
        for number, member in enumerate(result["members"]):
            assert lines[number].startswith(f"member {number}: mean return {member['mean']:.2f} over 3 episodes (std ")
        assert lines[2].startswith(f"all members: {result['mean']:.2f}, 95 % interval of the mean ")

    def test_the_seed_and_the_policy_can_be_chosen(self, say: Callable[..., Said], run: Path) -> None:
        texts = [say("eval", run, "--episodes", 2, "--json", *words).out for words in ([], [], ["--seed", 3])]
        assert texts[0] == texts[1] != texts[2]
        best = say("eval", run, "--episodes", 2, "--json", "--policy", "best").out
        agent = maxent.load(run / "best", TINY)
        assert json.loads(best)["mean"] == agent.evaluate(2).mean.mean()

    def test_another_environment(self, say: Callable[..., Said], run: Path) -> None:
        assert say("eval", run, "--episodes", 1, "--env", "tiny_world:Blind-v0").code == 0


class TestPlay:
    def test_a_video(self, say: Callable[..., Said], run: Path) -> None:
        """Two episodes of 12 steps and their first pictures make 26, of 48 × 32 at 10 a second."""
        said = say("play", run, "--video", "deep/tiny.mp4", "--episodes", 2, "--member", 1)
        assert (said.code, said.err) == (0, "")
        assert re.fullmatch(r"(return -[\d.]+ after 12 steps\n){2}Video: deep/tiny\.mp4\n", said.out)
        assert imageio_ffmpeg.count_frames_and_secs("deep/tiny.mp4") == (26, 2.6)
        frames = imageio_ffmpeg.read_frames("deep/tiny.mp4")
        assert next(frames)["size"] == (48, 32)
        frames.close()

    def test_a_gif(self, say: Callable[..., Said], run: Path) -> None:
        said = say("play", run, "--gif", "deep/tiny.gif", "--episodes", 2)
        assert (said.code, said.err) == (0, "")
        assert re.fullmatch(r"(return -[\d.]+ after 12 steps\n){2}GIF: deep/tiny\.gif\n", said.out)
        with Image.open("deep/tiny.gif") as image:
            assert image.size == (48, 32)
            assert image.n_frames > 2

    def test_a_filmstrip(self, say: Callable[..., Said], run: Path) -> None:
        """A row of 8 frames of 48 × 32 for each episode."""
        said = say("play", run, "--picture", "tiny.png", "--episodes", 2)
        assert (said.code, said.err) == (0, "")
        assert said.out.endswith("Picture: tiny.png\n")
        with Image.open("tiny.png") as image:
            assert image.size == (4 + 8 * 52, 4 + 2 * 54)
        said = say("play", run, "--picture", "tiny.png", "--episodes", 9)
        assert said == Said(2, "", "maxent: episodes: expected at most 8 for a picture of this environment, got 9.\n")

    def test_nothing_is_left_of_a_file_that_fails(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Tiny, "render", lambda env: None if env.time == 9 else np.zeros((8, 8, 3), np.uint8))
        for option in ("--gif", "--picture"):
            assert say("play", run, option, "files/x.gif" if option == "--gif" else "files/x.png").code == 2
        assert list(Path("files").iterdir()) == []

    def test_the_returns_are_those_of_the_evaluation(self, say: Callable[..., Said], run: Path) -> None:
        out = say("play", run, "--video", "tiny.mp4", "--episodes", 2, "--member", 1).out
        (returns,) = maxent.load(run / "best", TINY).evaluate(2).returns[1:]
        assert [f"return {ret:.2f}" for ret in returns] == re.findall(r"return [-\d.]+", out)

    @pytest.mark.filterwarnings("ignore:.*RGB-array rendering should return a numpy array:UserWarning")
    def test_what_renders_no_pictures(self, say: Callable[..., Said]) -> None:
        assert say("train", "tiny_world:Blind-v0", *SMALL, "--steps", 20, "--run-dir", "run").code == 0
        said = say("play", "run", "--video", "x.mp4")
        assert (said.code, said.out) == (2, "")
        assert said.err == "maxent: render: expected an RGB array, got NoneType: no picture can be made of it.\n"

    def test_what_needs_a_package_to_render(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def render(_: Tiny) -> None:
            raise gym.error.DependencyNotInstalled("pygame is not installed")

        monkeypatch.setattr(Tiny, "render", render)
        said = say("play", run, "--video", "x.mp4")
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert 'needs more: pygame is not installed (pip install "maxent[video]").' in said.err

    def test_without_ffmpeg(self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
        said = say("play", run, "--video", "x.mp4")
        assert (said.code, said.err) == (2, 'maxent: A video needs imageio-ffmpeg: pip install "maxent[video]".\n')

    def test_a_window(self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment is asked for one; that there is a screen is not for this test to say."""
        modes = []
        make_env = Agent.make_env

        def make(agent: Agent, render_mode: str | None = None) -> gym.Env[Any, Any]:
            modes.append(render_mode)
            return make_env(agent)

        monkeypatch.setattr(Agent, "make_env", make)
        monkeypatch.setenv("DISPLAY", ":0")
        said = say("play", run, "--human")
        assert (said.code, modes) == (0, ["human"])
        assert re.fullmatch(r"return -[\d.]+ after 12 steps\n", said.out)


class TestList:
    def test_algorithms(self, say: Callable[..., Said]) -> None:
        lines = [line for line in say("list", "algos").out.splitlines() if ":" not in line.split()[0]]  # own ones
        assert [line.split()[0] for line in lines] == [
            "actor-critic", "crossq", "ddpg", "dqn", "droq", "flash-sac", "redq", "reinforce", "sac", "sac-discrete",
            "sac-v1", "soft-q", "td3", "tqc", "xqc",
        ]  # fmt: skip
        assert re.fullmatch(r"sac +continuous +Soft Actor-Critic .*", lines[8])
        assert re.fullmatch(r"reinforce +continuous and discrete +Monte Carlo policy gradient .*", lines[7])

    def test_environments(self, say: Callable[..., Said]) -> None:
        out = say("list", "envs").out
        family = out[out.index("mujoco:\n") :].split(":\n")[1]
        assert "  Ant-v5\n" in family
        assert "  Pendulum-v1\n" in out
        assert "Pendulum-v1" not in family

    def test_recipes(self, say: Callable[..., Said]) -> None:
        assert re.search(r"^Pendulum-v1 +sac +20,000 steps  \S", say("list", "recipes").out, re.MULTILINE)

    def test_runs(self, say: Callable[..., Said], trained: Path) -> None:
        assert say("list", "runs") == Said(0, "No runs below runs/.\n", "")
        shutil.copytree(trained, "runs/one")
        for name, content in (("foreign", '{"format": 1}'), ("other", "{}"), ("broken", "{")):
            Path("runs", name).mkdir()
            Path("runs", name, "config.json").write_text(content)
        said = say("list", "runs")
        head, env, one, broken, foreign, other = said.out.splitlines()
        assert head.split() == ["below", "runs/", "algo", "state", "steps", "return", "steps/s"]
        assert env == "Tiny-v0"
        assert re.fullmatch(r"  one +sac +finished +\d+ (s|min) ago +2 x 60 +-[\d.]+ eval +[\d,.]+", one)
        assert broken.startswith("unreadable: runs/broken/config.json: it is not a JSON file: ")
        for line, name in ((foreign, "foreign"), (other, "other")):
            assert re.fullmatch(rf"unreadable: runs/{name}/config.json: format .* is not 2, .*", line)
        assert (said.code, said.err) == (0, "")


class TestTabular:
    @pytest.mark.parametrize("what", ["graph", "spider"])
    def test_an_example_is_printed_and_drawn(self, say: Callable[..., Said], what: str) -> None:
        plain = say("tabular", what)
        assert (plain.code, plain.err) == (0, "")
        assert len(plain.out.splitlines()) > 5
        assert list(Path.cwd().iterdir()) == []
        drawn = say("tabular", what, "--out", "deep/folder")
        assert drawn.out == f"{plain.out}Picture: deep/folder/{what}.png\n"
        assert Path(f"deep/folder/{what}.png").read_bytes().startswith(b"\x89PNG")


MISTAKES: list[tuple[list[object], str]] = [
    (["dance"], "There is no command 'dance': use one of train, resume, eval, play"),
    (["train", "Pendulum-v11"], "expected a registered id, got 'Pendulum-v11'; did you mean Pendulum-v1?"),
    (["train", "no_module:Tiny-v0"], "expected a module 'no_module' that registers the environment, got none"),
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
        ["train", "--alpha", "auto", TINY],
        "--alpha: expected NAME=VALUE, got 'tiny_world:Tiny-v0'; the environment goes",
    ),
    (["train", TINY, "--alpha", "auto", "initial=-1"], "initial: expected a number above 0, got -1"),
    (["train", TINY, "--replay", "uniform", "exponent=1"], "replay uniform has no setting 'exponent': it has none"),
    (["train", TINY, "--replay", "hindsight", "0.5"], "--replay: expected NAME=VALUE, got '0.5'"),
    (["eval", "nowhere", "--episodes", 0], "episodes: expected at least 1, got 0"),
    (["play", "nowhere", "--human", "--episodes", 0], "episodes: expected at least 1, got 0"),
    (["eval", "nowhere", "--seed", -1], "seed: expected a whole number of at least 0, got -1"),
]


class TestHelp:
    def test_an_on_policy_algorithm_lists_no_settings_of_a_replay(self, capfd: pytest.CaptureFixture[str]) -> None:
        """capfd: tyro writes help where the process does."""
        with pytest.raises(SystemExit):
            main(["train", TINY, "--algo", "reinforce", "--help"])
        assert re.search(r"--rollout-steps", help_ := capfd.readouterr().out)
        assert not re.search(r"--(batch-size|n-step|replay|learning-starts)", help_)
        with pytest.raises(SystemExit):
            main(["train", TINY, "--help"])
        assert re.search(r"--batch-size", capfd.readouterr().out)
        assert not any("Suppress" in repr(setting.type) for setting in fields(RunConfig))


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


class TestMain:
    @pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
    def test_usage(self, say: Callable[..., Said], words: list[str]) -> None:
        assert say(*words) == Said(0, USAGE, "")

    def test_version(self, say: Callable[..., Said]) -> None:
        assert say("--version").out == f"maxent {maxent.__version__}\n"

    def test_ctrl_c_before_training(self, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Agent, "train", interrupted)
        assert say("train", TINY, *SMALL) == Said(130, "", "maxent: interrupted.\n")


def start(*words: object) -> subprocess.Popen[str]:
    """A command in a process of its own, in the folder of `tiny_world`."""
    return subprocess.Popen(
        [sys.executable, "-m", "maxent", *map(str, words)],
        cwd=Path(__file__).parents[1] / "support", env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_ctrl_c_and_sigterm_say_how_to_resume(tmp_path: Path) -> None:
    signals = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}
    processes = {
        name: start("train", TINY, *SMALL, "--steps", 10**6, "--run-dir", tmp_path / name, "--quiet")
        for name in signals
    }
    for name, process in processes.items():
        while (CheckpointStore(tmp_path / name).newest or 0) == 0 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signals[name])
    for name, process in processes.items():
        out, err = process.communicate()
        assert process.returncode == 128 + signals[name]
        assert out == ""
        assert err == f"Interrupted; a checkpoint is written. Go on with: maxent resume {tmp_path / name}\n"
        assert maxent.load(tmp_path / name, verbose=False).num_timesteps > 0
        assert (tmp_path / name / "last" / "policy.json").exists()


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As in `maxent list envs | head -1`."""
    process = start("list", "envs")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (0, "")
