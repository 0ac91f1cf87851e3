"""What becomes of the frames of episodes: a video, a moving picture, or a filmstrip."""

import abc
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from maxent.errors import UserError
from maxent.runs.files import replacing

Frame = NDArray[np.uint8]  # [height, width, 3]

GIF_FPS = 20
"""Most frames per second of a GIF; browsers slow down those with more than 50."""

GIF_SIDE = 320
"""Most pixels of a side of a GIF."""

GIF_FRAMES = 600
"""Most frames of a GIF, which are in memory until it is written; half a minute."""

SHOWN = 8
"""Frames in a row of a filmstrip."""

STRIP_SIDE = 200
"""Most pixels of a side of a frame of a filmstrip."""


class FrameSink(abc.ABC):
    """Receives the frames of episodes, one after the other."""

    def begin(self) -> None:  # noqa: B027 - not every sink needs it
        """Run before the first frame of an episode."""

    def wants(self, step: int) -> bool:
        """Return whether the frame after this step of the episode is needed; drawing one may take long."""
        return True

    @abc.abstractmethod
    def add(self, step: int, frame: Frame) -> None:
        """Take the frame after a step: one that it wants, or the last one of an episode."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Write what is not written yet."""

    def close(self) -> None:  # noqa: B027
        """Release resources, also after an error."""


@final
class Video(FrameSink):
    """An MP4 file, written frame by frame; it takes its place when it is finished."""

    def __init__(self, path: Path, fps: int) -> None:
        try:
            import imageio_ffmpeg
        except ImportError as error:
            raise UserError('A video needs imageio-ffmpeg: pip install "maxent[video]".') from error
        self.path, self.fps, self._ffmpeg = path, fps, imageio_ffmpeg
        self._file: Any = None
        self._target = ExitStack()

    def add(self, step: int, frame: Frame) -> None:
        """Write a frame; the first one sets the size."""
        if self._file is None:
            height, width = frame.shape[:2]
            path, form = str(self._target.enter_context(replacing(self.path))), ["-f", "mp4"]  # of no known suffix
            self._file = self._ffmpeg.write_frames(
                path, (width, height), fps=self.fps, macro_block_size=2, output_params=form
            )
            self._file.send(None)
        self._file.send(frame)

    def finish(self) -> None:
        """Write the end of the file, and put it in its place."""
        self._end()
        self._target.close()

    def close(self) -> None:
        """Remove the file if it is not finished; an earlier one of its name stays."""
        self._end()
        cut_off = RuntimeError("the video is not finished")
        with suppress(RuntimeError):
            self._target.__exit__(type(cut_off), cut_off, None)

    def _end(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


@final
class Gif(FrameSink):
    """A GIF that repeats, with few colours, at most `GIF_SIDE` pixels wide and high."""

    def __init__(self, path: Path, fps: int) -> None:
        self.path = path
        self.every = max(1, round(fps / GIF_FPS))
        self.milliseconds = max(20, round(1000 * self.every / fps / 10) * 10)  # a GIF counts hundredths of a second
        self._frames: list[Image.Image] = []

    def wants(self, step: int) -> bool:
        """Return whether the step is one of every few."""
        return step % self.every == 0 and len(self._frames) < GIF_FRAMES

    def add(self, step: int, frame: Frame) -> None:
        """Store the frame."""
        if self.wants(step):
            self._frames.append(smaller(frame, GIF_SIDE))

    def finish(self) -> None:
        """Write the file, with one set of colours for all frames."""
        chosen = [self._frames[place] for place in spread(len(self._frames), 16)]
        together = Image.new("RGB", (sum(frame.width for frame in chosen), max(frame.height for frame in chosen)))
        left = 0
        for frame in chosen:
            together.paste(frame, (left, 0))
            left += frame.width
        palette = together.quantize(256)
        first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames)
        with replacing(self.path) as temporary:
            first.save(temporary, format="GIF", save_all=True, append_images=others, duration=self.milliseconds, loop=0)


@final
class Filmstrip(FrameSink):
    """A PNG file with a row of `SHOWN` frames for each episode, at nearly even distances, with their steps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._episodes: list[Thinned] = []

    def begin(self) -> None:
        """Begin a row."""
        self._episodes.append(Thinned())

    def wants(self, step: int) -> bool:
        """Return whether the frame may be one of those shown."""
        return step % self._episodes[-1].every == 0

    def add(self, step: int, frame: Frame) -> None:
        """Store the frame."""
        self._episodes[-1].add(step, smaller(frame, STRIP_SIDE))

    def finish(self) -> None:
        """Draw the rows."""
        strip = draw_strip([episode.chosen() for episode in self._episodes])
        with replacing(self.path) as temporary:
            strip.save(temporary, format="PNG", optimize=True)


@final
class Thinned:
    """Frames at nearly even distances of an episode of unknown length: up to four times as many as are shown."""

    def __init__(self) -> None:
        self.every = 1
        self._frames: list[tuple[int, Image.Image]] = []

    def add(self, step: int, frame: Image.Image) -> None:
        """Store a frame; where there are too many, drop every second one and take half as many from then on."""
        self._frames.append((step, frame))
        if len(self._frames) > 4 * SHOWN:
            self.every *= 2
            self._frames = [one for one in self._frames if one[0] % self.every == 0 or one[0] == step]

    def chosen(self) -> list[tuple[int, Image.Image]]:
        """Return steps and frames: the first, the last, and those nearest to even distances between them."""
        steps = np.array([step for step, _ in self._frames])
        wanted = np.linspace(0, steps[-1], min(SHOWN, len(steps)))
        nearest = np.abs(steps[:, None] - wanted).argmin(axis=0)
        return [self._frames[place] for place in np.unique(nearest)]


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` of `count` places at even distances, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(most, count))})


def smaller(frame: Frame, side: int) -> Image.Image:
    """Return a frame as an image of at most `side` pixels."""
    image = Image.fromarray(frame)
    scale = min(1.0, side / max(image.size))
    if scale == 1.0:
        return image
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def draw_strip(rows: list[list[tuple[int, Image.Image]]]) -> Image.Image:
    """Draw rows of frames on white, each above its step."""
    gap, text = 4, 18
    width = max(sum(frame.width + gap for _, frame in row) for row in rows) + gap
    heights = [max(frame.height for _, frame in row) + text + gap for row in rows]
    strip = Image.new("RGB", (width, sum(heights) + gap), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(12)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for step, frame in row:
            strip.paste(frame, (left, top))
            pen.rectangle((left - 1, top - 1, left + frame.width, top + frame.height), outline="#cccccc")
            pen.text((left, top + height - text - gap + 1), f"step {step:,}", "#555555", font)
            left += frame.width + gap
        top += height
    return strip
