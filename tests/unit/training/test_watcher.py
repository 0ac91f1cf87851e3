"""The watcher measures what it says and waits as long as it says."""

import math
from dataclasses import replace
from typing import Any

import ailing_envs
import numpy as np
import pytest
import torch
from short_runs import SMALL

import maxent
from maxent.algorithms.crossq import CrossQConfig
from maxent.algorithms.sac import SACConfig
from maxent.diagnosis.watch import QUIET, RECORDS, RULES, Readings
from maxent.training import watcher as module
from maxent.training.watcher import FIRST_EPISODES, HALF_LIVES, Watcher, half_life

TRUNCATE, TERMINATE, GO = "truncate", "terminate", "go"


def watcher_of(**settings: Any) -> tuple[Watcher, maxent.Agent]:
    """Return a watcher of an agent that never learns by itself."""
    agent = maxent.SAC(ailing_envs.Ailing, **SMALL | {"gamma": 0.5, "seeds": 2} | settings)
    trainer = agent._require_trainer()
    trainer.engine()
    trainer.replay.begin(observation(0.0))
    return trainer.watcher, agent


def observation(value: float, lanes: int = 2) -> dict[str, np.ndarray]:
    return {"float": np.full((lanes, 3), value, np.float32)}


def add(agent: maxent.Agent, rewards: list[float], how: str = GO, action: float = 0.0) -> None:
    """Add a step of both members with these rewards."""
    ends = [np.full(2, how == which) for which in (TERMINATE, TRUNCATE)]
    actions = np.full((2, 2), action, np.float32)
    agent._require_trainer().replay.add(
        actions, np.array(rewards, np.float32), *ends, observation(1.0), observation(0.0)
    )


def values_of(**others: list[float]) -> dict[str, Any]:
    return {"rollout/ep_rew_mean": np.full(2, np.nan)} | {
        f"train/{name}": np.array(value) for name, value in others.items()
    }


def readings(watcher: Watcher, monkeypatch: pytest.MonkeyPatch, updates: int = 0, **values: Any) -> Readings:
    """Return what the rules are shown at a record."""
    seen: list[Readings] = []

    def look(shown: Readings) -> np.ndarray:
        seen.append(shown)
        return np.zeros(2, np.bool_)

    with monkeypatch.context() as patch:
        patch.setattr(module, "RULES", (replace(RULES[0], holds=look),))
        watcher.look(0, updates, values_of(**values))
    return seen[0]


def test_the_ceiling_is_what_rewards_explain(monkeypatch: pytest.MonkeyPatch) -> None:
    """γ = ½. Member 0: 1, then 4 and the end: returns 4 and 1 + ½ · 4 = 3. Member 1: −2, −8: −8 and −2 − ½ · 8 = −6.

    ceiling = highest + (highest − lowest), both with 0: 4 + 4 and 0 + 8; α = 1 adds 2 actions · log 2 / (1 − γ).
    """
    watcher, agent = watcher_of()
    add(agent, [1.0, -2.0])
    add(agent, [4.0, -8.0], TERMINATE)
    bonus = 2 * np.log(2.0) / 0.5
    shown = readings(watcher, monkeypatch, ent_coef=[1.0, 0.0])
    np.testing.assert_allclose(shown.ceiling, [8.0 + bonus, 8.0])
    np.testing.assert_allclose(shown.reward, [4.0, 8.0])


