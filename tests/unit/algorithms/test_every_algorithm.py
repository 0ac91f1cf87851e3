"""Properties that every algorithm has: members, targets, delays, metrics and gradients."""

from typing import Any

import pytest
import torch
from cases import (
    CASES,
    OBS,
    B,
    Case,
    clone,
    data,
    fresh,
    generators,
    member_data,
    online,
    together,
    train,
)

from maxent import algorithms
from maxent.algorithms import Algorithm
from maxent.algorithms.crossq import BETAS
from maxent.algorithms.flash_sac import FlashSAC
from maxent.algorithms.parts import TD_ERROR
from maxent.algorithms.sac import SoftActorCritic
from maxent.algorithms.sac_discrete import DiscreteSoftActorCritic

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
N = 5  # environments that are acted in at once


def test_every_algorithm_is_a_case_on_every_kind_of_actions() -> None:
    there = {(case.name, case.kind) for case in CASES.values()}
    assert there == {(name, kind) for name, algorithm in algorithms.built_in().items() for kind in algorithm.actions}


def make(case: Case, members: int = 2, **settings: Any) -> Algorithm:
    """With targets that move often enough to be looked at, where there are any."""
    often = {"target_delay": 2} if case.takes("target_delay") else {}
    return case.make(members, **{**often, **settings})


def learned(algorithm: Algorithm) -> list[str]:
    """Names of the state's parameters that gradients move."""
    names = [name for name in algorithm.networks if not name.startswith("target_")]
    return names + (["log_alpha"] if isinstance(algorithm, SoftActorCritic | DiscreteSoftActorCritic) else [])


# -------------------------------------------------------------------------------------------------------------- members


@every_case
def test_members_together_equal_each_alone(case: Case) -> None:
    """P members in one update equal P updates of one, after 20 updates in float32."""
    P = 3
    population = make(case, P)
    own = [member_data(population, 200 + p, 20, torch.float32) for p in range(P)]
    state = population.init(generators(range(P)))
    start = clone(state)
    train(population, state, together(own))
    for p in range(P):
        solo = make(case, 1)
        alone = solo.init(generators([p]))
        train(solo, alone, own[p])
        for name in (*learned(population), *population.networks):
            # A tenth of one of Adam's steps of 3e-4 for rounding; parameters have moved by several steps, targets too.
            torch.testing.assert_close(state[name][p : p + 1], alone[name], atol=3e-5, rtol=0.0)
            assert (state[name][p] - start[name][p]).abs().max() > 3e-4 * (0.1 if name.startswith("target_") else 1.0)


@every_case
def test_a_member_does_not_notice_what_the_others_learn_from(case: Case) -> None:
    """Bitwise: member 1 sees other data, with rewards a thousand times larger, and member 0 stays as it was."""
    algorithm = make(case, max_grad_norm=1.0)
    zero, one, other = (member_data(algorithm, seed, 5, torch.float32) for seed in (1, 2, 3))
    other = [(batch._replace(reward=1000.0 * batch.reward), noise) for batch, noise in other]
    states = []
    for second in (one, other):
        state = algorithm.init(generators([0, 1]))
        train(algorithm, state, together([zero, second]))
        states.append(state)
    for name in learned(algorithm):
        for part in ("", ".adam_m", ".adam_v"):
            first, second = (state[name + part] for state in states)
            assert torch.equal(first[0], second[0])
            assert not torch.equal(first[1], second[1])


@every_case
def test_a_member_starts_and_acts_as_it_would_alone(case: Case) -> None:
    population, solo = case.make(3), case.make(1)
    state = population.init(generators([5, 6, 7]))
    obs, noise = torch.randn(3, N, OBS), torch.randn(3, N, population.act_noise)
    action, mode = population.act(state, obs, noise, 0), population.mode(state, obs)
    for p, seed in enumerate((5, 6, 7)):
        alone = solo.init(generators([seed]))
        for name in population.networks:
            assert torch.equal(state[name][p : p + 1], alone[name])
        for theirs, ours in (
            (solo.act(alone, obs[p : p + 1], noise[p : p + 1], 0), action),
            (solo.mode(alone, obs[p : p + 1]), mode),
        ):
            torch.testing.assert_close(ours[p : p + 1], theirs, atol=1e-6, rtol=0.0)


