"""Frames without a display: which OpenGL backend is chosen, and what is said where none works."""

import os
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from tiny_world import Tiny

from maxent.errors import UserError
from maxent.report import rendering
from maxent.report.rendering import follow_body, prepare_rendering, read_frame, uses_mujoco

HEADLESS = pytest.mark.skipif(
    sys.platform != "linux", reason="only on Linux does a variable say that there is no display"
)


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables that choose; what a test sets is undone with them."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL", "SDL_VIDEODRIVER", "PYGAME_HIDE_SUPPORT_PROMPT"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)


def failing(monkeypatch: pytest.MonkeyPatch, *backends: str) -> list[str]:
    """Let these backends fail; return the list of those that were tried."""
    tried: list[str] = []

    def failure_of(backend: str) -> str | None:
        tried.append(backend)
        return f"no {backend}" if backend in backends else None

    monkeypatch.setattr(rendering, "_failure_of", failure_of)
    return tried


def test_who_uses_mujoco() -> None:
    assert uses_mujoco("Hopper-v5")
    assert uses_mujoco("dm_control/cartpole-balance-v0")
    assert not uses_mujoco("Pendulum-v1")
    assert not uses_mujoco("nowhere:Nothing-v0")


@HEADLESS
def test_egl_is_chosen_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = failing(monkeypatch)
    assert prepare_rendering("Hopper-v5") is None
    assert (os.environ["MUJOCO_GL"], tried) == ("egl", ["egl"])


@HEADLESS
def test_osmesa_is_chosen_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = failing(monkeypatch, "egl")
    assert (
        prepare_rendering("Hopper-v5") == "EGL does not work here (no egl): frames are drawn by OSMesa, without a GPU."
    )
    assert (os.environ["MUJOCO_GL"], tried) == ("osmesa", ["egl", "osmesa"])


@HEADLESS
def test_a_machine_that_cannot_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "egl", "osmesa")
    with pytest.raises(UserError, match=r"no display, and neither EGL \(no egl\) nor OSMesa works .*apt-get install"):
        prepare_rendering("dm_control/cartpole-balance-v0")
    assert prepare_rendering("Pendulum-v1") is None  # does not need it
    assert os.environ["SDL_VIDEODRIVER"] == "dummy"


@pytest.mark.parametrize("name", ["", "vulkan"])
def test_a_wrong_choice(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MUJOCO_GL", name)
    with pytest.raises(
        UserError, match=rf"MUJOCO_GL: expected one of egl, osmesa, glfw to draw Hopper-v5, got '{name}'"
    ):
        prepare_rendering("Hopper-v5")
    assert prepare_rendering("Pendulum-v1") is None


def test_a_choice_that_cannot_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "glfw")
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(UserError, match=r"MUJOCO_GL=glfw cannot draw here \(no glfw\): unset it, or set one of egl"):
        prepare_rendering("Hopper-v5")


def test_with_a_display_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    tried = failing(monkeypatch, "egl")
    assert prepare_rendering("Hopper-v5") is None
    assert "MUJOCO_GL" not in os.environ
    assert tried == []


def test_a_backend_that_is_not_there_says_why() -> None:
    failure = rendering._failure_of("nothing")
    assert failure is not None
    assert failure.startswith("RuntimeError: invalid value")  # the last line of the traceback, without the rest


def test_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "PROBE", "import time; time.sleep(60) # {} {}")
    monkeypatch.setattr(rendering, "PROBE_SECONDS", 0.5)
    assert rendering._failure_of("egl") == "no answer in 0 s"


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        (None, "got NoneType"), ([1], "got list"), (np.zeros((4, 5), np.uint8), r"got \[4, 5\] of uint8"),
        (np.zeros((4, 5, 3)), r"got \[4, 5, 3\] of float64"), (np.zeros((4, 5, 4), np.uint8), r"got \[4, 5, 4\]"),
    ],
)  # fmt: skip
def test_what_is_no_frame(monkeypatch: pytest.MonkeyPatch, frame: Any, got: str) -> None:
    monkeypatch.setattr(Tiny, "render", lambda _: frame)
    with pytest.raises(UserError, match=f"render: expected an RGB array.*{got}"):
        read_frame(Tiny(render_mode="rgb_array"))


DRAW = """
import sys
import gymnasium as gym, numpy as np
from maxent.envs.making import EnvSource
from maxent.report.rendering import follow_body, prepare_rendering, read_frame
for name in ("Pendulum-v1", "LunarLander-v3", "Hopper-v5", "dm_control/cartpole-balance-v0", "maxent/MultiGoal-v0"):
    assert prepare_rendering(name) is None, name
    env = EnvSource.of(name).make("rgb_array")
    follow_body(env, {})
    env.reset(seed=0)
    frame = read_frame(env)
    assert frame.std() > 1.0, name
    env.close()
    print(name, flush=True)
"""


@HEADLESS
def test_every_family_is_drawn_without_a_display() -> None:
    """Classic control, Box2D, MuJoCo and dm_control in one process, as they choose their backend once."""
    if failure := rendering._failure_of("egl"):
        pytest.skip(f"EGL does not work on this machine: {failure}")
    done = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 5), done.stderr


def test_the_camera_follows_the_body() -> None:
    """Hopper's model has a camera that does; Reacher's has none, and a camera of the user is kept."""
    for name, kwargs, expected in (
        ("Hopper-v5", {}, 0),
        ("Reacher-v5", {}, -1),
        ("Hopper-v5", {"camera_id": -1}, -1),
    ):
        env = gym.make(name, render_mode="rgb_array", **kwargs)
        follow_body(env, kwargs)
        assert env.unwrapped.mujoco_renderer.camera_id == expected  # type: ignore[attr-defined]
        env.close()