def test_an_episode_that_is_cut_off_counts_as_if_it_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards 3, 3, then the cut: the rows 3, 3 and the final one have the mean 2, worth 2 / (1 − ½) = 4 afterwards.

    Returns 3 + ½ · 4 = 5 and 3 + ½ · 5 = 5.5; ceiling 2 · 5.5. Negative rewards end as if nothing followed:
    −3 and −3 − 1.5 = −4.5; ceiling 0 + 4.5.
    """
    watcher, agent = watcher_of()
    add(agent, [3.0, -3.0])
    add(agent, [3.0, -3.0], TRUNCATE)
    np.testing.assert_allclose(readings(watcher, monkeypatch).ceiling, [11.0, 4.5])


def test_rewards_are_seen_as_the_critics_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, agent = watcher_of(reward_scale=-10.0)
    add(agent, [4.0, -8.0], TERMINATE)
    shown = readings(watcher, monkeypatch)
    np.testing.assert_allclose(shown.reward, [40.0, 80.0])
    np.testing.assert_allclose(shown.ceiling, [0.0 + 40.0, 80.0 + 80.0])  # −40 to 0, and 0 to 80


def test_rows_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, agent = watcher_of()
    add(agent, [1.0, 1.0], action=0.995)
    assert readings(watcher, monkeypatch).saturated.tolist() == [1.0, 1.0]
    add(agent, [1.0, 1.0], action=0.5)
    add(agent, [1.0, 1.0], TRUNCATE, action=-1.0)
    assert readings(watcher, monkeypatch).saturated.tolist() == [0.5, 0.5]  # final observations do not count
    assert np.isnan(readings(watcher, monkeypatch).saturated).all()


def test_the_slope_of_alpha_is_per_update(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher, _ = watcher_of()
    assert np.isnan(readings(watcher, monkeypatch, 10, ent_coef=[1.0, 1.0]).slope).all()
    shown = readings(watcher, monkeypatch, 30, ent_coef=[np.e, 1.0])
    np.testing.assert_allclose(shown.slope, [1 / 20, 0.0])


def test_the_first_episodes_are_compared_with_the_best_of_training_and_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watcher, _ = watcher_of()
    for number in range(FIRST_EPISODES):
        watcher.add_episode(0, 3.0 if number % 2 else 5.0)
    watcher.add_episode(0, 1e9)  # later ones do not count
    watcher.add_episode(1, 7.0)  # too few
    watcher.add_evaluation(np.array([6.0, 2.0]))
    assert np.isnan(readings(watcher, monkeypatch, updates=0).first).all()  # nothing has been learned yet
    shown = readings(watcher, monkeypatch, updates=1)
    np.testing.assert_array_equal(shown.first, [4.0, np.nan])
    np.testing.assert_array_equal(shown.noise, [1.0, np.nan])
    np.testing.assert_array_equal(shown.score, [6.0, 2.0])


def updates_until_half(tau: float, gamma: float, delay: int, n_step: int) -> int:
    """Count updates until target copies that are 1 too high are ½ too high, beside critics that fit their targets."""
    error, updates = 1.0, 0
    while error > 0.5:
        updates += 1
        if updates % delay == 0:
            critic = gamma**n_step * error
            error = tau * critic + (1.0 - tau) * error
    return updates


@pytest.mark.parametrize(
    ("tau", "gamma", "delay", "n_step"),
    [(0.005, 0.99, 1, 1), (0.01, 0.9, 5, 1), (0.005, 0.99, 2, 3), (1.0, 0.9, 900, 1)],
)
def test_half_of_a_change_of_alpha_reaches_the_critics(tau: float, gamma: float, delay: int, n_step: int) -> None:
    """The first is 13,863 ≈ ln 2 / (0.005 · 0.01)."""
    expected = updates_until_half(tau, gamma, delay, n_step)
    found = half_life(SACConfig(tau=tau, gamma=gamma, target_delay=delay), n_step)
    assert expected - delay < found <= expected
    assert HALF_LIVES[0] < found < HALF_LIVES[1]


def test_the_time_in_which_critics_follow_alpha_is_bounded() -> None:
    low, high = HALF_LIVES
    assert half_life(CrossQConfig(gamma=0.99)) == low  # no target copies
    assert half_life(SACConfig(tau=1.0, gamma=0.0)) == low
    assert half_life(SACConfig(gamma=0.9999)) == high  # 1.4 million
    assert half_life(SACConfig(gamma=1.0)) == high


def test_the_ceiling_follows_a_falling_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    """τ = 0.001, γ = 0.9, three steps: a half-life of ln 2 / −ln(1 − 0.001 · 0.271) = 2,557.4 updates.

    α falls from 1 to 0.1 in one record. What is left of 1 after two half-lives is ¼, and after five, 1 / 32, which
    is less than the present 0.1. The bonus of α is 2 actions · log 2 / (1 − γ).
    """
    watcher, agent = watcher_of(tau=0.001, gamma=0.9, n_step=3)
    add(agent, [0.0, 0.0], TERMINATE)
    half = math.log(2.0) / -math.log1p(-0.000271)
    bonus = 2 * math.log(2.0) / 0.1
    shown = [
        readings(watcher, monkeypatch, round(updates), ent_coef=[alpha, alpha]).ceiling[0] / bonus
        for updates, alpha in [(0, 1.0), (2 * half, 0.1), (5 * half, 0.1)]
    ]
    np.testing.assert_allclose(shown, [1.0, 0.25, 0.1], rtol=1e-3)


@pytest.mark.parametrize("name", ["actor", "critic"])
def test_dead_units_are_counted_in_every_network(name: str) -> None:
    """Six of the eight units of a layer get a bias that no input overcomes."""
    watcher, agent = watcher_of()
    add(agent, [0.0, 0.0])
    assert watcher.look(1, 100, values_of())["watch/dead_units"].max() < 1.0
    learner = agent._learner
    network = learner.algorithm.networks[name]
    views = network.views(learner.state[name])
    bias = views["layer_0.bias"].view(2, -1, 1, 8)  # [P, E, 1, units]
    bias[1, -1, 0, :6] = -1e6
    bias[1, -1, 0, 6:] = 1e6
    measured = watcher.look(2, 200, values_of())["watch/dead_units"]
    assert measured[1] >= 0.75
    bias[1, -1, 0, :] = -1e6
    assert watcher.look(3, 300, values_of())["watch/dead_units"][1] == 1.0


def test_units_are_measured_once_in_a_hundred_updates() -> None:
    watcher, agent = watcher_of()
    add(agent, [0.0, 0.0])
    measured = [("watch/dead_units" in watcher.look(step, step * 40, values_of())) for step in range(1, 7)]
    assert measured == [False, False, True, False, False, True]


def test_a_rule_waits_for_its_patience_and_then_is_quiet() -> None:
    """q-too-high: 5,000 steps and 2,000 updates. Records every 1,000 steps of Q far above rewards of zero."""
    watcher, _ = watcher_of()
    fired = []
    for step in range(1_000, 120_001, 1_000):
        tags = watcher.look(step, step, values_of(q_mean=[0.0, 50.0]))
        fired += [step for finding in watcher.take() if finding.rule == "q-too-high"]
        assert tags["watch/findings"].tolist() == [0.0, float(step >= 6_000)]
    assert fired == [6_000, 6_000 + QUIET, 6_000 + 2 * QUIET]


def test_a_rule_starts_anew_when_it_no_longer_holds() -> None:
    watcher, _ = watcher_of()
    for step in range(1_000, 100_001, 1_000):
        watcher.look(step, step, values_of(q_mean=[50.0 if step % 6_000 else 0.0] * 2))
    assert watcher.take() == []


def test_a_rule_needs_three_records_and_its_updates() -> None:
    watcher, _ = watcher_of()
    for number in range(1, RECORDS + 1):
        watcher.look(number * 10_000, number * 10_000, values_of(q_mean=[50.0] * 2))
        assert len(watcher.take()) == (number == RECORDS)
    watcher, _ = watcher_of()
    for number in range(1, 10):
        watcher.look(number * 10_000, number * 100, values_of(q_mean=[50.0] * 2))
    assert watcher.take() == []


def test_a_restored_watcher_goes_on_as_the_one_it_was() -> None:
    watcher, _ = watcher_of()
    for step in range(1_000, 4_000, 1_000):
        watcher.look(step, step, values_of(q_mean=[50.0, 0.0], ent_coef=[0.5, 0.5]))
    other, _ = watcher_of()
    other.restore(watcher.state())
    for each in (watcher, other):
        for step in range(4_000, 8_000, 1_000):
            each.look(step, step, values_of(q_mean=[50.0, 0.0], ent_coef=[0.5, 0.5]))
    first, second = watcher.state(), other.state()
    assert first.plain == second.plain
    for name, tensor in first.tensors.items():
        torch.testing.assert_close(tensor, second.tensors[name], rtol=0, atol=0, equal_nan=True)
    assert watcher.take() == other.take() != []
