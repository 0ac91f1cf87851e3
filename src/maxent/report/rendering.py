"""Frames of environments, also on a machine without a display.

MuJoCo renders through one of several OpenGL backends, which the variable MUJOCO_GL names and which a process chooses
once. Where there is neither a display nor such a choice, EGL is tried in a process of its own, then OSMesa: a driver
that fails must not take the episode with it.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from maxent.errors import UserError

BACKENDS = ("egl", "osmesa", "glfw")
CHOICE = "MUJOCO_GL"
PROBE = """
import mujoco, mujoco.{}
context = mujoco.{}.GLContext(64, 64)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_100)
"""
PROBE_SECONDS = 60.0


def has_display() -> bool:
    """Return whether a window can be opened."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def uses_mujoco(env_id: str) -> bool:
    """Return whether an environment of Gymnasium or dm_control is drawn by MuJoCo."""
    spec = gym.registry.get(env_id)
    return env_id.startswith("dm_control/") or (spec is not None and "mujoco" in str(spec.entry_point))


def prepare_rendering(env_id: str) -> str | None:
    """Choose how frames are drawn, before the environment is made; return a sentence about it if it matters."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not has_display():
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    chosen = os.environ.get(CHOICE)
    if uses_mujoco(env_id):
        if chosen is not None:
            _require_backend(chosen, env_id)
        elif not has_display():
            return _choose_backend()
    elif not has_display():
        os.environ.setdefault(CHOICE, "egl")  # an environment of the user may be one of MuJoCo
    return None


def _require_backend(chosen: str, env_id: str) -> None:
    """Raise `UserError` unless the backend that the user has chosen can draw."""
    if chosen not in BACKENDS:
        raise UserError(f"{CHOICE}: expected one of {', '.join(BACKENDS)} to draw {env_id}, got {chosen!r}.")
    if failure := _failure_of(chosen):
        raise UserError(
            f"{CHOICE}={chosen} cannot draw here ({failure}): unset it, or set one of {', '.join(BACKENDS)}."
        )


def _choose_backend() -> str | None:
    """Set the first backend that works without a display; return a sentence if it is not EGL."""
    failure = _failure_of("egl")
    if failure is None:
        os.environ[CHOICE] = "egl"
        return None
    if _failure_of("osmesa") is None:
        os.environ[CHOICE] = "osmesa"
        return f"EGL does not work here ({failure}): frames are drawn by OSMesa, without a GPU."
    raise UserError(
        f"There is no display, and neither EGL ({failure}) nor OSMesa works to draw MuJoCo's frames: install EGL, on "
        "Debian and Ubuntu with `apt-get install libegl1 libgl1`."
    )


def _failure_of(backend: str) -> str | None:
    """Return why a backend cannot draw, or None if it can."""
    env = {**os.environ, CHOICE: backend}
    env.pop("PYOPENGL_PLATFORM", None)  # another backend of this process may have set it
    command = [sys.executable, "-c", PROBE.format(backend, backend)]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {PROBE_SECONDS:.0f} s"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith((" ", "Exception ignored"))]
    return lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"


def follow_body(env: gym.Env[Any, Any], kwargs: Mapping[str, Any]) -> None:
    """Let the camera of a MuJoCo environment of Gymnasium follow the body, which leaves the picture of the usual one.

    `kwargs` are the environment's arguments; a camera among them is left as it is.
    """
    if "mujoco" not in sys.modules or any("camera" in name for name in kwargs):
        return
    mujoco: Any = importlib.import_module("mujoco")
    from gymnasium.envs.mujoco import MujocoEnv

    inner = env.unwrapped
    if isinstance(inner, MujocoEnv) and inner.mujoco_renderer.camera_id == -1:
        inner.mujoco_renderer.camera_id = mujoco.mj_name2id(inner.model, mujoco.mjtObj.mjOBJ_CAMERA, "track")


def read_frame(env: gym.Env[Any, Any]) -> NDArray[np.uint8]:
    """Return the rendered frame. [height, width, 3]"""
    try:
        frame = env.render()
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f'Rendering this environment needs more: {error} (pip install "maxent[video]").') from error
    except Exception as error:
        if "mujoco" not in sys.modules or isinstance(error, UserError):
            raise
        backend = os.environ.get(CHOICE, "the default")
        raise UserError(
            f"render: MuJoCo cannot draw with {CHOICE}={backend}: {type(error).__name__}: {error}; try another one of "
            f"{', '.join(BACKENDS)}."
        ) from error
    if not isinstance(frame, np.ndarray):
        raise UserError(f"render: expected an RGB array, got {type(frame).__name__}: no picture can be made of it.")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        raise UserError(
            f"render: expected an RGB array [height, width, 3] of uint8, got {list(frame.shape)} of {frame.dtype}."
        )
    return np.ascontiguousarray(frame)
