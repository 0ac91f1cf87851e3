"""Episodes of a policy in a window or a video file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from maxent.agent import Agent
from maxent.envs.making import renderer_hint
from maxent.envs.seeds import evaluation_seed
from maxent.errors import UserError


class Played(NamedTuple):
    """Return and length of one episode."""

    ret: float
    length: int


def play_episodes(
    agent: Agent, *, episodes: int, member: int | None, base_seed: int, video: Path | None
) -> Iterator[Played]:
    """Play episodes with the mode of one member's policy, and record them to `video` or show them in a window."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.platform == "linux":
        if video is None:
            raise UserError("There is no display to open a window on: write a video instead, with --video FILE.mp4.")
        os.environ.setdefault("MUJOCO_GL", "egl")  # read when mujoco is first imported
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    env = agent.make_env("human" if video is None else "rgb_array")
    frames = int(env.metadata.get("render_fps", 30))
    with _writer(video, env, frames) as write:
        for number in range(episodes):
            obs, _ = env.reset(seed=evaluation_seed(base_seed, number))
            ret, length, ended = 0.0, 0, False
            write()
            while not ended:
                action, _ = agent.predict(obs, deterministic=True, member=member)
                obs, reward, terminated, truncated, _ = env.step(action)
                write()
                ret, length, ended = ret + float(reward), length + 1, terminated or truncated
            yield Played(ret, length)


@contextmanager
def _writer(video: Path | None, env: gym.Env[Any, Any], fps: int) -> Iterator[Any]:
    """Yield a function that records the current frame; without a video file it does nothing."""
    if video is None:
        try:
            yield lambda: None
        finally:
            env.close()
        return
    try:
        import imageio_ffmpeg
    except ImportError as error:
        env.close()
        raise UserError('A video needs imageio-ffmpeg: pip install "maxent[video]".') from error
    video.parent.mkdir(parents=True, exist_ok=True)
    sink: Any = None

    def write() -> None:
        nonlocal sink
        frame = np.ascontiguousarray(_frame(env))
        if sink is None:
            height, width = frame.shape[:2]
            sink = imageio_ffmpeg.write_frames(str(video), (width, height), fps=fps, macro_block_size=2)
            sink.send(None)
        sink.send(frame)

    try:
        yield write
    finally:
        if sink is not None:
            sink.close()
        env.close()


def _frame(env: gym.Env[Any, Any]) -> np.ndarray:
    """Return the rendered frame. [height, width, 3]"""
    try:
        frame = env.render()
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f'Rendering this environment needs more: {error} (pip install "maxent[video]").') from error
    except Exception as error:
        if not (hint := renderer_hint()):
            raise
        raise UserError(f"Rendering failed: {type(error).__name__}: {error}{hint}") from error
    if not isinstance(frame, np.ndarray):
        raise UserError(f"render: expected an RGB array, got {type(frame).__name__}: no video can be made of it.")
    return frame
