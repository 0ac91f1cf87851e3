"""What an update of SAC may change: targets, delays, α, gradient clipping and members."""

import math
from typing import Literal

import pytest
import torch
from small_sac import HIDDEN, A, clone, data, fresh, generators, make, member_data, together, train
from torch import Tensor

from maxent import objectives
from maxent.algorithms.base import Noise
from maxent.algorithms.sac import SACConfig, SoftActorCritic
from maxent.algorithms.settings import LearnedAlpha
from maxent.batch import Batch
from maxent.nn.optimiser import State

UPDATES = 50


def test_targets_move_by_exactly_tau_and_only_when_told() -> None:
    """No gradient reaches the targets: θ̄ changes by τ (θ − θ̄) with the new θ, and not at all without `target`."""
    algorithm, state = fresh(SACConfig(hidden=HIDDEN, tau=0.25))
    (batch, noise), old = data(2, 1)[0], state["target_critic"].clone()
    with torch.no_grad():
        algorithm.update(state, batch, noise, policy=True, target=False)
        assert torch.equal(state["target_critic"], old)
        algorithm.update(state, batch, noise, policy=True, target=True)
    torch.testing.assert_close(state["target_critic"] - old, 0.25 * (state["critic"] - old), atol=1e-15, rtol=0.0)
    assert not torch.equal(state["target_critic"], old)


def test_the_actors_step_leaves_critics_and_targets_alone() -> None:
    """An update with the actor's step and one without it end with bitwise the same critics, moments and targets."""
    algorithm, state = fresh(SACConfig(hidden=HIDDEN))
    other = clone(state)
    batch, noise = data(2, 1)[0]
    with torch.no_grad():
        algorithm.update(state, batch, noise, policy=True, target=True)
        algorithm.update(other, batch, noise, policy=False, target=True)
    for name in ("critic", "critic.adam_m", "critic.adam_v", "target_critic"):
        assert torch.equal(state[name], other[name])
    assert not torch.equal(state["actor"], other["actor"])


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer_norm"])
def test_every_learnable_tensor_moves_and_updates_are_counted(layer_norm: bool) -> None:
    algorithm = make(SACConfig(hidden=HIDDEN, layer_norm=layer_norm))
    state = algorithm.init(generators([0, 1]))
    before = clone(state)
    train(algorithm, state, data(2, 3, torch.float32))
    for name in ("actor", "critic", "target_critic"):
        network = algorithm.networks[name]
        old, new = network.views(before[name]), network.views(state[name])
        for layer, view in new.items():
            assert bool((view != old[layer]).flatten(1).any(1).all()), f"{name}/{layer} of some group did not move"
    assert bool((state["log_alpha"] != before["log_alpha"]).all())
    assert state["critic.adam_steps"].item() == 3
    assert state["actor.adam_steps"].item() == 3
    assert not any(tensor.requires_grad for tensor in state.values())


def test_delays_count_and_skip() -> None:
    """Of updates 1 to 7: the policy moves at 3 and 6, the targets at 2, 4 and 6."""
    config = SACConfig(hidden=HIDDEN, policy_delay=3, target_delay=2)
    algorithm, state = fresh(config)
    assert [algorithm.due(update) for update in range(1, 8)] == [
        (False, False), (False, True), (True, False), (False, True), (False, False), (True, True), (False, False),
    ]  # fmt: skip
    seen = []
    for number, (batch, noise) in enumerate(data(2, 7), start=1):
        before = clone(state)
        policy, target = algorithm.due(number)
        with torch.no_grad():
            metrics = algorithm.update(state, batch, noise, policy=policy, target=target)
        learned = ("actor", "log_alpha", "critic", "target_critic")
        seen.append({name for name in learned if not torch.equal(state[name], before[name])})
        assert ("train/actor_loss" in metrics) == policy
    assert seen == [
        {"critic"},
        {"critic", "target_critic"},
        {"critic", "actor", "log_alpha"},
        {"critic", "target_critic"},
        {"critic"},
        {"critic", "target_critic", "actor", "log_alpha"},
        {"critic"},
    ]
    assert state["critic.adam_steps"].item() == 7
    assert state["actor.adam_steps"].item() == 2


# ------------------------------------------------------------------------------------------------------------------ α


def actor_log_prob(algorithm: SoftActorCritic, state: State, batch: Batch, noise: Noise) -> Tensor:
    """log π of the actor as it stands, at the actions that its loss looks at. [P, B]"""
    return algorithm.actor(state, batch.obs).sample(noise["action"])[1]


@pytest.mark.parametrize("factor", ["log_alpha", "alpha"])
def test_alphas_gradient_is_that_of_its_loss(factor: Literal["log_alpha", "alpha"]) -> None:
    algorithm, state = fresh(SACConfig(hidden=HIDDEN, alpha=LearnedAlpha(initial=0.3, factor=factor)))
    batch, noise = data(2, 1)[0]
    log_alpha = state["log_alpha"].clone().requires_grad_()
    log_prob = actor_log_prob(algorithm, state, batch, noise)
    loss = objectives.alpha_loss(log_alpha, log_prob, target_entropy=-float(A), factor=factor)
    loss.sum().backward()
    (metrics,) = train(algorithm, state, [(batch, noise)])
    torch.testing.assert_close(state["log_alpha.adam_m"], 0.1 * log_alpha.grad, atol=1e-14, rtol=0.0)
    torch.testing.assert_close(metrics["train/ent_coef_loss"], loss.detach(), atol=1e-14, rtol=0.0)
    torch.testing.assert_close(metrics["train/entropy"], -log_prob.mean(-1), atol=1e-14, rtol=0.0)
    assert metrics["train/target_entropy"].tolist() == [-2.0, -2.0]
    assert metrics["train/ent_coef"].tolist() == [pytest.approx(0.3, abs=1e-7)] * 2  # α before the step


