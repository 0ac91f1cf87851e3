"""The seed of every episode.

It depends on the member, the environment and the number of the episode alone: not on the time at which the episode
starts, nor on other environments. `numpy.random.SeedSequence` mixes the parts, and the top bit separates the two uses:
training seeds lie in [0, 2³¹), evaluation seeds in [2³¹, 2³²).
"""

import numpy as np

_HALF = 2**31


def training_seed(member_seed: int, env_index: int, episode: int) -> int:
    """Return the seed of one training episode of a member's environment, in [0, 2³¹).

    Member k of a run with seed s has the member seed s + k, and therefore the episodes of the run with seed s + k.
    """
    return _mixed(member_seed, (env_index, episode))


def evaluation_seed(base: int, episode: int) -> int:
    """Return the seed of one evaluation episode, in [2³¹, 2³²): never a training seed."""
    return _HALF + _mixed(base, (episode,))


def _mixed(entropy: int, key: tuple[int, ...]) -> int:
    """Return 31 bits that depend on every part."""
    return int(np.random.SeedSequence(entropy, spawn_key=key).generate_state(1)[0]) % _HALF