# -------------------------------------------------------------------------------------------------- what an update does


@every_case
def test_every_learnable_tensor_moves_and_updates_are_counted(case: Case) -> None:
    algorithm = make(case, **({"layer_norm": True} if case.takes("layer_norm") else {}))
    state = algorithm.init(generators([0, 1]))
    before = clone(state)
    train(algorithm, state, data(algorithm, 4, torch.float32))
    for name, network in algorithm.networks.items():
        old, new = network.views(before[name]), network.views(state[name])
        for layer, view in new.items():
            assert bool((view != old[layer]).flatten(1).any(1).all()), f"{name}/{layer} of some group did not move"
        # what lies beyond the parameters stays zero
        used = sum(view[0].numel() for view in new.values())
        assert bool((state[name][..., used:] == 0.0).all())
    if "log_alpha" in state:
        assert bool((state["log_alpha"] != before["log_alpha"]).all())
    config: Any = algorithm.config  # type: ignore[attr-defined]
    steps = {"critic": getattr(config, "critic_updates", 1), "value": getattr(config, "baseline_updates", 1)}
    for name in learned(algorithm):
        due = 4 // algorithm.policy_delay if name in ("actor", "sampler", "log_alpha") else 4
        assert state[f"{name}.adam_steps"].item() == due * steps.get(name, 1)
    assert not any(tensor.requires_grad for tensor in state.values())


WITH_TARGETS = {name: case for name, case in CASES.items() if case.takes("tau")}


@pytest.mark.parametrize("case", WITH_TARGETS.values(), ids=WITH_TARGETS.keys())
def test_targets_move_by_exactly_tau_and_only_when_told(case: Case) -> None:
    """No gradient reaches the targets: θ̄ changes by τ (θ − θ̄) with the new θ, and not at all without `target`."""
    once = {"critic_updates": 1} if case.takes("critic_updates") else {}
    algorithm = case.make(tau=0.25, **once)
    state = fresh(algorithm)
    (batch, noise), old = data(algorithm, 1)[0], clone(state)
    names = [name for name in algorithm.networks if name.startswith("target_")]
    with torch.no_grad():
        algorithm.update(state, batch, noise, policy=True, target=False)
        assert all(torch.equal(state[name], old[name]) for name in names)
        algorithm.update(state, batch, noise, policy=True, target=True)
    assert names == [name for name in state if name.startswith("target_") and "." not in name]
    for name in names:
        moved, way = state[name] - old[name], online(state, name) - old[name]
        torch.testing.assert_close(moved, 0.25 * way, atol=1e-14, rtol=0.0)
        assert moved.abs().max() > 1e-3


@pytest.mark.parametrize("case", WITH_TARGETS.values(), ids=WITH_TARGETS.keys())
def test_delays_count_and_skip(case: Case) -> None:
    """Of updates 1 to 6 the targets move at 2, 4 and 6; and the policy, where it can be delayed, at 3 and 6."""
    delayed = case.takes("policy_delay")
    algorithm = case.make(target_delay=2, **({"policy_delay": 3} if delayed else {}))
    state, seen = fresh(algorithm), []
    for number, (batch, noise) in enumerate(data(algorithm, 6), start=1):
        policy, target = algorithm.due(number)
        assert (policy, target) == (number % 3 == 0 or not delayed, number % 2 == 0)
        before = clone(state)
        with torch.no_grad():
            algorithm.update(state, batch, noise, policy=policy, target=target)
        seen.append({name for name in algorithm.networks if not torch.equal(state[name], before[name])})
    followed = {"actor", "sampler"} & set(algorithm.networks)
    for number, moved in enumerate(seen, start=1):
        assert "critic" in moved
        assert bool({name for name in moved if name.startswith("target_")}) == (number % 2 == 0)
        if followed:
            assert (followed <= moved) == (number % 3 == 0 or not delayed)


