"""Shared and separate encoders against torch programs, normalisation against VecNormalize's formulas."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from image_programs import ACTION, SMALL, encode, layout, mlp
from torch import Tensor

from maxent import algorithms
from maxent.algorithms.base import Algorithm
from maxent.batch import Batch
from maxent.errors import UserError
from maxent.nn.encoders import Convolution, Flatten
from maxent.nn.optimiser import State
from maxent.spaces import ActionLayout, ObservationLayout

P, B = 2, 6
IMAGES = layout("dict")
SEPARATE = Convolution(SMALL.channels, SMALL.kernels, SMALL.strides, SMALL.features, shared=False)
DISCRETE = ActionLayout.from_space(spaces.Discrete(3))
FIRST_MOMENT = 0.1  # Adam's first moment after one step is this times the gradient
TOLERANCE = {"atol": 1e-12, "rtol": 1e-9}


def make(name: str, members: int = P, observation: ObservationLayout = IMAGES, **settings: Any) -> Algorithm:
    kind = algorithms.find(name)
    if kind.on_policy:
        settings["rollout_steps"] = B
    if name == "soft-q":
        settings |= {"value_particles": 3, "policy_particles": 4}
    action = ACTION if "continuous" in kind.actions else DISCRETE
    return kind(kind.config_class(**{"hidden": (7, 6), "encoder": SMALL, **settings}), members, observation, action)


def fresh(algorithm: Algorithm, dtype: torch.dtype = torch.float64) -> State:
    seeds = [torch.Generator().manual_seed(seed) for seed in range(algorithm.members)]
    return {name: tensor.to(dtype) for name, tensor in algorithm.init(seeds).items()}


def raw_batch(algorithm: Algorithm, seed: int = 0, dtype: torch.dtype = torch.float64) -> Batch:
    """A batch as the replay gives it."""
    generator = torch.Generator().manual_seed(seed)
    features = algorithm.perception.observation.features

    def uniform(*shape: int) -> Tensor:
        return torch.rand(algorithm.members, *shape, generator=generator, dtype=torch.float64).to(dtype)

    action = 1.8 * uniform(B, algorithm.action.size) - 0.9
    if algorithm.action.kind == "discrete":
        action = (uniform(B, 1) * algorithm.action.count).floor()
    ended = uniform(B) > 0.7 if algorithm.on_policy else None
    return Batch(uniform(B, features), action, uniform(B), 0.9 * uniform(B), uniform(B, features), ended=ended)


def noise_of(algorithm: Algorithm, seed: int = 0, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = algorithm.update_noise(B) | algorithm.perception.update_noise(B)
    return {
        name: torch.randn(algorithm.members, *shape, generator=generator, dtype=torch.float64).to(dtype)
        for name, shape in shapes.items()
    }


def update(algorithm: Algorithm, state: State, seed: int = 0, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    noise = noise_of(algorithm, seed, dtype)
    with torch.no_grad():
        batch = algorithm.perception.prepare(state, raw_batch(algorithm, seed, dtype), noise)
        return algorithm.update(state, batch, noise, policy=True, target=True)


def leaves(algorithm: Algorithm, state: State, name: str) -> dict[str, Tensor]:
    """The parameters of a network by name, each [G, …], as leaves of autograd."""
    views = algorithm.networks[name].views(state[name].detach())
    return {key: view.clone().requires_grad_() for key, view in views.items()}


def assert_gradient(algorithm: Algorithm, state: State, name: str, loss: Tensor, own: dict[str, Tensor]) -> None:
    """Compare Adam's first moment after a first step with the gradient of the loss of a torch program."""
    moments = algorithm.networks[name].views(state[f"{name}.adam_m"])
    gradients = torch.autograd.grad(loss, list(own.values()), retain_graph=True)
    for (key, moment), gradient in zip(moments.items(), gradients, strict=True):
        assert gradient.abs().max() > 0.0, key
        torch.testing.assert_close(moment, FIRST_MOMENT * gradient, **TOLERANCE)


# ------------------------------------------------------------------------------------------------------ shared encoders


def shared_loss(
    algorithm: Algorithm, encoder: dict[str, Tensor], critic: dict[str, Tensor], raw: Batch, y: Tensor
) -> Tensor:
    """½ (Q_i(f(s), a) − y)², summed over critics, the mean of the batch, the sum of the members: one program."""
    total = torch.zeros((), dtype=torch.float64)
    critics = len(critic["layer_0.weight"]) // P
    for p in range(P):
        features = encode(encoder, p, raw.obs[p], IMAGES, SMALL.strides)
        for e in range(critics):
            q = mlp(critic, p * critics + e, torch.cat([features, raw.action[p]], -1)).squeeze(-1)
            total = total + 0.5 * (q - y[p]).square().mean()
    return total


