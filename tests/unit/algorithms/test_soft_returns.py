"""The soft n-step target on average: every path of a small MDP with terminations, weighted by its probability.

The paths lie in a replay as episodes of L steps, which are truncated unless they terminate; `Gather` and the algorithm
make the targets y. Their mean for a first state and action is compared with an exact recursion.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from small_sac import A, B, double, generators, make
from torch import Tensor

from maxent.algorithms.sac import SACConfig
from maxent.algorithms.sac_discrete import DiscreteSoftActorCritic, SACDiscreteConfig
from maxent.batch import Batch
from maxent.nn.optimiser import State
from maxent.replay import Gather, Replay, RowLayout
from maxent.spaces import ActionLayout, ObservationLayout

S, K, END = 4, 2, 3  # states, actions, and the terminal state
GAMMA, ALPHA = 0.75, 0.7
RNG = np.random.default_rng(3)
P = RNG.dirichlet(np.ones(S), size=(S, K))
R = np.round(8.0 * RNG.normal(size=(S, K))) / 8.0  # exact in float32
PI, OTHER = RNG.dirichlet(np.ones(K), size=S), RNG.dirichlet(np.ones(K), size=S)
H = -(PI * np.log(PI)).sum(1)
Path = tuple[float, list[tuple[int, int, int]], bool]


def soft_q() -> np.ndarray:
    """Q of π by repeating Q = r + γ E[Σ_a π (Q − α log π)] until nothing changes."""
    q = np.zeros((S, K))
    for _ in range(500):
        v = (PI * q).sum(1) + ALPHA * H
        v[END] = 0.0
        q = R + GAMMA * P @ v
    return q


def expected(steps: int, acting: np.ndarray) -> np.ndarray:
    """E[y] of n-step targets along actions of another policy; entropies and the last value are those of π. [S, K]"""
    y = soft_q()
    for step in range(steps):
        v = ((PI if step == 0 else acting) * y).sum(1) + ALPHA * H
        v[END] = 0.0
        y = R + GAMMA * P @ v
    return y


def paths(s: int, a: int, length: int, acting: np.ndarray) -> Iterator[Path]:
    """Yield every path of at most this many steps: its probability, its steps, and whether it terminates."""
    for t in range(S):
        if t == END or length == 1:
            yield P[s, a, t], [(s, a, t)], t == END
            continue
        for b in range(K):
            for probability, rest, ends in paths(t, b, length - 1, acting):
                yield P[s, a, t] * acting[t, b] * probability, [(s, a, t), *rest], ends


def targets(all_paths: list[Path], n_step: int, *, path: bool) -> np.ndarray:
    """Store the paths one after the other, and return y of the first step of each."""
    replay = Replay(RowLayout(S, 0, 1), members=1, lanes=1, capacity=sum(len(p[1]) + 1 for p in all_paths) + 2)
    seen, rows = np.eye(S, dtype=np.float32)[:, np.newaxis], []
    replay.begin({"float": seen[all_paths[0][1][0][0]]})
    for number, (_, steps, ends) in enumerate(all_paths):
        rows.append(int(replay.written[0]))
        following = all_paths[(number + 1) % len(all_paths)][1][0][0]
        for place, (s, a, t) in enumerate(steps):
            last = place == len(steps) - 1
            replay.add(
                np.full((1, 1), a, np.float32), np.full(1, R[s, a], np.float32), np.array([last and ends]),
                np.array([last and not ends]), {"float": seen[t]}, {"float": seen[following if last else t]},
            )  # fmt: skip
    columns = {name: x.double() if name == "row" else x for name, x in replay.columns.items()}
    gather = Gather(replay.layout, ObservationLayout.vector(S), replay.ring, GAMMA, n_step, path=path)
    algorithm, state = exact_algorithm()
    return algorithm.td_target(state, gather(columns, torch.tensor([rows])))[0].numpy()


def exact_algorithm() -> tuple[DiscreteSoftActorCritic, State]:
    """Discrete SAC whose actor is π and whose target critic is Q of π, as one layer each of one-hot states."""
    config = SACDiscreteConfig(hidden=(), alpha=ALPHA, critics=1)
    layouts = ObservationLayout.vector(S), ActionLayout.from_space(Discrete(K))
    algorithm = DiscreteSoftActorCritic(config, 1, *layouts)
    state = double(algorithm.init(generators([0])))
    state["log_alpha"].fill_(np.log(ALPHA))  # it was rounded to float32
    for name, table in (("actor", np.log(PI)), ("target_critic", soft_q())):
        views = algorithm.networks[name].views(state[name])
        views["layer_0.weight"][0] = torch.from_numpy(table)
        views["layer_0.bias"].zero_()
    return algorithm, state


@pytest.mark.parametrize("acting", [PI, OTHER], ids=["own actions", "actions of another policy"])
@pytest.mark.parametrize(("length", "n_step"), [(1, 3), (2, 3), (3, 2), (3, 3), (3, 4)])
def test_the_mean_target_is_that_of_the_recursion(length: int, n_step: int, acting: np.ndarray) -> None:
    """Windows end at a termination, at a truncation, or after n steps; the largest error is 2e-15."""
    starts = [(s, a) for s in range(S) if s != END for a in range(K)]
    all_paths = [(start, one) for start in starts for one in paths(*start, length, acting)]
    y = targets([one for _, one in all_paths], n_step, path=True)
    mean = np.zeros((S, K))
    for (start, (probability, _, _)), value in zip(all_paths, y, strict=True):
        mean[start] += probability * value
    np.testing.assert_allclose(mean[:END], expected(min(length, n_step), acting)[:END], atol=1e-13, rtol=0.0)
    if acting is PI:
        np.testing.assert_allclose(mean[:END], soft_q()[:END], atol=1e-13, rtol=0.0)


def test_without_the_path_the_entropy_in_between_is_missing() -> None:
    """It is worth 0.3 and more here."""
    one = next(p for p in paths(0, 0, 2, PI) if len(p[1]) == 2)
    kept, left_out = (targets([one], 2, path=path)[0] for path in (True, False))
    assert kept - left_out == pytest.approx(GAMMA * ALPHA * H[one[1][0][2]], abs=1e-14)


@pytest.mark.parametrize("log_std", [-3.0, 0.0])
def test_the_bonus_of_a_gaussian_is_its_entropy(log_std: float) -> None:
    """The actor puts out constants: μ = 0.3 and log σ."""
    algorithm = make(SACConfig(hidden=(), alpha=0.5), members=1)
    state = double(algorithm.init(generators([0])))
    views = algorithm.networks["actor"].views(state["actor"])
    views["layer_0.weight"].zero_()
    views["layer_0.bias"][0, 0] = torch.tensor([0.3] * A + [log_std] * A, dtype=torch.float64)
    zeros, discount = torch.zeros(1, B, dtype=torch.float64), torch.full((1, 2 * B), 0.9, dtype=torch.float64)
    obs = torch.zeros(1, B, 3, dtype=torch.float64)
    batch = Batch(obs, obs[..., :A], zeros, zeros, obs, path_obs=torch.cat([obs, obs], 1), path_discount=discount)
    alpha: Tensor = torch.full((1, 1), 0.5, dtype=torch.float64)
    bonus = algorithm.soft_return(state, batch, alpha)
    _, log_prob = algorithm.actor(state, obs[:, :1].expand(1, 200_000, 3)).sample(
        torch.randn(1, 200_000, A, generator=generators([1])[0], dtype=torch.float64)
    )
    error = 2 * 0.9 * 0.5 * float(log_prob.std()) / 200_000**0.5
    assert float(bonus.min()) == float(bonus.max())
    assert abs(float(bonus[0, 0]) + 2 * 0.9 * 0.5 * float(log_prob.mean())) < 4.0 * error
