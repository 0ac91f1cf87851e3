"""`maxent eval`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import TINY, Said

import maxent


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
        assert len(lines) == 4
        for number, member in enumerate(result["members"]):
            assert lines[number].startswith(f"member {number}: mean return {member['mean']:.2f} over 3 episodes (std ")
        assert "on these 3 fixed seeds, with the most probable actions" in lines[2]
        assert lines[3].startswith(f"all members: {result['mean']:.2f}, 95 % interval of the mean ")

    def test_the_seed_and_the_policy_can_be_chosen(self, say: Callable[..., Said], run: Path) -> None:
        texts = [say("eval", run, "--episodes", 2, "--json", *words).out for words in ([], [], ["--seed", 3])]
        assert texts[0] == texts[1] != texts[2]
        best = say("eval", run, "--episodes", 2, "--json", "--policy", "best").out
        agent = maxent.load(run / "best", TINY)
        assert json.loads(best)["mean"] == agent.evaluate(2).mean.mean()

    def test_another_environment(self, say: Callable[..., Said], run: Path) -> None:
        assert say("eval", run, "--episodes", 1, "--env", "tiny_world:Blind-v0").code == 0

    @pytest.mark.parametrize("folder", ["", "best"])
    def test_an_environment_without_a_version_is_its_newest(
        self, say: Callable[..., Said], run: Path, folder: str
    ) -> None:
        assert say("eval", run / folder, "--episodes", 1, "--env", "Blind").code == 0
        said = say("eval", run / folder, "--episodes", 1, "--env", "Pendulum")
        assert said.err == "maxent: Pendulum-v1 has other observations or actions than this agent knows.\n"

    def test_a_function_that_is_not_there_is_named(self, say: Callable[..., Said], run: Path) -> None:
        said = say("eval", run, "--episodes", 1, "--env", "tiny_world:make_tinny")
        assert said.err == (
            "maxent: tiny_world:make_tinny: expected a function 'make_tinny' in the module 'tiny_world', which has "
            "none of that name; did you mean make_tiny?\n"
        )
        assert "in the module 'tiny_world', which has none" in say("train", "tiny_world:nothing").err

    def test_success_where_the_environment_reports_it(self, say: Callable[..., Said], run: Path) -> None:
        reaching = ["eval", run, "--episodes", 4, "--env", "tiny_world:make_tiny"]
        result, lines = json.loads(say(*reaching, "--json").out), say(*reaching).out.splitlines()
        expected = maxent.load(run / "last", "tiny_world:make_tiny").evaluate(4).success_rate
        assert [member["success_rate"] for member in result["members"]] == expected.tolist()
        assert result["success_rate"] == expected.mean()
        for line, rate in zip([*lines[:2], lines[3]], [*expected, expected.mean()], strict=True):
            assert line.endswith(f", success {100 * rate:.1f} %")
