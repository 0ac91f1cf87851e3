"""The environments that come with maxent, made known to Gymnasium under `maxent/`.

Registering names a module and a class; the module itself is imported when the environment is first made.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import final

ENVS = {
    "maxent/LinearQuadratic-v0": ("maxent.envs.problems.linear_quadratic:LinearQuadratic", 25),
    "maxent/MultiGoal-v0": ("maxent.envs.problems.multigoal:MultiGoal", 30),
    "maxent/PointReach-v0": ("maxent.envs.problems.point_reach:PointReach", 50),
    "maxent/Tabular-v0": ("maxent.envs.problems.tabular:random_tabular", 100),
}
"""For each id what makes the environment, and after how many steps an episode is truncated."""


def register() -> None:
    """Enters the ids into Gymnasium's registry; those that it knows already stay as they are."""
    import gymnasium

    for env_id, (entry_point, steps) in ENVS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point=entry_point, max_episode_steps=steps)


def register_with_gymnasium() -> None:
    """Registers now if Gymnasium is loaded, and else as soon as it is.

    So `import maxent` stays light, and yet `gymnasium.make` knows the ids whichever of the two was imported first.
    """
    if "gymnasium" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _AfterGymnasium())


@final
class _AfterGymnasium(MetaPathFinder):
    """Waits for the import of Gymnasium, leaves it to the usual finders, and registers when it is done."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)  # whoever asks may only want to know where it is
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                register()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
