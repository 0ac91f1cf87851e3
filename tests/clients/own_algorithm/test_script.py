"""An algorithm and a layer in the script that trains: other programs read its files by the script's module name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_command_line import command

SCRIPT = """
from dataclasses import dataclass
import sys
import maxent
from maxent.algorithms.sac import SoftActorCritic
from maxent.nn.layers import Layer, Linear

@dataclass(frozen=True)
class Halved(Layer):
    def forward(self, own, x, moved):
        return 0.5 * x

class Mine(SoftActorCritic):
    name = "mine"
    summary = "SAC under another name"

small = dict(batch_size=8, learning_starts=10, eval_every=0, compile="off", verbose=False)
network = (Linear(8), Halved())
if __name__ == "__main__":
    maxent.Agent("Pendulum-v1", algorithm=Mine, network=network, **small).learn(20, run_dir="own")
    maxent.SAC("Pendulum-v1", network=network, **small).learn(20, run_dir="layer")
    for run in ("own", "layer"):
        print(maxent.load(run, verbose=False).learn(10).num_timesteps)
    print(maxent.load("own", algorithm="script:Mine", verbose=False).name)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the script and its two runs."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["30", "30", "mine"]
    return folder


def test_files_name_the_module_of_the_script(folder: Path) -> None:
    learner = json.loads((folder / "own" / "config.json").read_text())["learner"]
    assert learner["algorithm"] == "script:Mine"
    assert learner["settings"]["actor_network"][1] == {"kind": "script:Halved"}


def test_a_run_with_a_layer_of_ones_own_goes_on_from_the_command_line(folder: Path) -> None:
    """The file alone imports nothing, and the message names the module."""
    refused = command(folder, "resume", "layer", "--steps", "30", "--quiet")
    assert refused.returncode == 2
    assert "Halved is of the module 'script', which has not been imported." in refused.stderr
    assert "`--import script`" in refused.stderr
    for words in (("resume", "layer", "--steps", "30", "--quiet"), ("eval", "layer", "--episodes", "1")):
        done = command(folder, words[0], "--import", "script", *words[1:])
        assert done.returncode == 0, done.stderr
    missing = command(folder, "eval", "layer", "--import", "no_such_module")
    assert missing.returncode == 2
    assert "modules: the module 'no_such_module' cannot be imported" in missing.stderr


def test_training_imports_modules_first(folder: Path) -> None:
    (folder / "loud.py").write_text("print('imported')")
    done = command(folder, "train", "Pendulum-v1", "--import", "loud", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("imported")


def load(folder: Path, call: str) -> str:
    script = f"import maxent\ntry: print({call}.name)\nexcept maxent.UserError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_loaded_elsewhere(folder: Path) -> None:
    assert load(folder, "maxent.load('own', algorithm='script:Mine', verbose=False)") == "mine"
    assert load(folder, "maxent.load('own', modules=['script'], verbose=False)") == "mine"
    assert load(folder, "maxent.load('layer', modules=['script'], verbose=False)") == "sac"
    assert "expected a list of names of modules" in load(folder, "maxent.load('layer', modules='script')")


def test_a_module_that_has_moved_is_named_by_the_user(folder: Path) -> None:
    """The class of the same name in another module is taken where the user names it."""
    (folder / "moved.py").write_text(SCRIPT)
    config = folder / "own" / "config.json"
    config.write_text(config.read_text().replace('"script:', '"moved:').replace('"moved:Mine"', '"__main__:Mine"'))
    assert load(folder, "maxent.load('own', algorithm='moved:Mine', verbose=False)") == "mine"
    assert load(folder, "maxent.load('own', algorithm=__import__('moved').Mine, verbose=False)") == "mine"
    assert "trained with __main__:Mine, got moved:Yours" in load(folder, "maxent.load('own', algorithm='moved:Yours')")
