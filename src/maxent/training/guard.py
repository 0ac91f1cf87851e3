"""A guard over the members of a run: one that diverges goes back to its last good state, and the others train on."""

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

IN_A_ROW = 3
"""A member that diverges so often, without a whole interval between two good states in between, ends."""
BLOWN_UP = 1_000.0
"""Critics have blown up where their mean Q is so many times what the rewards seen so far can add up to."""
LARGE = 1e6
"""A mean Q below this is not looked at more closely."""
SHARED = ("metric_sums", "metric_counts", ".adam_steps", ".adam_scale")
"""Ends of the names of tensors that no member owns, and of the sums of metrics, which no update reads."""
ADVICE = (
    "try a smaller --learning-rate, --max-grad-norm 1, a smaller --reward-scale, and check the environment's rewards."
)

Broken = dict[int, list[str]]
"""What is not finite or too large, by member."""


@final
class Guard:
    """Keeps the last good state of every member, and puts back those whose numbers can no longer be used.

    A member that is put back goes on with random numbers that it has not used before. Its replay stays, without its
    priorities: what is not finite does not get there. Members are independent, so nothing of the others changes.

    Args:
        learner: whose state is guarded.
        streams: the random numbers of its members.
        replay: has the rewards that bound Q.
        sampler: its priorities are made of the errors of members.
    """

    def __init__(self, learner: Learner, streams: Streams, replay: Replay, sampler: Sampler) -> None:
        self.learner, self.streams, self.replay, self.sampler = learner, streams, replay, sampler
        self.say: Callable[[str], object] = lambda _: None
        """Where messages go."""
        members = learner.members
        self.ended = [False] * members
        """Members that have diverged too often: they keep their last good state."""
        self._in_a_row, self._ever, self._since = [0] * members, [0] * members, [False] * members
        self._good_step = 0
        self._good = {name: tensor.clone() for name, tensor in self._own().items()}

    def examine(self, step: int, metrics: Mapping[str, Any] | None = None) -> None:
        """Put back every member whose tensors, or metrics [P], show that it has diverged."""
        if broken := self._broken(metrics or {}):
            self.recover(step, broken)

    def recover(self, step: int, broken: Broken) -> None:
        """Put members back that have diverged; raise `UserError` if none is left that learns."""
        for member, what in broken.items():
            self._put_back(member)
            if self.ended[member]:
                continue
            self._in_a_row[member] += 1
            self._ever[member] += 1
            self._since[member] = True
            self.ended[member] = self._in_a_row[member] == IN_A_ROW
            self.streams.renew(member, self._ever[member])
            self.sampler.forget_errors(member)
            if not all(self.ended):
                self.say(self._text(member, step, ", ".join(what)))
        if all(self.ended):
            found = ", ".join(dict.fromkeys(name for what in broken.values() for name in what))
            text = f"Training diverged by step {step:,} ({found}), {IN_A_ROW} times in a row: {ADVICE}"
            raise UserError(text)

    def keep(self, step: int) -> None:
        """Keep the present state, which `examine` has found good."""
        for name, tensor in self._own().items():
            self._good[name].copy_(tensor)
        self._good_step = step
        for member, since in enumerate(self._since):
            self._in_a_row[member] = self._in_a_row[member] if since else 0
        self._since = [False] * len(self._since)

    def hold(self) -> None:
        """Undo the updates of the members that have ended."""
        for member, ended in enumerate(self.ended):
            if ended:
                self._put_back(member)

    def state(self) -> Saved:
        """Return the counts; the good state of a resumed run is that of its checkpoint."""
        return Saved({
            "ended": list(self.ended), "in_a_row": list(self._in_a_row), "ever": list(self._ever),
            "since": list(self._since), "good_step": self._good_step,
        })  # fmt: skip

    def restore(self, saved: Saved) -> None:
        """Restore the counts, and keep the state of the learner, which has been restored already."""
        plain = saved.plain
        self.ended, self._in_a_row, self._ever = list(plain["ended"]), list(plain["in_a_row"]), list(plain["ever"])
        self._since, self._good_step = list(plain["since"]), plain["good_step"]
        self._good = {name: tensor.clone() for name, tensor in self._own().items()}

    def _own(self) -> dict[str, Tensor]:
        """Return the tensors whose first axis is the members'."""
        return {name: tensor for name, tensor in self.learner.state.items() if not name.endswith(SHARED)}

    def _put_back(self, member: int) -> None:
        for name, good in self._good.items():
            self.learner.state[name][member].copy_(good[member])
        if "metric_sums" in self.learner.state:
            self.learner.state["metric_sums"][member] = torch.nan  # no metrics until the next row

    def _broken(self, metrics: Mapping[str, Any]) -> Broken:
        """Return which members have diverged, and how."""
        found: Broken = {}
        for name, tensor in self._own().items():
            # one pass over the tensor; a sum may overflow although all numbers are finite, so look closer then
            if bool(torch.isfinite(tensor.sum())):
                continue
            finite = torch.isfinite(tensor).reshape(len(tensor), -1).all(1).tolist()
            for member in [member for member, good in enumerate(finite) if not good]:
                found.setdefault(member, []).append(f"{name} not finite")
        for name in ("train/critic_loss", "train/actor_loss"):
            for member in np.flatnonzero(np.isinf(metrics.get(name, 0.0))).tolist():
                found.setdefault(member, []).append(f"{name} not finite")
        for member in np.flatnonzero(np.abs(metrics.get("train/q_mean", 0.0)) > LARGE).tolist():
            q, most = float(np.abs(metrics["train/q_mean"][member])), self._largest_return(member, metrics)
            if q > BLOWN_UP * most:
                found.setdefault(member, []).append(f"mean Q {q:.1e} where the rewards allow {most:.1e}")
        return found

    def _largest_return(self, member: int, metrics: Mapping[str, Any]) -> float:
        """Return what the largest reward seen so far, with the entropy of ten nats a dimension, can add up to."""
        config = self.learner.config
        rewards = self.replay.columns["row"][member, :, -1]
        largest = 10.0 if config.norm_reward else config.reward_scale * float(rewards.abs().max())
        alpha = float(metrics["train/ent_coef"][member]) if "train/ent_coef" in metrics else 0.0
        return (largest + alpha * 10.0 * self.learner.action.size) / max(1.0 - config.gamma, 1e-6)

    def _text(self, member: int, step: int, what: str) -> str:
        where = f"member {member} diverged by step {step:,} ({what})"
        if self.ended[member]:
            row = f"{IN_A_ROW} times in a row"
            return f"{where}, {row}: it learns no more, and keeps its state of step {self._good_step:,}"
        return f"{where}: it goes back to its state of step {self._good_step:,}, with other random numbers"
