"""Soft Q-learning on a box in small, and its sampling network."""

from typing import Any

import numpy as np
from cases import OBSERVATION
from gymnasium.spaces import Box

from maxent.algorithms import Algorithm
from maxent.algorithms.soft_q import SoftQConfig, SoftQLearning
from maxent.algorithms.soft_q_policies import SamplingPolicy
from maxent.spaces import ActionLayout


def on_a_box(size: int, **settings: Any) -> SoftQLearning:
    """One member with actions of this size."""
    layout = ActionLayout.from_space(Box(-1.0, 1.0, (size,), np.float32))
    return SoftQLearning(SoftQConfig(**{"hidden": (12, 10), **settings}), 1, OBSERVATION, layout)


def sampling(algorithm: Algorithm) -> SamplingPolicy:
    assert isinstance(algorithm, SoftQLearning)
    assert isinstance(algorithm.policy, SamplingPolicy)
    return algorithm.policy
