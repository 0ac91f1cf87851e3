"""Seeds: stable, distinct, in their halves."""

import numpy as np

from maxent.envs.seeds import evaluation_seed, training_seed


def test_training_and_evaluation_seeds_lie_in_their_halves() -> None:
    training = [training_seed(member, env, episode) for member in range(5) for env in range(4) for episode in range(50)]
    evaluation = [evaluation_seed(base, episode) for base in range(20) for episode in range(50)]
    assert all(0 <= seed < 2**31 for seed in training)
    assert all(2**31 <= seed < 2**32 for seed in evaluation)
    # 1,000 draws from 2³¹ collide with probability 1000² / 2³² ≈ 0.0002; these seeds are fixed, and none do.
    assert len(set(training)) == len(training)
    assert len(set(evaluation)) == len(evaluation)


def test_a_seed_is_the_documented_function_of_its_parts() -> None:
    word = np.random.SeedSequence(7, spawn_key=(2, 5)).generate_state(1)[0]
    assert training_seed(7, 2, 5) == word % 2**31
    word = np.random.SeedSequence(7, spawn_key=(5,)).generate_state(1)[0]
    assert evaluation_seed(7, 5) == 2**31 + word % 2**31


def test_every_part_counts() -> None:
    assert len({training_seed(1, 2, 3), training_seed(2, 2, 3), training_seed(1, 3, 3), training_seed(1, 2, 4)}) == 4
    assert len({evaluation_seed(1, 2), evaluation_seed(2, 2), evaluation_seed(1, 3)}) == 3