@pytest.mark.parametrize(("target_entropy", "sign"), [(10.0, 1.0), (-1000.0, -1.0)])
def test_alpha_rises_where_entropy_is_below_its_target(target_entropy: float, sign: float) -> None:
    """No policy on (−1, 1)² has more entropy than 2 log 2 < 10; and log σ > −20 keeps it above −1000."""
    algorithm, state = fresh(
        SACConfig(hidden=HIDDEN, alpha=LearnedAlpha(target_entropy=target_entropy, learning_rate=0.01))
    )
    train(algorithm, state, data(2, 5))
    # five steps of Adam with a gradient of one sign: 5 · 0.01, a little less as its size changes
    assert bool((state["log_alpha"] * sign > 0.04).all())


@pytest.mark.parametrize("alpha", [0.0, 0.2, 3])
def test_a_fixed_alpha_stays(alpha: float) -> None:
    algorithm, state = fresh(SACConfig(hidden=HIDDEN, alpha=alpha))
    metrics = train(algorithm, state, data(2, 3))
    expected = torch.full((2, 1), -math.inf if alpha == 0 else math.log(alpha))
    torch.testing.assert_close(state["log_alpha"], expected.double(), atol=1e-7, rtol=0.0)
    assert all("train/ent_coef_loss" not in each for each in metrics)
    assert all(bool(torch.isfinite(state[name]).all()) for name in ("actor", "critic"))
    torch.testing.assert_close(metrics[-1]["train/ent_coef"], torch.full((2,), float(alpha)).double())


def test_alpha_starts_at_its_initial_value() -> None:
    state = make(SACConfig(hidden=HIDDEN, alpha=LearnedAlpha(initial=0.1))).init(generators([0, 1]))
    assert state["log_alpha"].exp().tolist() == [[pytest.approx(0.1)], [pytest.approx(0.1)]]


# ---------------------------------------------------------------------------------------------------- gradient clipping


def test_gradients_are_clipped_by_the_norm_of_each_member() -> None:
    """Member 0's rewards are a million times larger, so only its critic's gradient is cut to the given norm."""
    (batch, noise), limit = data(2, 1)[0], 100.0
    batch = batch._replace(reward=batch.reward * torch.tensor([[1e6], [1.0]], dtype=torch.float64))
    norms = []
    for max_grad_norm in (None, limit):
        algorithm, state = fresh(SACConfig(hidden=HIDDEN, max_grad_norm=max_grad_norm))
        train(algorithm, state, [(batch, noise)])
        norms.append(state["critic.adam_m"].flatten(1).norm(dim=1) / 0.1)  # of the gradient, over both critics
    raw, clipped = norms
    assert raw[0] > 10 * limit
    assert raw[1] < limit
    torch.testing.assert_close(clipped[0].item(), limit, atol=1e-9, rtol=0.0)
    assert clipped[1] == raw[1]


# -------------------------------------------------------------------------------------------------------------- members


@pytest.mark.parametrize(
    "config",
    [SACConfig(hidden=HIDDEN), SACConfig(hidden=HIDDEN, layer_norm=True, max_grad_norm=0.5, policy_delay=2)],
    ids=["defaults", "options"],
)
def test_members_together_equal_each_alone(config: SACConfig) -> None:
    """P members in one update equal P updates of one, after 50 updates in float32."""
    P = 3
    own = [member_data(200 + p, UPDATES, torch.float32) for p in range(P)]
    population = make(config, P)
    state = population.init(generators(range(P)))
    train(population, state, together(own))
    start = population.init(generators(range(P)))
    for p in range(P):
        solo = make(config, 1)
        alone = solo.init(generators([p]))
        train(solo, alone, own[p])
        for name in ("actor", "critic", "target_critic", "log_alpha"):
            # A tenth of one of Adam's steps of 3e-4 for rounding; parameters have moved by several steps, targets too.
            torch.testing.assert_close(state[name][p : p + 1], alone[name], atol=3e-5, rtol=0.0)
            assert (state[name][p] - start[name][p]).abs().max() > 10 * 3e-5


def test_a_member_does_not_notice_what_the_others_learn_from() -> None:
    """Bitwise: member 1 sees other data, with rewards a thousand times larger, and member 0 stays as it was."""
    algorithm = make(SACConfig(hidden=HIDDEN, max_grad_norm=1.0))
    zero, one, other = (member_data(seed, 10, torch.float32) for seed in (1, 2, 3))
    other = [(batch._replace(reward=1000.0 * batch.reward), noise) for batch, noise in other]
    states = []
    for second in (one, other):
        state = algorithm.init(generators([0, 1]))
        train(algorithm, state, together([zero, second]))
        states.append(state)
    for name in ("actor", "critic", "target_critic", "log_alpha"):
        for moments in ("", ".adam_m", ".adam_v") if name != "target_critic" else ("",):
            first, second = (state[name + moments] for state in states)
            assert torch.equal(first[0], second[0])
            assert not torch.equal(first[1], second[1])
