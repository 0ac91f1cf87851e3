"""The best policy of each member so far, by the run's own evaluations."""

from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from maxent.engine.learner import Learner
from maxent.nn.optimiser import State
from maxent.runs.folder import RunFolder
from maxent.stateful import Saved


@final
class BestPolicy:
    """Keeps a copy of each member's policy at its highest mean evaluation return."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.score = np.full(learner.members, -np.inf)  # [P]
        self._policy: State = learner.policy()

    def consider(self, returns: NDArray[np.float64]) -> None:
        """Copy the present policy of every member whose mean return [P] is higher than any before."""
        better = returns > self.score
        for name, tensor in self.learner.policy().items():
            self._policy[name][better] = tensor[better]
        self.score = np.where(better, returns, self.score)

    def policy(self) -> State:
        """Return the best policy of each member; a member that was never evaluated has its present one."""
        never = np.isneginf(self.score)
        best = {name: tensor.clone() for name, tensor in self._policy.items()}
        for name, tensor in self.learner.policy().items():
            best[name][never] = tensor[never]
        return best

    def state(self) -> Saved:
        """Return policies and scores."""
        return Saved({}, {"score": torch.from_numpy(self.score), **self.learner.named(self._policy)})

    def restore(self, saved: Saved) -> None:
        """Restore policies and scores."""
        self.learner.load_named(saved.tensors, self._policy)
        self.score = saved.tensors["score"].numpy()


def write_policies(folder: RunFolder, best: BestPolicy, *, step: int, scores: NDArray[np.float64]) -> None:
    """Write the present policies and the best ones into the folder of a run."""
    learner = best.learner
    for which, policy in (("last", learner.policy()), ("best", best.policy())):
        tensors = learner.named(policy)
        folder.write_policy(which, learner=learner.to_plain(), tensors=tensors, step=step, scores=scores)
