"""The policy gradient theorem with entropy, for states that share one parameter (docs/derivation/11).

∇J = Σ_s d(s) ∇ E_{a∼π_φ}[Q(s, a) − α log π_φ(a|s)], with Q held fixed and d the policy's own discounted visits.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from maxent import tabular

STATES, ACTIONS, GAMMA, ALPHA, H = 4, 5, 0.9, 0.3, 1e-5
Array = NDArray[np.float64]


def policy(mean: float) -> Array:
    """A discretised Gaussian of the same mean in every state, wider from state to state."""
    logits = -0.5 * ((np.arange(ACTIONS) - mean) / np.linspace(0.8, 2.0, STATES)[:, None]) ** 2
    weight = np.exp(logits)
    return np.asarray(weight / weight.sum(1, keepdims=True))


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_weights_states_by_their_discounted_visits(seed: int) -> None:
    mdp = tabular.random_mdp(seed, STATES, ACTIONS, gamma=GAMMA)
    start = np.random.default_rng(seed).dirichlet(np.ones(STATES))
    mdp = tabular.TabularMDP(mdp.P, mdp.R, GAMMA, start=start)
    pi = policy(2.3)
    q = tabular.soft_policy_solve(mdp, pi, ALPHA).q
    chain = np.einsum("sa,san->sn", pi, mdp.P.dense())
    visits = np.linalg.solve(np.eye(STATES) - GAMMA * chain.T, start)  # Σ_t γᵗ p(s_t = s)

    def weighted(mean: float, weight: Array) -> float:
        new = policy(mean)
        return float(weight @ (new * (q - ALPHA * np.log(new))).sum(1))

    def slope(f: list[float]) -> float:
        return (f[0] - f[1]) / (2.0 * H)

    exact = slope([tabular.maxent_objective(mdp, policy(mean), ALPHA) for mean in (2.3 + H, 2.3 - H)])
    assert slope([weighted(mean, visits) for mean in (2.3 + H, 2.3 - H)]) == pytest.approx(exact, abs=1e-9)
    uniform = np.full(STATES, visits.sum() / STATES)
    assert slope([weighted(mean, uniform) for mean in (2.3 + H, 2.3 - H)]) != pytest.approx(exact, abs=1e-4)