def test_the_critics_loss_trains_a_shared_encoder_as_one_program() -> None:
    algorithm: Any = make("sac")
    state, raw = fresh(algorithm), raw_batch(algorithm)
    y = torch.randn(P, B, dtype=torch.float64)
    encoder, critic = leaves(algorithm, state, "encoder"), leaves(algorithm, state, "critic")
    with torch.no_grad():
        batch = algorithm.perception.prepare(state, raw, {})
        for p in range(P):
            expected = encode(encoder, p, raw.next_obs[p], IMAGES, SMALL.strides)
            torch.testing.assert_close(batch.next_obs[p], expected, **TOLERANCE)
        metrics = algorithm.critics.fit(state, batch, y)
    loss = shared_loss(algorithm, encoder, critic, raw, y)
    torch.testing.assert_close(metrics["train/critic_loss"].sum(), loss, **TOLERANCE)
    assert_gradient(algorithm, state, "encoder", loss, encoder)
    assert_gradient(algorithm, state, "critic", loss, critic)


def test_several_steps_of_critics_each_train_the_encoder_where_it_is() -> None:
    """Actor-critic makes four steps an update. The second is taken at the encoder that the first has moved."""
    algorithm: Any = make("actor-critic", learning_rate=0.01)
    state, raw = fresh(algorithm), raw_batch(algorithm)
    y = torch.randn(P, B, dtype=torch.float64)
    with torch.no_grad():
        batch = algorithm.perception.prepare(state, raw, {})
        algorithm.critics.fit(state, batch, y)
        encoder, critic = leaves(algorithm, state, "encoder"), leaves(algorithm, state, "critic")
        before = state["encoder.adam_m"].clone()
        algorithm.critics.fit(state, batch, y)
    gradients = torch.autograd.grad(shared_loss(algorithm, encoder, critic, raw, y), list(encoder.values()))
    old, new = (algorithm.networks["encoder"].views(flat) for flat in (before, state["encoder.adam_m"]))
    for (key, moment), gradient in zip(new.items(), gradients, strict=True):
        torch.testing.assert_close(moment, 0.9 * old[key] + 0.1 * gradient, **TOLERANCE)


def test_the_actors_loss_leaves_a_shared_encoder_alone() -> None:
    algorithm = make("sac")
    one, other = fresh(algorithm), fresh(algorithm)
    noise = noise_of(algorithm)
    with torch.no_grad():
        for state, policy in ((one, True), (other, False)):
            batch = algorithm.perception.prepare(state, raw_batch(algorithm), noise)
            algorithm.update(state, batch, noise, policy=policy, target=True)
    assert torch.equal(one["encoder"], other["encoder"])
    assert not torch.equal(one["actor"], other["actor"])


WITH_CRITICS = ["sac", "sac-v1", "sac-discrete", "soft-q", "td3", "ddpg", "dqn", "actor-critic"]


@pytest.mark.parametrize("name", WITH_CRITICS)
def test_an_encoder_is_shared_where_there_are_critics(name: str) -> None:
    algorithm = make(name)
    state = fresh(algorithm)
    before = {key: state[key].clone() for key in algorithm.networks}
    update(algorithm, state)
    assert algorithm.features == 2 * SMALL.features + 3 + 4
    assert "encoder" in algorithm.policy_tensors
    for key, network in algorithm.networks.items():
        old, new = network.views(before[key]), network.views(state[key])
        assert key == "encoder" or not any(part.startswith("encoder") for part in new)
        assert all(bool((old[part] != new[part]).flatten(1).any(1).all()) for part in new), key


@pytest.mark.parametrize("name", [*WITH_CRITICS, "reinforce"])
def test_separate_encoders_move_with_their_networks(name: str) -> None:
    algorithm = make(name, encoder=SEPARATE)
    state = fresh(algorithm)
    before = {key: state[key].clone() for key in algorithm.networks}
    update(algorithm, state)
    assert "encoder" not in state
    for key, network in algorithm.networks.items():
        old, new = network.views(before[key]), network.views(state[key])
        assert "encoder_0.conv_head.conv_0.weight" in new
        assert all(bool((old[part] != new[part]).any()) for part in new), key


