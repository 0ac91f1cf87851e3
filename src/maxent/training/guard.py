"""The guard of a run: it rolls members that diverge back to their last good state, and the others train on."""

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from maxent.engine.learner import Learner
from maxent.engine.streams import Streams
from maxent.errors import UserError
from maxent.replay import Replay, Sampler
from maxent.stateful import Saved

MAX_IN_A_ROW = 3
"""A member that diverges so often, without one checkpoint interval free of it in between, ends."""
Q_FACTOR = 1_000.0
"""Critics have blown up if their mean Q exceeds the largest plausible return by this factor."""
LARGE_Q = 1e6
"""A mean Q below this is never called blown up."""
SHARED = ("metric_sums", "metric_counts", ".adam_steps", ".adam_scale")
"""Suffixes of tensors that are not per member, and of the sums of metrics, which no update reads."""
ADVICE = (
    "try a smaller --learning-rate, --max-grad-norm 1, a smaller --reward-scale, and check the environment's rewards."
)

Diverged = dict[int, list[str]]
"""Descriptions of what is not finite or too large, by member."""


@final
class Guard:
    """Keeps the last good state of every member and restores it where a member diverges.

    A member that is rolled back goes on with random streams that it has not used before. It keeps its replay, which
    never contains numbers that are not finite, but not its priorities. Members are independent, so the others do not
    change.

    Args:
        learner: the learner to guard.
        streams: its random streams.
        replay: the rows, whose rewards bound Q.
        sampler: the sampler, whose priorities derive from the members' errors.
    """

    def __init__(self, learner: Learner, streams: Streams, replay: Replay, sampler: Sampler) -> None:
        self.learner, self.streams, self.replay, self.sampler = learner, streams, replay, sampler
        self.on_message: Callable[[str], object] = lambda _: None
        """Receives messages to the user."""
        members = learner.members
        self.ended = [False] * members
        """Which members have diverged too often; they stay at their last good state."""
        self._in_a_row, self._ever, self._since = [0] * members, [0] * members, [False] * members
        self._good_step = 0
        self._good = {name: tensor.clone() for name, tensor in self._per_member().items()}

    def examine(self, step: int, metrics: Mapping[str, Any] | None = None) -> None:
        """Roll back every member that has diverged, by its tensors or by `metrics` [P]."""
        if diverged := self._diverged(metrics or {}):
            self.recover(step, diverged)

    def recover(self, step: int, diverged: Diverged) -> None:
        """Roll back members that have diverged; raise `UserError` if no member is left that learns."""
        for member, problems in diverged.items():
            self._roll_back(member)
            if self.ended[member]:
                continue
            self._in_a_row[member] += 1
            self._ever[member] += 1
            self._since[member] = True
            self.ended[member] = self._in_a_row[member] == MAX_IN_A_ROW
            self.streams.renew(member, self._ever[member])
            self.sampler.forget_errors(member)
            if not all(self.ended):
                self.on_message(self._text(member, step, ", ".join(problems)))
        if all(self.ended):
            found = ", ".join(dict.fromkeys(name for problems in diverged.values() for name in problems))
            text = f"Training diverged by step {step:,} ({found}), {MAX_IN_A_ROW} times in a row: {ADVICE}"
            raise UserError(text)

    def keep(self, step: int) -> None:
        """Keep the present state as the last good one; call `examine` before."""
        for name, tensor in self._per_member().items():
            self._good[name].copy_(tensor)
        self._good_step = step
        for member, since in enumerate(self._since):
            self._in_a_row[member] = self._in_a_row[member] if since else 0
        self._since = [False] * len(self._since)

    def hold(self) -> None:
        """Undo the updates of members that have ended."""
        for member, ended in enumerate(self.ended):
            if ended:
                self._roll_back(member)

    def state(self) -> Saved:
        """Return the counts; the state of the checkpoint is the last good one."""
        return Saved({
            "ended": list(self.ended), "in_a_row": list(self._in_a_row), "ever": list(self._ever),
            "since": list(self._since), "good_step": self._good_step,
        })  # fmt: skip

    def restore(self, saved: Saved) -> None:
        """Restore the counts, and keep the learner's state, which is restored before, as the last good one."""
        plain = saved.plain
        self.ended, self._in_a_row, self._ever = list(plain["ended"]), list(plain["in_a_row"]), list(plain["ever"])
        self._since, self._good_step = list(plain["since"]), plain["good_step"]
        self._good = {name: tensor.clone() for name, tensor in self._per_member().items()}

    def _per_member(self) -> dict[str, Tensor]:
        """Return the tensors whose first axis is P."""
        return {name: tensor for name, tensor in self.learner.state.items() if not name.endswith(SHARED)}

    def _roll_back(self, member: int) -> None:
        """Restore the last good state of a member."""
        for name, good in self._good.items():
            self.learner.state[name][member].copy_(good[member])
        if "metric_sums" in self.learner.state:
            self.learner.state["metric_sums"][member] = torch.nan  # no metrics until the next row

    def _diverged(self, metrics: Mapping[str, Any]) -> Diverged:
        """Return the members that have diverged, with what is wrong with each."""
        found: Diverged = {}
        for name, tensor in self._per_member().items():
            # one pass over the tensor; a sum may overflow although all numbers are finite, so look closer then
            if bool(torch.isfinite(tensor.sum())):
                continue
            finite = torch.isfinite(tensor).reshape(len(tensor), -1).all(1).tolist()
            for member in [member for member, good in enumerate(finite) if not good]:
                found.setdefault(member, []).append(f"{name} not finite")
        for name in ("train/critic_loss", "train/actor_loss"):
            for member in np.flatnonzero(np.isinf(metrics.get(name, 0.0))).tolist():
                found.setdefault(member, []).append(f"{name} not finite")
        for member in np.flatnonzero(np.abs(metrics.get("train/q_mean", 0.0)) > LARGE_Q).tolist():
            q, most = float(np.abs(metrics["train/q_mean"][member])), self._largest_return(member, metrics)
            if q > Q_FACTOR * most:
                found.setdefault(member, []).append(f"mean Q {q:.1e} where the rewards allow {most:.1e}")
        return found

    def _largest_return(self, member: int, metrics: Mapping[str, Any]) -> float:
        """Return the discounted return of the largest |reward| so far with ten nats of entropy per action, for ever."""
        config = self.learner.config
        rewards = self.replay.columns["row"][member, :, -1]
        largest = 10.0 if config.norm_reward else abs(config.reward_scale) * float(rewards.abs().max())
        alpha = float(metrics["train/ent_coef"][member]) if "train/ent_coef" in metrics else 0.0
        return (largest + alpha * 10.0 * self.learner.action.size) / max(1.0 - config.gamma, 1e-6)

    def _text(self, member: int, step: int, what: str) -> str:
        """Return the message about a member that was rolled back."""
        where = f"member {member} diverged by step {step:,} ({what})"
        if self.ended[member]:
            row = f"{MAX_IN_A_ROW} times in a row"
            return f"{where}, {row}: it learns no more, and keeps its state of step {self._good_step:,}"
        return f"{where}: it goes back to its state of step {self._good_step:,}, with other random numbers"
