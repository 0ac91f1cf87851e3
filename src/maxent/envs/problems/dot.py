"""A dot that must reach a target, seen as a small image: a task for convolutional encoders."""

from typing import Any, SupportsFloat, final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

SIZE = 16
"""Pixels of each side of the image."""

SPEED = 0.2
"""The largest move in each coordinate: ten steps lead across the square."""

WIDTH = 0.12
"""Standard deviation of a spot in the image, one pixel: positions between the pixels are visible."""

Image = NDArray[np.uint8]


@final
class Dot(gym.Env[Image, NDArray[np.float32]]):
    """A dot s in the square [-1, 1]² that moves by s' = clip(s + SPEED·a); start and target g are uniform in ±0.9.

    Observation: bytes [16, 16, 3], the dot in the first channel, the target in the second, nothing in the third. The
    first coordinate runs along the rows. Each is a Gaussian spot of one pixel, 255 at its centre.
    Action: [2] in [-1, 1], clipped. Reward: −‖s' − g‖. An episode does not terminate.
    """

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._pixels = np.linspace(-1.0, 1.0, SIZE)
        self._dot = self._target = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Image, dict[str, Any]]:
        """Draw the positions of dot and target."""
        super().reset(seed=seed)
        self._dot, self._target = self.np_random.uniform(-0.9, 0.9, (2, 2))
        return self._observe(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Image, SupportsFloat, bool, bool, dict[str, Any]]:
        """Move once."""
        move = SPEED * np.clip(np.asarray(action, np.float64).reshape(2), -1.0, 1.0)
        self._dot = np.clip(self._dot + move, -1.0, 1.0)
        info = self._info()
        return self._observe(), -info["distance"], False, False, info

    def _observe(self) -> Image:
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        for channel, place in enumerate((self._dot, self._target)):
            rows, columns = np.exp(-0.5 * ((self._pixels - place[:, np.newaxis]) / WIDTH) ** 2)
            image[..., channel] = np.rint(255.0 * np.outer(rows, columns))
        return image

    def _info(self) -> dict[str, Any]:
        distance = float(np.linalg.norm(self._dot - self._target))
        return {"distance": distance, "dot": self._dot.copy(), "target": self._target.copy()}
