"""Episodes of a policy in a window, or as frames."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from maxent.agent import Agent
from maxent.envs.seeds import evaluation_seed
from maxent.errors import UserError
from maxent.report.frames import FrameSink
from maxent.report.rendering import follow_body, has_display, prepare_rendering, read_frame


class Played(NamedTuple):
    """Return and length of one episode."""

    ret: float
    length: int


def play_episodes(
    agent: Agent,
    *,
    episodes: int,
    member: int | None,
    base_seed: int,
    sink: Callable[[int], FrameSink] | None,
    say: Callable[[str], None] = print,
) -> Iterator[Played]:
    """Play episodes with the mode of one member's policy.

    Frames go to the sink that `sink` makes for a number of frames per second; without one a window shows them.
    """
    if sink is None and not has_display():
        raise UserError("There is no display to open a window on: write a video instead, with --video FILE.mp4.")
    source = agent.require_source()
    if sentence := prepare_rendering(source.env_id):
        say(sentence)
    env = agent.make_env("human" if sink is None else "rgb_array")
    follow_body(env, source.kwargs)
    target: FrameSink | None = None
    try:
        target = None if sink is None else sink(int(env.metadata.get("render_fps", 30)))
        for number in range(episodes):
            obs, _ = env.reset(seed=evaluation_seed(base_seed, number))
            ret, length, ended = 0.0, 0, False
            if target is not None:
                target.begin()
                target.add(0, read_frame(env))
            while not ended:
                action, _ = agent.predict(obs, deterministic=True, member=member)
                obs, reward, terminated, truncated, _ = env.step(action)
                ret, length, ended = ret + float(reward), length + 1, terminated or truncated
                if target is not None and (ended or target.wants(length)):
                    target.add(length, read_frame(env))
            yield Played(ret, length)
        if target is not None:
            target.finish()
    finally:
        if target is not None:
            target.close()
        env.close()
