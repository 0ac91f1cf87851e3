"""`maxent train`."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from commands import SMALL, TINY, Said, config_of

from maxent.algorithms import SACConfig
from maxent.training.settings import ReplayConfig, RunConfig


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
