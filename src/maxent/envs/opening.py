"""The fleet of environments for what the user passed."""

from collections.abc import Callable

from maxent.envs.fleet import Fleet
from maxent.envs.local import LocalFleet
from maxent.envs.making import EnvSource
from maxent.envs.vectorised import adopt
from maxent.envs.workers import WorkerFleet
from maxent.envs.wrappers import require_no_statistics
from maxent.errors import UserError
from maxent.spaces import ActionLayout, ObservationLayout

Look = Callable[[ObservationLayout, ActionLayout], None]


def open_fleet(
    source: EnvSource,
    members: int,
    envs_per_member: int,
    *,
    workers: bool,
    timeout: float | None,
    statistics: bool = False,
    look: Look | None = None,
) -> Fleet:
    """Return the fleet for an environment source; `statistics` allows wrappers that keep running statistics.

    `look` gets the first environment of several in this process before the others are made, and may raise.
    """
    given = source.vector or source.instance
    if given is not None and not statistics:
        require_no_statistics(given)
    if source.vector is not None:
        if source.vector.num_envs % members:
            raise UserError(
                f"vector environment: expected a multiple of {members} environments, so that {members} members get "
                f"equally many, got {source.vector.num_envs}."
            )
        return adopt(source.vector)
    if source.instance is not None:
        if members * envs_per_member != 1:
            raise UserError(
                f"environment: expected an id or a factory, to make {members * envs_per_member} environments from, "
                "got a single environment; pass `lambda: YourEnv()`."
            )
        return LocalFleet([source.instance], owned=False)
    if envs_per_member < 1:
        raise UserError(f"environments per member: expected at least 1, got {envs_per_member}.")
    count = members * envs_per_member
    if workers:
        return WorkerFleet([source.factory()] * count, timeout)
    first = source.make()
    if not statistics:
        require_no_statistics(first)
    if look is not None:
        look(ObservationLayout.from_space(first.observation_space), ActionLayout.from_space(first.action_space))
    return LocalFleet([first, *(source.make() for _ in range(count - 1))], owned=True)
