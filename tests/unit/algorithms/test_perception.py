"""Shared and separate encoders against torch programs in float64."""

from typing import Any

import pytest
import torch
from image_cases import IMAGES, SEPARATE, B, P, fresh, make, noise_of, raw_batch, update
from image_programs import SMALL, encode, layout, mlp
from torch import Tensor

from maxent.algorithms.base import Algorithm
from maxent.batch import Batch
from maxent.errors import UserError
from maxent.nn.encoders import Convolution, Flatten
from maxent.nn.optimiser import State
from maxent.spaces import ObservationLayout

FIRST_MOMENT = 0.1  # Adam's first moment after one step is this times the gradient
TOLERANCE = {"atol": 1e-12, "rtol": 1e-9}


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


def test_flatten_without_an_image_is_refused() -> None:
    with pytest.raises(UserError, match="encoder: flatten expects an image among the observations; leave encoder out"):
        make("sac", observation=ObservationLayout.vector(3), encoder=Flatten())


def test_an_encoder_that_nothing_would_train_is_refused() -> None:
    with pytest.raises(UserError, match="this algorithm has no critics or normalises over joint batches; leave out"):
        make("reinforce", encoder=Convolution(shared=True))
    assert make("reinforce", encoder=Convolution()).perception.encoder is None


def test_convolutions_without_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"expects an image .* got the shapes \(3,\)"):
        make("sac", observation=ObservationLayout.vector(3))


def test_normalisation_without_vectors_is_refused() -> None:
    with pytest.raises(UserError, match="norm_obs: expected a float vector"):
        make("sac", observation=layout("channels last"), norm_obs=True)
