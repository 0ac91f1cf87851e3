"""dm_control tasks by their names, through Shimmy: dict observations, time limits, resume."""

from pathlib import Path

import numpy as np
import pytest

import maxent
from maxent.envs.making import EnvSource
from maxent.spaces import ObservationLayout

pytest.importorskip("shimmy", reason='needs pip install "maxent[dmc]"')

TASK = "dm_control/cartpole-balance-v0"

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Shimmy, dm_control and Gymnasium about each other


def test_a_task_is_made_by_its_name() -> None:
    env = EnvSource.of(TASK).make()
    layout = ObservationLayout.from_space(env.observation_space)
    assert [leaf.name for leaf in layout.leaves] == ["position", "velocity"]
    assert layout.features == 5  # position and angle as cosine and sine; two velocities
    obs, _ = env.reset(seed=0)
    assert np.isfinite(layout.pack(obs, 1)["float"]).all()
    env.close()


def test_sac_learns_and_resumes_on_it(tmp_path: Path) -> None:
    """120 steps at once, and 80 with a checkpoint and 40 more, end in the same numbers."""
    settings = {
        "seed": 1, "verbose": False, "hidden": (8,), "learning_starts": 40, "batch_size": 8, "buffer_size": 500,
        "eval_every": 0, "compile": "off",
    }  # fmt: skip
    whole = maxent.SAC(TASK, **settings).learn(120)
    first = maxent.SAC(TASK, **settings).learn(80)
    first.save(tmp_path / "agent")
    again = maxent.load(tmp_path / "agent", verbose=False).learn(40)
    for name, tensor in whole._learner.state.items():
        assert bool((tensor == again._learner.state[name]).all()), name
