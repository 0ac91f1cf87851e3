"""Videos are tested in test_cli; here what becomes of the frames of GIFs and filmstrips."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maxent.report.frames import GIF_FRAMES, SHOWN, Filmstrip, Frame, Gif, Thinned, draw_strip, smaller, spread


def shade(value: int, height: int = 30, width: int = 40) -> Frame:
    return np.full((height, width, 3), value, np.uint8)


def play(sink: Gif | Filmstrip, length: int, scale: int = 1) -> list[int]:
    """Play an episode whose frame after step t has the shade scale · t; return the steps that were drawn."""
    sink.begin()
    drawn = []
    for step in range(length + 1):
        if step in (0, length) or sink.wants(step):
            drawn.append(step)
            sink.add(step, shade(scale * step % 256))
    return drawn


@pytest.mark.parametrize(
    ("fps", "every", "milliseconds"), [(10, 1, 100), (30, 2, 70), (50, 2, 40), (125, 6, 50), (1, 1, 1_000)]
)
def test_a_gif_lasts_as_long_as_the_episode(tmp_path: Path, fps: int, every: int, milliseconds: int) -> None:
    gif = Gif(tmp_path / "x.gif", fps)
    for _ in range(2):
        drawn = play(gif, 7, 30)
        assert set(drawn) == {*range(0, 8, every), 7}
    gif.finish()
    with Image.open(tmp_path / "x.gif") as image:
        shades, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            shades.append(image.convert("RGB").getpixel((5, 5)))
            durations.append(image.info["duration"])
        assert image.info["loop"] == 0
    expected = [30 * step for step in range(0, 8, every)] * 2
    np.testing.assert_allclose([shade[0] for shade in shades], expected, atol=4)  # one palette, of six bits a colour
    assert set(durations) == {milliseconds}


def test_a_gif_has_a_bound(tmp_path: Path) -> None:
    gif = Gif(tmp_path / "x.gif", 10)
    play(gif, GIF_FRAMES + 50)
    assert not gif.wants(GIF_FRAMES + 51)
    assert len(gif._frames) == GIF_FRAMES
    assert list(tmp_path.iterdir()) == []  # nothing is written before it is whole


def test_large_frames_become_smaller_and_keep_their_form() -> None:
    assert smaller(shade(1, 480, 640), 320).size == (320, 240)
    assert smaller(shade(1, 900, 30), 320).size == (11, 320)
    assert smaller(shade(1, 30, 40), 320).size == (40, 30)


@pytest.mark.parametrize("length", [1, 5, 7, 8, 31, 32, 33, 200, 1_000, 12_345])
def test_a_filmstrip_has_even_frames_from_the_first_to_the_last(tmp_path: Path, length: int) -> None:
    strip = Filmstrip(tmp_path / "x.png")
    drawn = play(strip, length)
    assert len(drawn) <= 4 * SHOWN + 1 + 2 * SHOWN * max(0.0, np.log2((length + 1) / (4 * SHOWN)) + 1)
    steps = [step for step, _ in strip._episodes[0].chosen()]
    assert (steps[0], steps[-1], len(steps)) == (0, length, min(length + 1, SHOWN))
    np.testing.assert_allclose(steps, np.linspace(0, length, len(steps)), atol=max(1.0, length / 32))


def test_the_frames_of_a_filmstrip_are_in_their_places(tmp_path: Path) -> None:
    """Two episodes of 3 and 1 steps are rows of 4 and 2 frames of 40 × 30, with gaps of 4 and 18 for the text."""
    strip = Filmstrip(tmp_path / "x.png")
    play(strip, 3)
    play(strip, 1)
    strip.finish()
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (4 + 4 * 44, 4 + 2 * 52)
        for row, length in enumerate((3, 1)):
            for step in range(length + 1):
                assert image.getpixel((4 + 44 * step + 20, 4 + 52 * row + 15)) == (step, step, step)
        text = np.asarray(image.convert("L"))[36:54, 4:44]
    assert (text < 128).any()


def test_frames_of_different_sizes_fit_one_strip() -> None:
    rows = [[(0, smaller(shade(9, 30, 40), 200)), (1, smaller(shade(9, 60, 20), 200))], [(0, smaller(shade(9), 200))]]
    assert draw_strip(rows).size == (4 + 44 + 24, 4 + 82 + 52)


def test_places_are_spread() -> None:
    assert spread(1, 8) == [0]
    assert spread(8, 8) == list(range(8))
    assert spread(15, 8) == list(range(0, 15, 2))


def test_thinning_keeps_multiples() -> None:
    thinned = Thinned()
    for step in range(100):
        if step % thinned.every == 0:
            thinned.add(step, smaller(shade(1), 200))
    assert [step for step, _ in thinned._frames] == list(range(0, 100, 4))
