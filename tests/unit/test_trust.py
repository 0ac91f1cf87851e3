"""A folder from a stranger: nothing in it is imported or executed unless the user has named it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import maxent
from maxent.errors import UserError

SETTINGS = {"hidden": (4,), "learning_starts": 5, "batch_size": 4, "eval_every": 0, "verbose": False}
MARK = "import pathlib; pathlib.Path(__file__).with_suffix('.executed').touch()\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    folder = tmp_path / "run"
    agent = maxent.SAC("Pendulum-v1", **SETTINGS)
    agent.learn(20, run_dir=folder)
    agent.close()
    return folder


def rename_environment(run: Path, env_id: str) -> None:
    """Let the files of a run name another environment."""
    config = json.loads((run / "config.json").read_text())
    config["env"]["source"]["id"] = env_id
    (run / "config.json").write_text(json.dumps(config))


def command(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own that stands in a folder."""
    script = "import sys; from maxent.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-P", "-c", script, *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [["eval", "run"], ["resume", "run"], ["play", "run", "--video", "x.mp4"]])
def test_a_module_that_only_a_file_names_is_not_imported(run: Path, words: list[str]) -> None:
    (run.parent / "evil.py").write_text(MARK)
    rename_environment(run, "evil:Pendulum-v1")
    done = command(*words, folder=run.parent)
    assert done.returncode == 2
    assert "the module 'evil' would be imported" in done.stderr
    assert "--env evil:Pendulum-v1" in done.stderr
    assert not (run.parent / "evil.executed").exists()


def test_a_module_that_the_user_names_is_imported(run: Path) -> None:
    (run.parent / "evil.py").write_text(MARK)
    rename_environment(run, "evil:Pendulum-v1")
    done = command("eval", "run", "--episodes", "1", "--env", "evil:Pendulum-v1", folder=run.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run.parent / "evil.executed").exists()


def test_load_does_not_import_either(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.parent / "evil.py").write_text(MARK)
    rename_environment(run, "evil:Pendulum-v1")
    monkeypatch.syspath_prepend(run.parent)
    with pytest.raises(UserError, match="the module 'evil' would be imported"):
        maxent.load(run)
    assert "evil" not in sys.modules


@pytest.mark.parametrize("words", [["eval", "run", "--episodes", "1"], ["list", "runs"], ["resume", "run"]])
def test_modules_of_the_current_folder_do_not_shadow_installed_ones(run: Path, words: list[str]) -> None:
    for name in ("torch", "numpy", "gymnasium"):
        (run.parent / f"{name}.py").write_text(MARK)
    done = command(*words, folder=run.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(run.parent.glob("*.executed"))


def test_an_algorithm_that_only_a_file_names_is_not_imported(run: Path) -> None:
    (run.parent / "evil.py").write_text(MARK)
    config = json.loads((run / "config.json").read_text())
    config["learner"]["algorithm"] = "evil:Evil"
    (run / "config.json").write_text(json.dumps(config))
    done = command("resume", "run", folder=run.parent)
    assert done.returncode == 2
    assert "`--algo evil:Evil`" in done.stderr
    assert not (run.parent / "evil.executed").exists()


@pytest.mark.parametrize(
    "argument", ["./evil.xml", "/etc/passwd", "~/x", "evil:Env-v0", "..", ["a/b"], {"a": "b\\c"}, {"a/b": 1}, "\x1b[2J"]
)
def test_an_argument_that_could_be_a_path_or_a_module_is_not_passed_on(run: Path, argument: object) -> None:
    """`xml_file` of a MuJoCo environment opens a file; `env_id` of Gymnasium's compatibility layer imports a module."""
    config = json.loads((run / "config.json").read_text())
    config["env"]["source"]["kwargs"] = {"xml_file": argument}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"--env Pendulum-v1, or env='Pendulum-v1' in Python") as error:
        maxent.load(run, verbose=False)
    assert str(error.value).isprintable()


def test_numbers_and_words_are_passed_on(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["env"]["source"]["kwargs"] = {"g": 9.81, "render_mode": "rgb_array", "max_episode_steps": 50}
    (run / "config.json").write_text(json.dumps(config))
    agent = maxent.load(run, verbose=False)
    assert agent.make_env().spec.kwargs == {"g": 9.81, "render_mode": "rgb_array"}
    agent.close()


def test_the_arguments_of_an_environment_that_the_user_names_are_trusted(run: Path) -> None:
    """With another environment they would mean nothing."""
    config = json.loads((run / "config.json").read_text())
    config["env"]["source"] = {"id": "Pendulum-v1", "kwargs": {"render_mode": "a/b"}}
    (run / "config.json").write_text(json.dumps(config))
    assert maxent.load(run / "last", "Pendulum-v1")._source.kwargs == {}
    from maxent.opening import load_policy

    assert load_policy(run, "last", "Pendulum-v1")._source.kwargs == {"render_mode": "a/b"}
    assert load_policy(run, "last", "MountainCarContinuous-v0")._source.kwargs == {}