@every_case
def test_the_policys_step_leaves_critics_values_and_their_targets_alone(case: Case) -> None:
    """An update with the policy's step and one without it end with bitwise the same critics and values."""
    algorithm = case.make()
    state = fresh(algorithm)
    other = clone(state)
    (batch, noise) = data(algorithm, 1)[0]
    with torch.no_grad():
        algorithm.update(state, batch, noise, policy=True, target=True)
        if isinstance(algorithm, FlashSAC):  # its actor moves first, and the targets are of the moved actor
            algorithm.update_actor_and_alpha(other, batch, noise)
        algorithm.update(other, batch, noise, policy=False, target=True)
    for name in ("critic", "critic.adam_m", "target_critic", "value", "value.adam_m", "target_value"):
        assert name not in state or torch.equal(state[name], other[name])


@every_case
def test_metrics_are_those_that_are_declared(case: Case) -> None:
    """Each [P]; and |Q − y| [P, B] from whoever has a critic."""
    algorithm = case.make(policy_delay=1) if case.takes("policy_delay") else case.make()
    (metrics,) = train(algorithm, fresh(algorithm), data(algorithm, 1))
    assert (TD_ERROR in metrics) == ("critic" in algorithm.networks)
    if TD_ERROR in metrics:
        assert metrics.pop(TD_ERROR).shape == (2, B)
    absent = {"train/stein_norm"} if (case.name, case.kind) == ("soft-q", "discrete") else set()
    assert set(metrics) == set(algorithm.metrics) - absent
    assert all(value.shape == (2,) and bool(torch.isfinite(value).all()) for value in metrics.values())


@every_case
def test_update_noise_is_what_update_reads(case: Case) -> None:
    """Each entry is needed, and enters the update of its own member alone."""
    algorithm = case.make(policy_delay=1) if case.takes("policy_delay") else case.make()
    (batch, noise) = data(algorithm, 1)[0]
    one = fresh(algorithm)
    train(algorithm, one, [(batch, noise)])
    for name in algorithm.update_noise(B):
        other, changed = fresh(algorithm), noise[name].clone()
        changed[1] = -changed[1]
        train(algorithm, other, [(batch, noise | {name: changed})])
        assert all(torch.equal(one[network][0], other[network][0]) for network in learned(algorithm))
        assert any(not torch.equal(one[network][1], other[network][1]) for network in learned(algorithm)), name


WITH_CRITICS = {name: case for name, case in CASES.items() if case.takes("critics")}


@pytest.mark.parametrize("case", WITH_CRITICS.values(), ids=WITH_CRITICS.keys())
def test_weights_count_in_the_critics_loss_alone(case: Case) -> None:
    """A transition of weight 0 teaches the critics nothing, whatever its reward; weights of 1 are no weights."""
    once = {"critic_updates": 1} if case.takes("critic_updates") else {}
    algorithm = case.make(**once)
    (batch, noise) = data(algorithm, 1)[0]
    weight, reward = torch.ones_like(batch.reward), batch.reward.clone()
    states = []
    for changed in (batch, batch._replace(weight=weight)):
        states.append(fresh(algorithm))
        train(algorithm, states[-1], [(changed, noise)])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    weight[:, 3], reward[:, 3] = 0.0, 1e6
    states = []
    for changed in (batch._replace(weight=weight), batch._replace(weight=weight, reward=reward)):
        states.append(fresh(algorithm))
        train(algorithm, states[-1], [(changed, noise)])
    assert torch.equal(states[0]["critic"], states[1]["critic"])


@every_case
def test_gradients_are_clipped_by_the_norm_of_each_member(case: Case) -> None:
    """After one update Adam's first moment is 1 − β₁ times the gradient, whose norm is cut to the limit."""
    limit, norms = 1e-3, []
    for max_grad_norm in (None, limit):
        once = {name: 1 for name in ("critic_updates", "baseline_updates", "policy_delay") if case.takes(name)}
        algorithm = case.make(max_grad_norm=max_grad_norm, **once)
        state = fresh(algorithm)
        train(algorithm, state, data(algorithm, 1))
        names = [name for name in learned(algorithm) if name != "log_alpha"]
        share = 1.0 - (BETAS[0] if algorithm.name == "crossq" else 0.9)
        norms.append(torch.stack([state[f"{name}.adam_m"].flatten(1).norm(dim=1) / share for name in names]))
    assert bool((norms[0] > limit).all())
    torch.testing.assert_close(norms[1], torch.full_like(norms[1], limit), atol=1e-12, rtol=0.0)
