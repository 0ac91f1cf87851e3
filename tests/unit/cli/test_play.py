"""`maxent play`."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import pytest
from commands import SMALL, TINY, Said
from PIL import Image
from tiny_world import Tiny

import maxent
from maxent.agent import Agent


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

    def test_an_earlier_file_stays_where_a_new_one_fails(
        self, say: Callable[..., Said], run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Tiny, "render", lambda env: None if env.time == 9 else np.zeros((8, 8, 3), np.uint8))
        for name in ("x.gif", "x.png", "x.mp4"):
            Path("files").mkdir(exist_ok=True)
            Path("files", name).write_text("earlier")
            option = {"gif": "--gif", "png": "--picture", "mp4": "--video"}[name[2:]]
            assert say("play", run, option, f"files/{name}").code == 2
            assert Path("files", name).read_text() == "earlier"
        assert len(list(Path("files").iterdir())) == 3

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
