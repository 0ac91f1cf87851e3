"""`maxent list`."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from commands import Said


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
        lines = say("list", "recipes").out.splitlines()
        at = next(number for number, line in enumerate(lines) if re.fullmatch(r"Pendulum-v1 +sac +20,000 steps", line))
        assert lines[at + 1].startswith("    rl-baselines3-zoo")
        assert max(map(len, lines)) <= 100

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

    def test_runs_of_a_folder(self, say: Callable[..., Said], trained: Path) -> None:
        shutil.copytree(trained, "elsewhere/one")
        assert "  one " in say("list", "runs", "elsewhere").out
        assert "  one " in say("list", "runs", "elsewhere/one").out
        assert (
            say("list", "runs", "nowhere").err == "maxent: nowhere is no folder: name the one that holds your runs.\n"
        )
        assert "`maxent list runs` takes one" in say("list", "algos", "elsewhere").err
