"""Acting and compiled updates, of every algorithm alike."""

import math

import pytest
import torch
from cases import CASES, LAYOUTS, OBS, A, Case, K, generators
from compiled import assert_compiled_equals_eager

from maxent import UserError, native
from maxent.algorithms.categorical import CategoricalActorCritic
from maxent.engine.compiling import INDUCTOR
from maxent.nn.network import Network

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
WITH_CRITICS = {name: case for name, case in CASES.items() if case.takes("critics")}
N = 5  # environments that are acted in at once


# --------------------------------------------------------------------------------------------------------------- acting


@every_case
def test_actions_are_inside_their_space_and_need_only_the_policy(case: Case) -> None:
    algorithm = case.make()
    state = algorithm.init(generators([0, 1]))
    policy = {name: state[name] for name in algorithm.policy_tensors}
    obs, noise = 3.0 * torch.randn(2, 500, OBS), 3.0 * torch.randn(2, 500, algorithm.act_noise)
    noise[:, 0], noise[:, 1] = -math.inf, math.inf
    for action in (algorithm.act(policy, obs, noise, 0), algorithm.mode(policy, obs)):
        assert action.dtype == torch.float32
        if case.kind == "discrete":
            assert action.shape == (2, 500, 1)
            assert set(action.flatten().tolist()) <= {float(k) for k in range(K)}
        else:
            assert action.shape == (2, 500, A)
            finite = action[:, 2:]  # ±∞ through a network of the noise is no number
            assert bool((finite.abs() <= 1.0).all())
    assert torch.equal(algorithm.mode(state, obs), algorithm.mode(policy, obs))
    assert torch.equal(
        algorithm.act(state, obs[:, 2:], noise[:, 2:], 9), algorithm.act(policy, obs[:, 2:], noise[:, 2:], 9)
    )


@every_case
def test_exploring_differs_from_the_mode(case: Case) -> None:
    algorithm = case.make()
    state = algorithm.init(generators([0, 1]))
    obs, noise = torch.randn(2, 200, OBS), torch.randn(2, 200, algorithm.act_noise)
    explored = algorithm.act(state, obs, noise, 0)
    assert (explored != algorithm.mode(state, obs)).any(-1).float().mean() > 0.2
    assert torch.equal(explored, algorithm.act(state, obs, noise, 0))


@pytest.mark.parametrize("case", WITH_CRITICS.values(), ids=WITH_CRITICS.keys())
def test_q_is_the_smallest_of_the_critics(case: Case) -> None:
    """Over critics set one by one to constants: with zero weights, Q is the bias of the last layer."""
    algorithm = case.make(critics=3)
    state = algorithm.init(generators([0, 1]))
    network: Network = algorithm.networks["critic"]
    state["critic"].zero_()
    # [P·E, 1, outputs]: a dueling network adds V and advantages, which are alike and so drop out
    bias = [view for name, view in network.views(state["critic"]).items() if name.endswith(".bias")][-1]
    values = torch.tensor([3.0, 1.0, 2.0, -1.0, -2.0, 5.0]).unsqueeze(-1)
    if isinstance(algorithm, CategoricalActorCritic):  # atoms −5, −4, … 5: all of the probability on one of them
        values = 1e4 * (torch.arange(-5.0, 6.0) == values).float()
    bias[:, 0] = values
    action = torch.zeros(2, N, LAYOUTS[case.kind].size)
    assert algorithm.q(state, torch.randn(2, N, OBS), action).tolist() == [[1.0] * N, [-2.0] * N]


def test_an_algorithm_without_critics_says_so() -> None:
    algorithm = CASES["reinforce"].make()
    with pytest.raises(UserError, match=r"^reinforce has no critic"):
        algorithm.q({}, torch.zeros(2, 1, OBS), torch.zeros(2, 1, A))


# ---------------------------------------------------------------------------------------------------------- compilation


@pytest.mark.parametrize("own", [True, False], ids=["own layers", "torch's layers"])
@every_case
def test_the_update_is_one_graph_that_equals_the_eager_one(
    case: Case, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything of compilation but the machine code: one graph, gradients, no change in place."""
    monkeypatch.setattr(native, "used", own)
    options = {"layer_norm": True} if case.takes("layer_norm") and not own else {}
    assert_compiled_equals_eager(case.make(max_grad_norm=1.0, **options), backend="aot_eager")


HARDEST = ("soft-q, own proposals",)  # Jacobians, determinants and medians


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=name, marks=[] if name in HARDEST else pytest.mark.slow) for name, case in CASES.items()],
)
def test_the_machine_code_equals_the_eager_update(case: Case) -> None:
    """Through Inductor, as in a run."""
    assert_compiled_equals_eager(case.make(hidden=(4,)), options=INDUCTOR)