def test_separate_encoders_have_the_gradients_of_separate_programs() -> None:
    """Each critic and each actor has one of its own."""
    algorithm: Any = make("sac", encoder=SEPARATE)
    state, raw, noise = fresh(algorithm), raw_batch(algorithm), noise_of(algorithm)
    y = torch.randn(P, B, dtype=torch.float64)
    critic, actor = leaves(algorithm, state, "critic"), leaves(algorithm, state, "actor")
    with torch.no_grad():
        batch = algorithm.perception.prepare(state, raw, noise)
        algorithm.critics.fit(state, batch, y)
    loss = torch.zeros((), dtype=torch.float64)
    for g in range(2 * P):
        x = torch.cat([raw.obs[g // 2], raw.action[g // 2]], -1)
        q = mlp(critic, g, encode(critic, g, x, IMAGES, SMALL.strides)).squeeze(-1)
        loss = loss + 0.5 * (q - y[g // 2]).square().mean()
    assert_gradient(algorithm, state, "critic", loss, critic)

    moved = leaves(algorithm, state, "critic")
    with torch.no_grad():
        algorithm.update_actor_and_alpha(state, batch, noise)
    loss = torch.zeros((), dtype=torch.float64)
    for p in range(P):
        mean, log_std = mlp(actor, p, encode(actor, p, raw.obs[p], IMAGES, SMALL.strides)).chunk(2, -1)
        action, log_prob = algorithm.actor.head.read(torch.cat([mean, log_std], -1)).sample(noise["action"][p])
        x = torch.cat([raw.obs[p], action], -1)
        q = torch.stack(
            [mlp(moved, g, encode(moved, g, x, IMAGES, SMALL.strides)).squeeze(-1) for g in (2 * p, 2 * p + 1)]
        )
        loss = loss + (log_prob - q.amin(0)).mean()  # α = 1 at the start
    assert_gradient(algorithm, state, "actor", loss, actor)


@pytest.mark.parametrize("encoder", [SMALL, SEPARATE, Convolution(shift=3)], ids=["shared", "separate", "shift"])
def test_members_together_equal_each_alone(encoder: Convolution) -> None:
    """In float32 after five updates, with normalisation: a tenth of one step of Adam for the rounding of products."""
    settings: dict[str, Any] = {"encoder": encoder, "norm_obs": True, "norm_reward": True}
    many = make("sac", 3, **settings)
    state = fresh(many, torch.float32)
    state |= {name: state[name].double() for name in state if "norm." in name or "adam_steps" in name}
    alone = [make("sac", 1, **settings) for _ in range(3)]
    states = [{name: tensor[p : p + 1].clone() if tensor.dim() and len(tensor) == 3 else tensor.clone()
               for name, tensor in state.items()} for p in range(3)]  # fmt: skip
    for step in range(5):
        noise = noise_of(many, step, torch.float32)
        raw = raw_batch(many, step, torch.float32)
        returns = raw.reward.double()
        with torch.no_grad():
            many.perception.watch(state, raw.obs)
            many.perception.watch_returns(state, returns)
            many.update(state, many.perception.prepare(state, raw, noise), noise, policy=True, target=True)
            for p, (one, own) in enumerate(zip(alone, states, strict=True)):
                part = Batch(*(None if field is None else field[p : p + 1] for field in raw))
                draws = {name: draw[p : p + 1] for name, draw in noise.items()}
                one.perception.watch(own, part.obs)
                one.perception.watch_returns(own, returns[p : p + 1])
                one.update(own, one.perception.prepare(own, part, draws), draws, policy=True, target=True)
    for p, own in enumerate(states):
        for name in (*many.networks, "obs_norm.mean", "obs_norm.var", "reward_norm.var"):
            torch.testing.assert_close(state[name][p : p + 1], own[name], atol=3e-5, rtol=0.0)


# ------------------------------------------------------------------------------------------------------------- settings


def test_images_take_convolutions_by_default_and_vectors_do_not() -> None:
    assert make("sac", encoder=None).perception.convolution == Convolution()
    assert make("reinforce", encoder=None).perception.front
    assert make("sac", encoder=Flatten()).perception.plain
    assert make("sac", observation=ObservationLayout.vector(3), encoder=None).perception.plain
    assert make("sac", encoder=Flatten()).features == IMAGES.features


def test_an_encoder_that_nothing_would_train_is_refused() -> None:
    with pytest.raises(UserError, match="this algorithm has no critics; leave out shared=True"):
        make("reinforce", encoder=Convolution(shared=True))
    assert make("reinforce", encoder=Convolution()).perception.encoder is None


def test_convolutions_without_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"expects an image .* got the shapes \(3,\)"):
        make("sac", observation=ObservationLayout.vector(3))


def test_normalisation_without_vectors_is_refused() -> None:
    with pytest.raises(UserError, match="norm_obs: expected a float vector"):
        make("sac", observation=layout("channels last"), norm_obs=True)


# -------------------------------------------------------------------------------------------------------- normalisation

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
    for observation in (VECTOR, ObservationLayout.from_space(two)):
        algorithm = normalised(observation=observation, encoder=Flatten())
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
