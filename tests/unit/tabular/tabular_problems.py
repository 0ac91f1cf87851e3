"""Problems that several tests of maxent.tabular share."""

import numpy as np
from hypothesis import strategies as st

from maxent.tabular import TabularMDP, random_mdp


def corridor(gamma: float = 0.9, slip: float = 0.2) -> TabularMDP:
    """Cells 0 1 2 3 and the end 4; actions left and right, each going the other way with probability `slip`.

    A step costs 1. In cell 0, left stays. Starts anywhere but in the end.
    """
    P = np.zeros((5, 2, 5))
    for s in range(4):
        left, right = max(s - 1, 0), s + 1
        P[s, 0, left] += 1 - slip
        P[s, 0, right] += slip
        P[s, 1, right] += 1 - slip
        P[s, 1, left] += slip
    return TabularMDP(P, R=[-1, -1, -1, -1, 0], gamma=gamma, terminal=np.arange(5) == 4)


@st.composite
def mdps(draw: st.DrawFn, max_states: int = 6) -> TabularMDP:
    """Random problems: dense or sparse, sometimes with a terminal state, rewards of any scale, γ up to 0.95."""
    n_states, n_actions = draw(st.integers(2, max_states)), draw(st.integers(1, 4))
    successors = draw(st.sampled_from([None, 1, 2]))
    gamma, scale = draw(st.sampled_from([0.0, 0.5, 0.9, 0.95])), draw(st.sampled_from([0.01, 1.0, 50.0]))
    base = random_mdp(draw(st.integers(0, 10_000)), n_states, n_actions, successors=successors, gamma=gamma)
    terminal = np.arange(n_states) == (0 if draw(st.booleans()) else -1)
    reward = scale * (base.R - 0.5) * ~terminal[:, None]
    return TabularMDP(base.P, reward, gamma, terminal=terminal)


def random_policy(mdp: TabularMDP, seed: int, concentration: float = 1.0) -> np.ndarray:
    """One draw of Dirichlet(concentration, ..., concentration) for every state.   [S, A]"""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(mdp.n_actions, concentration), size=mdp.n_states)
