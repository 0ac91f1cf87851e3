"""Commands whose environments fail, which need too much, and the help that names recipes."""

import sys
from pathlib import Path

import pytest
from tiny_world import Tiny

from maxent.cli import main

SMALL = ["--hidden", "4", "--learning-starts", "500", "--buffer-size", "500", "--compile", "off", "--quiet"]


def test_an_environment_that_raises_in_an_evaluation_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The 25th step of all environments is the first of the evaluation at step 24."""
    steps, step = [0], Tiny.step

    def breaking(self: Tiny, action: object) -> object:
        steps[0] += 1
        if steps[0] == 25:
            raise KeyError("broken joint")
        return step(self, action)

    monkeypatch.setattr(Tiny, "step", breaking)
    run = tmp_path / "run"
    assert (
        main(["train", "tiny_world:Tiny-v0", *SMALL, "--steps", "48", "--eval-every", "24", "--run-dir", str(run)]) == 2
    )
    said = capsys.readouterr().err
    assert said.startswith("maxent: the environment raised KeyError: 'broken joint'\n")
    assert "Traceback" not in said and "in breaking" in said
    assert said.endswith(f"A checkpoint is written; go on with: maxent resume {run} --env tiny_world:Tiny-v0\n")
    assert main(["resume", str(run), "--env", "tiny_world:Tiny-v0", "--quiet"]) == 0
    assert (run / "metrics.csv").read_text().splitlines()[-1].startswith("48,")


@pytest.mark.parametrize("fatal", [20, 25])  # a step of the training, and the first of the evaluation at step 24
def test_an_environment_that_ends_the_program_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fatal: int
) -> None:
    steps, step = [0], Tiny.step

    def leaving(self: Tiny, action: object) -> object:
        steps[0] += 1
        if steps[0] == fatal:
            sys.exit(0)
        return step(self, action)

    monkeypatch.setattr(Tiny, "step", leaving)
    run = tmp_path / "run"
    words = ["train", "tiny_world:Tiny-v0", *SMALL, "--steps", "48", "--eval-every", "24", "--run-dir", str(run)]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("maxent: the environment raised RuntimeError: SystemExit(0), which ends the program\n")
    assert "Traceback" not in said and "in leaving" in said
    assert said.endswith(f"A checkpoint is written; go on with: maxent resume {run} --env tiny_world:Tiny-v0\n")
    assert main(["resume", str(run), "--env", "tiny_world:Tiny-v0", "--quiet"]) == 0


def test_more_members_than_memory_holds_are_refused_before_their_environments_are_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("maxent.engine.memory.available_memory", lambda: 10**9)
    assert main(["train", "Pendulum-v1", "--seeds", "100k", "--run-dir", "never"]) == 2
    said = capsys.readouterr()
    assert "making 100,000 environments" in said.out
    assert "the networks need" in said.err
    assert not Path("never").exists()


def test_the_help_marks_values_of_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "Pendulum", "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "(recipe for Pendulum-v1: 20000; without it: 1000000)" in said
    assert "(recipe for Pendulum-v1: 0.001; without it: 0.0003)" in said
    with pytest.raises(SystemExit):
        main(["train", "Pendulum", "--no-recipe", "--help"])
    assert "recipe for Pendulum-v1" not in " ".join(capsys.readouterr().out.split())
