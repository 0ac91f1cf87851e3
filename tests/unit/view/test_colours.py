"""The colours of figures: contrast, colour blindness and greyscale, computed."""

import numpy as np
import pytest

from maxent.view.colours import DARK, DASHES, LIGHT, Theme, series_style

TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""What is seen of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1."""

themes = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def linear(colours: tuple[str, ...]) -> np.ndarray:
    """Linear RGB of sRGB colours. [n, 3]"""
    values = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* for the white point D65. [n, 3]"""
    xyz = rgb @ TO_XYZ.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: (L₁ + 0.05) / (L₂ + 0.05) of the relative luminances."""
    low, high = sorted(linear((one, other)) @ TO_XYZ[1])
    return float((high + 0.05) / (low + 0.05))


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@themes
@pytest.mark.parametrize("sight", SIGHTS)
def test_series_keep_apart(theme: Theme, sight: str) -> None:
    """ΔE*ab of 2.3 is just noticeable side by side; thin lines far apart need several times as much."""
    seen = lab(np.clip(linear(theme.series) @ SIGHTS[sight].T, 0.0, 1.0))
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(seen), 1)]
    assert distances.min() > 15.0


@themes
def test_series_keep_apart_in_greyscale(theme: Theme) -> None:
    lightness = lab(linear(theme.series))[:, 0]
    assert np.diff(np.sort(lightness)).min() > 4.5
    assert np.diff(np.sort(lightness[:3])).min() > 9.0, "the first three, which most figures have"


@themes
def test_graphics_and_texts_contrast_with_what_is_behind(theme: Theme) -> None:
    for behind in (theme.background, theme.surface):
        assert min(contrast(colour, behind) for colour in (*theme.series, theme.training)) >= (
            3.0 if behind == theme.background else 2.8
        )
        assert min(contrast(colour, behind) for colour in (theme.ink, theme.muted, theme.fault, theme.warning)) >= 4.5


def test_later_series_differ_by_their_dashes() -> None:
    styles = [series_style(index) for index in range(len(LIGHT.series) * len(DASHES))]
    assert len(set(styles)) == len(styles)
    assert [dash for _, dash in styles[: len(LIGHT.series)]] == [()] * len(LIGHT.series)
