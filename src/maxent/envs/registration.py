"""The environments that come with maxent, in Gymnasium's registry under `maxent/`.

`import maxent.envs` registers them. Registering names a module and a class; the module itself is imported when the
environment is first made.
"""

import gymnasium

ENVS = {
    "maxent/Dot-v0": ("maxent.envs.problems.dot:Dot", 20),
    "maxent/LinearQuadratic-v0": ("maxent.envs.problems.linear_quadratic:LinearQuadratic", 25),
    "maxent/MultiGoal-v0": ("maxent.envs.problems.multigoal:MultiGoal", 30),
    "maxent/PointReach-v0": ("maxent.envs.problems.point_reach:PointReach", 50),
    "maxent/Tabular-v0": ("maxent.envs.problems.tabular:random_tabular", 100),
}
"""For each id the entry point, and the number of steps after which an episode is truncated."""


def register() -> None:
    """Register the ids with Gymnasium, except those that are registered already."""
    for env_id, (entry_point, steps) in ENVS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point=entry_point, max_episode_steps=steps)
