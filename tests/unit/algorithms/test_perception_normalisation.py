"""Normalisation of observations and rewards against VecNormalize's formulas in NumPy."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from image_cases import IMAGES, P, fresh, make, raw_batch

from maxent.algorithms.base import Algorithm
from maxent.nn.encoders import Flatten
from maxent.nn.optimiser import State
from maxent.spaces import ObservationLayout

VECTOR = ObservationLayout.vector(3)


def normalised(**settings: Any) -> Algorithm:
    return make("sac", **{"encoder": None, "observation": VECTOR, "norm_obs": True, "norm_reward": True, **settings})


def watched(algorithm: Algorithm, state: State, batches: int = 4) -> np.ndarray:
    """Watch observations of scales 1e3 and 1e-3, others for each member; return them, [P, N, O]."""
    random = np.random.default_rng(0)
    scale, place = np.array([1e3, 1.0, 1e-3]), np.array([5e3, 0.0, 1e-2])
    seen = [
        place + scale * (1.0 + np.arange(P)[:, None, None]) * random.standard_normal((P, k + 1, 3))
        for k in range(batches)
    ]
    for obs in seen:
        algorithm.perception.watch(state, torch.from_numpy(obs))
    return np.concatenate(seen, 1)


def test_observations_are_normalised_by_the_formula_of_vecnormalize() -> None:
    """clip((obs − mean)/√(var + 1e-8), −10, 10), with mean and variance of everything that each member has seen."""
    algorithm = normalised()
    state = fresh(algorithm)
    seen = watched(algorithm, state)
    obs = seen[:, :5] + np.array([0.0, 500.0, 0.0])
    mean, var = seen.mean(1, keepdims=True), seen.var(1, keepdims=True)
    expected = np.clip((obs - mean) / np.sqrt(var + 1e-8), -10.0, 10.0)
    assert (expected[..., 1] == 10.0).all() and (np.abs(expected) < 10.0).any()
    result = algorithm.perception.normalise(state, torch.from_numpy(obs))
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-9, atol=1e-12)
    prepared = algorithm.perception.prepare(state, raw_batch(algorithm)._replace(obs=torch.from_numpy(obs)), {})
    np.testing.assert_allclose(prepared.obs.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_rewards_are_divided_by_the_spread_of_discounted_returns() -> None:
    """r/√(var(G) + 1e-8) with G ← γ G + r, as VecNormalize has it before it clips."""
    algorithm = normalised()
    state, random = fresh(algorithm), np.random.default_rng(0)
    returns, seen = np.zeros((P, 2)), []
    for _ in range(20):
        returns = 0.99 * returns + random.standard_normal((P, 2)) * [[1.0], [50.0]]
        seen.append(returns)
        algorithm.perception.watch_returns(state, torch.from_numpy(returns))
    raw = raw_batch(algorithm)
    result = algorithm.perception.prepare(state, raw, {}).reward.numpy()
    spread = np.sqrt(np.stack(seen, 2).reshape(P, -1).var(1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(result, raw.reward.numpy() / spread, rtol=1e-9)


def test_images_and_categories_stay_as_they_are() -> None:
    algorithm = make("sac", norm_obs=True)
    state = fresh(algorithm)
    assert state["obs_norm.mean"].shape == (P, 4)
    obs = torch.rand(P, 5, IMAGES.features, dtype=torch.float64)
    algorithm.perception.watch(state, obs)
    result = algorithm.perception.normalise(state, obs)
    for entry in IMAGES.entries():
        same = torch.equal(result[..., entry.columns], obs[..., entry.columns])
        assert same is (entry.name != "speed")
    speed = result[..., IMAGES.entries()[-1].columns]
    torch.testing.assert_close(speed.mean(1), torch.zeros(P, 4, dtype=torch.float64), atol=1e-12, rtol=0.0)


def test_normalising_with_numpy_is_normalising_with_torch() -> None:
    """To the rounding of a square root (torch takes MKL's), and at the statistics of the moment."""
    two = spaces.Dict(
        {"a": spaces.Box(-1.0, 1.0, (2,)), "picture": spaces.Box(0.0, 1.0, (8, 8, 1)), "z": spaces.Box(-1.0, 1.0, (1,))}
    )
    for observation, encoder in ((VECTOR, None), (ObservationLayout.from_space(two), Flatten())):
        algorithm = normalised(observation=observation, encoder=encoder)
        state = fresh(algorithm, torch.float32)
        state |= {name: state[name].double() for name in state if "norm." in name}
        fast = algorithm.perception.fast_normaliser(state)
        assert fast is not None
        random = np.random.default_rng(1)
        for _ in range(3):
            obs = (1e3 * random.standard_normal((P, 7, observation.features))).astype(np.float32)
            algorithm.perception.watch(state, torch.from_numpy(obs))
            expected = algorithm.perception.normalise(state, torch.from_numpy(3.0 * obs)).numpy()
            np.testing.assert_allclose(fast(3.0 * obs), expected, rtol=3e-7, atol=0.0)
    assert normalised(norm_obs=False).perception.fast_normaliser(state) is None
