"""A finite Markov decision process, validated on construction; conversion from Gymnasium; random problems."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from maxent.tabular.transitions import (
    BoolArray,
    DenseTransitions,
    FloatArray,
    SparseTransitions,
    Transitions,
    check_distributions,
    read_only_copy,
)


@final
@dataclass(frozen=True, eq=False, init=False)
class TabularMDP:
    """A Markov decision process with S states and A actions.

    Args:
        P: p(s'|s, a) as an array [S, A, S'], or `SparseTransitions` with K successors for every (s, a).
        R: r(s, a) [S, A]; or r(s) [S], the reward for leaving s; or one reward per transition ([S, A, S'] with a dense
            P, [S, A, K] with a sparse one), which is reduced to its expectation r(s, a).
        gamma: the discount γ in [0, 1]. γ = 1 requires terminal states that every evaluated policy reaches.
        terminal: [S] booleans. A terminal state has value 0. Its rows of P, and of an R with one reward per transition,
            are ignored; P stores a self-loop there.
        start: initial state distribution [S]; uniform over the non-terminal states by default.
    """

    P: Transitions
    R: FloatArray
    gamma: float
    terminal: BoolArray
    start: FloatArray

    def __init__(
        self,
        P: ArrayLike | Transitions,
        R: ArrayLike,
        gamma: float,
        *,
        terminal: ArrayLike | None = None,
        start: ArrayLike | None = None,
    ) -> None:
        table = P if isinstance(P, DenseTransitions | SparseTransitions) else np.array(P, dtype=np.float64, ndmin=1)
        ends = _terminal_states(terminal, len(table))
        transitions = table.absorbing(ends) if not isinstance(table, np.ndarray) else _dense(table, ends)
        if not (math.isfinite(gamma) and 0.0 <= gamma <= 1.0):
            raise ValueError(f"gamma: expected a discount in [0, 1], got {gamma!r}; 0.99 is common.")
        if gamma == 1.0 and not ends.any():
            raise ValueError(
                "gamma: expected less than 1 without terminal states, got 1; pass `terminal` or lower gamma."
            )
        set_field = object.__setattr__
        set_field(self, "P", transitions)
        set_field(self, "R", _expected_reward(R, transitions, ends))
        set_field(self, "gamma", float(gamma))
        set_field(self, "terminal", ends)
        set_field(self, "start", _start_distribution(start, ends))

    @property
    def n_states(self) -> int:
        """Number of states S, including terminal ones."""
        return self.P.n_states

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return self.P.n_actions

    def expect(self, v: FloatArray) -> FloatArray:
        """Return E_{s'~p}[v(s')], with v = 0 in terminal states.   v [S] → [S, A]."""
        return self.P.expect(self.zero_terminal(v))

    def zero_terminal(self, v: FloatArray) -> FloatArray:
        """Return v with the entries of terminal states set to 0.   v [S] → [S]."""
        return np.where(self.terminal, 0.0, v)

    def uniform_policy(self) -> FloatArray:
        """Return π(a|s) = 1/A.   → [S, A]."""
        return np.full((self.n_states, self.n_actions), 1.0 / self.n_actions)

    def check_policy(self, policy: ArrayLike) -> FloatArray:
        """Return the policy as float64; raise if its shape or a probability is invalid.   policy [S, A] → [S, A]."""
        pi: FloatArray = np.asarray(policy, dtype=np.float64)
        if pi.shape != (self.n_states, self.n_actions):
            raise ValueError(
                f"policy: expected probabilities of shape [S, A] = [{self.n_states}, {self.n_actions}], got "
                f"{list(pi.shape)}; for a deterministic policy pass np.eye(A)[actions]."
            )
        check_distributions("policy", pi)
        return pi

    def under(self, policy: ArrayLike, bonus: ArrayLike = 0.0) -> "TabularMDP":
        """Return the chain induced by π, an MDP with one action: r_π(s) = E_{a~π}[r(s, a)] + bonus(s) and p_π(s'|s).

        Its value is V^π. policy [S, A]; bonus scalar or [S], for instance an entropy.
        """
        pi = self.check_policy(policy)
        reward = self.zero_terminal((pi * self.R).sum(axis=-1) + np.asarray(bonus))
        return TabularMDP(self.P.under(pi), reward[:, None], self.gamma, terminal=self.terminal, start=self.start)


def from_gymnasium(env: Any, gamma: float = 0.99) -> TabularMDP:
    """Return the MDP of a Gymnasium environment with a transition table, such as FrozenLake, CliffWalking or Taxi.

    Read `env.unwrapped.P[s][a] = [(probability, next state, reward, terminated), ...]`. State s is observation s.
    Terminated transitions lead to one additional terminal state, the last: in some tables (Taxi) the same state is
    entered with and without termination. The start is the environment's `initial_state_distrib` if it has one. Time
    limits are not part of the table.
    """
    table = getattr(env.unwrapped, "P", None)
    if not isinstance(table, dict) or not table:
        raise ValueError(
            f"from_gymnasium: expected an environment with a transition table at env.unwrapped.P (FrozenLake, "
            f"CliffWalking, Taxi), got {type(env.unwrapped).__name__}; build TabularMDP(P, R, gamma) yourself."
        )
    n_states, n_actions = len(table), len(table[0])
    end = n_states
    k = max(len(outcomes) for actions in table.values() for outcomes in actions.values())
    next_state = np.full((n_states + 1, n_actions, k), end)
    probability = np.zeros((n_states + 1, n_actions, k))
    probability[end, :, 0] = 1.0
    reward = np.zeros((n_states + 1, n_actions, k))
    for s, actions in table.items():
        for a, outcomes in actions.items():
            for i, (p, successor, r, terminated) in enumerate(outcomes):
                next_state[s, a, i] = end if terminated else successor
                probability[s, a, i] = p
                reward[s, a, i] = r
    start = getattr(env.unwrapped, "initial_state_distrib", None)
    return TabularMDP(
        SparseTransitions(next_state, probability),
        reward,
        gamma,
        terminal=np.arange(n_states + 1) == end,
        start=None if start is None else np.append(np.asarray(start, dtype=np.float64), 0.0),
    )


def random_mdp(
    seed: int,
    n_states: int = 20,
    n_actions: int = 4,
    *,
    successors: int | None = None,
    gamma: float = 0.9,
) -> TabularMDP:
    """Return a random MDP without terminal states: rewards uniform in [0, 1], transition rows uniform on the simplex.

    With `successors=None` all states are successors (dense). With a number K it is a Garnet problem (Archibald et al.
    1995) in sparse form: K successors drawn with replacement for every (s, a).
    """
    rng = np.random.default_rng(seed)
    reward = rng.uniform(size=(n_states, n_actions))
    weight = rng.exponential(size=(n_states, n_actions, n_states if successors is None else successors))
    probability = weight / weight.sum(axis=-1, keepdims=True)  # normalised exponentials are Dirichlet(1, ..., 1)
    if successors is None:
        return TabularMDP(DenseTransitions(probability), reward, gamma)
    next_state = rng.integers(n_states, size=probability.shape)
    return TabularMDP(SparseTransitions(next_state, probability), reward, gamma)


def _dense(table: FloatArray, terminal: BoolArray) -> DenseTransitions:
    """Return the transitions of a table [S, A, S'], with terminal rows replaced by self-loops."""
    if table.ndim == 3 and table.shape[0] == table.shape[2]:  # otherwise DenseTransitions raises
        table[terminal] = np.eye(len(table))[terminal][:, None, :]
    return DenseTransitions(table)


def _terminal_states(terminal: ArrayLike | None, n_states: int) -> BoolArray:
    """Return the flags as a read-only array [S], all False by default."""
    given = np.zeros(n_states, dtype=np.bool_) if terminal is None else np.array(terminal)
    if given.shape != (n_states,) or given.dtype != np.bool_:
        raise ValueError(
            f"terminal: expected {n_states} booleans, one per state, got {given.dtype} of shape "
            f"{list(given.shape)}; from indices: np.isin(np.arange(S), indices)."
        )
    given.flags.writeable = False
    return given


def _expected_reward(reward: ArrayLike, transitions: Transitions, terminal: BoolArray) -> FloatArray:
    """Return r(s, a) [S, A] from rewards in any accepted form."""
    r: FloatArray = np.asarray(reward, dtype=np.float64)
    shape = (transitions.n_states, transitions.n_actions)
    if r.shape not in (shape, shape[:1], transitions.probability.shape):
        raise ValueError(
            f"R: expected shape [S, A] = {list(shape)}, [S] = {list(shape[:1])}, or one reward per transition "
            f"{list(transitions.probability.shape)}, got {list(r.shape)}; pass r(s, a) as [S, A]."
        )
    if not np.isfinite(r).all():
        raise ValueError(
            "R: expected finite rewards, got NaN or infinity; forbid an action by its transitions instead."
        )
    if r.ndim == 3:
        r = np.where(terminal[:, None], 0.0, transitions.expect_each(r))
    if r.ndim == 1:
        r = np.repeat(r[:, None], shape[1], axis=1)
    earning = np.flatnonzero(terminal & (r != 0.0).any(axis=-1))
    if earning.size:
        raise ValueError(
            f"R: expected reward 0 in terminal states, got {r[earning[0]].tolist()} in state {earning[0]}; "
            "put the reward on the transition that enters it."
        )
    return read_only_copy(r)


def _start_distribution(start: ArrayLike | None, terminal: BoolArray) -> FloatArray:
    """Return the validated distribution [S], uniform over the non-terminal states by default."""
    if start is None:
        weight = (~terminal).astype(np.float64) if not terminal.all() else np.ones(len(terminal))
        return read_only_copy(weight / weight.sum())
    distribution = read_only_copy(start)
    if distribution.shape != terminal.shape:
        raise ValueError(
            f"start: expected one probability for each of the {len(terminal)} states, got shape "
            f"{list(distribution.shape)}; for a fixed initial state s pass np.eye(S)[s]."
        )
    check_distributions("start", distribution)
    return distribution
