"""Small image tasks, and encoders as plain torch programs."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor

from maxent.nn.encoders import Convolution
from maxent.spaces import ActionLayout, ObservationLayout

SPACES: dict[str, spaces.Space[Any]] = {
    "channels last": spaces.Box(0, 255, (12, 9, 3), np.uint8),
    "channels first": spaces.Box(0, 255, (3, 12, 9), np.uint8),
    "no channels": spaces.Box(0, 255, (12, 9), np.uint8),
    "floats": spaces.Box(0.0, 1.0, (12, 9, 2), np.float32),
    "dict": spaces.Dict(
        {
            "a.conv_0": spaces.Box(0, 255, (12, 9, 2), np.uint8),
            "conv_head": spaces.Box(0, 255, (8, 8), np.uint8),
            "kind": spaces.Discrete(3),
            "speed": spaces.Box(-np.inf, np.inf, (4,), np.float32),
        }
    ),
}
ACTION = ActionLayout.from_space(spaces.Box(-1.0, 1.0, (2,), np.float32))
SMALL = Convolution(channels=(4, 5), kernels=(3, 2), strides=(2, 1), features=6)


def layout(name: str) -> ObservationLayout:
    return ObservationLayout.from_space(SPACES[name])


def pixels_of(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """An image as torch wants it: [B, pixels] → [B, C, H, W]."""
    if len(shape) == 2:
        return x.reshape(-1, 1, *shape)
    if shape[0] < shape[2]:
        return x.reshape(-1, *shape)
    return x.reshape(-1, *shape).permute(0, 3, 1, 2)


def encode(own: Mapping[str, Tensor], group: int, x: Tensor, observation: ObservationLayout, strides: Any) -> Tensor:
    """The features of one group for x [B, O + rest]: own[name] [G, …] → [B, F + rest]."""
    parts, end = [], 0
    for entry in observation.entries():
        part, end = x[:, entry.columns], entry.columns.stop
        if entry.is_image:
            name = entry.name or "image"
            h = pixels_of(part, entry.shape) - 0.5
            for i, stride in enumerate(strides):
                weight, bias = (own[f"encoder_0.{name}.conv_{i}.{kind}"][group] for kind in ("weight", "bias"))
                h = torch.relu(F.conv2d(h, weight, bias.flatten(), stride=stride))
            head = {kind: own[f"encoder_0.{name}.head.{kind}"][group] for kind in ("weight", "bias", "scale", "shift")}
            h = h.flatten(1) @ head["weight"] + head["bias"]
            h = (h - h.mean(-1, keepdim=True)) / torch.sqrt(h.var(-1, correction=0, keepdim=True) + 1e-5)
            part = torch.tanh(h * head["scale"] + head["shift"])
        parts.append(part)
    return torch.cat([*parts, x[:, end:]], -1)


def mlp(own: Mapping[str, Tensor], group: int, x: Tensor) -> Tensor:
    """The plain layers of one group: [B, in] → [B, out]."""
    count = sum(name.startswith("layer_") and name.endswith("weight") for name in own)
    for i in range(count):
        x = x @ own[f"layer_{i}.weight"][group] + own[f"layer_{i}.bias"][group]
        x = torch.relu(x) if i < count - 1 else x
    return x


class Camera(gym.Env[Any, Any]):
    """A dict of an image, a vector of scale 1e3 and a category; the reward is large and positive."""

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (10, 10, 1), np.uint8),
            "kind": spaces.Discrete(2),
            "speed": spaces.Box(-np.inf, np.inf, (2,), np.float64),
        }
    )
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self) -> None:
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return self.observe(), 100.0 + float(np.sum(action)), self.time == 7, self.time == 11, {}

    def observe(self) -> Any:
        return {
            "image": self.np_random.integers(0, 256, (10, 10, 1)).astype(np.uint8),
            "kind": self.time % 2,
            "speed": 1000.0 * self.np_random.standard_normal(2) + [5000.0, 0.0],
        }
