"""Six modern algorithms against plain torch.nn programs, in float64, where an error cannot hide in rounding."""

from collections.abc import Mapping

import pytest
import torch
from cases import Case, clone, data, fresh, generators, of_member, train
from plain_modern import PlainSAC, named
from plain_programs import PlainCrossQ, PlainDroQ, PlainFlashSAC, PlainREDQ, PlainTQC, PlainXQC
from torch import Tensor, nn

from maxent.algorithms import Algorithm
from maxent.nn.optimiser import State

CATEGORICAL = {"critic_hidden": None, "atoms": 11, "policy_delay": 2, "horizon": 5, "tau": 0.1, "value_bound": 1.5}
"""The schedule ends within six updates; with atoms in ±1.5 both ends are clipped at."""
CASES: dict[str, tuple[Case, type[PlainSAC]]] = {
    "redq": (Case("redq", "continuous", {"critics": 5, "policy_delay": 3, "target_delay": 2}), PlainREDQ),
    "droq": (Case("droq", "continuous", {"dropout": 0.2, "policy_delay": 2, "tau": 0.1}), PlainDroQ),
    "tqc": (Case("tqc", "continuous", {"quantiles": 5, "drop": 2, "policy_delay": 2, "critics": 3}), PlainTQC),
    "crossq": (Case("crossq", "continuous", {"critic_hidden": (9, 11), "policy_delay": 3}), PlainCrossQ),
    "crossq, warm": (Case("crossq", "continuous", {"critic_hidden": (9, 11), "policy_delay": 2}), PlainCrossQ),
    "xqc": (Case("xqc", "continuous", CATEGORICAL | {"policy_delay": 3}), PlainXQC),
    "flash-sac": (Case("flash-sac", "continuous", CATEGORICAL | {"hidden": (6, 6)}), PlainFlashSAC),
}
every_case = pytest.mark.parametrize("case", CASES)


def started(algorithm: Algorithm, *, warm: bool) -> State:
    """Return a state in float64 in which targets and running statistics differ from their initial values."""
    state = fresh(algorithm)
    for name in [name for name in state if name.endswith(".buffers")]:
        for key, view in algorithm.networks[name.removesuffix(".buffers")].buffer_views(state[name]).items():
            if key.endswith("passes"):
                view.fill_(100_000.0 if warm else 0.0)
            else:
                drawn = torch.rand(view.shape, generator=generators([len(name)])[0], dtype=torch.float64)
                view += 0.3 * drawn * (1 + key.endswith("var"))
    return state


def assert_views(views: Mapping[str, Tensor], group: int, peer: nn.Module) -> None:
    expected = named(peer)
    own = {name: view for name, view in views.items() if not name.endswith("passes")}
    assert set(own) <= set(expected)
    for name, view in own.items():
        value = expected[name].reshape(view[group].shape)
        torch.testing.assert_close(view[group], value, atol=1e-9, rtol=1e-7, msg=lambda m, n=name: f"{n}: {m}")


@every_case
def test_six_updates_equal_a_plain_program(case: str) -> None:
    """Parameters, targets, running statistics and α of both members."""
    settings, program = CASES[case]
    algorithm = settings.make()
    state = started(algorithm, warm=case.endswith("warm"))
    peers = [program(algorithm, state, member) for member in range(2)]
    before, updates = clone(state), data(algorithm, 6)
    train(algorithm, state, updates)
    assert not any(torch.equal(state[name], before[name]) for name in ("actor", "critic", "log_alpha"))
    for member, peer in enumerate(peers):
        for number, update in enumerate(updates, start=1):
            peer.update(*of_member(*update, member), number)
        torch.testing.assert_close(state["log_alpha"][member, 0], peer.log_alpha.data, atol=1e-9, rtol=0.0)
        for name, modules in (("actor", [peer.actor]), ("critic", peer.critics), ("target_critic", peer.targets)):
            for e, each in enumerate(modules):
                network, group = algorithm.networks[name], member * len(modules) + e
                assert_views(network.views(state[name]), group, each)
                if network.buffer_size and name != "target_critic":  # nothing reads a target's running statistics
                    assert_views(network.buffer_views(state[f"{name}.buffers"]), group, each)


@every_case
def test_the_critics_gradient_equals_that_of_a_plain_program(case: str) -> None:
    """After the first update Adam's first moment is (1 − β₁) times the gradient; Adam hides its size later."""
    settings, program = CASES[case]
    algorithm = settings.make(policy_delay=1)
    state = started(algorithm, warm=case.endswith("warm"))
    peers = [program(algorithm, state, member) for member in range(2)]
    updates = data(algorithm, 1)
    train(algorithm, state, updates)
    views = algorithm.networks["critic"].views(state["critic.adam_m"])
    for member, peer in enumerate(peers):
        peer.update(*of_member(*updates[0], member), 1)
        for e, gradient in enumerate(peer.critic_gradients):
            for name, view in views.items():
                own = view[member * len(peer.critics) + e]
                expected = (1.0 - peer.betas[0]) * gradient[name].reshape(own.shape)
                torch.testing.assert_close(own, expected, atol=1e-11, rtol=1e-8)
    assert state["critic.adam_m"].abs().max() > 1e-3
