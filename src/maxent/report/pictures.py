"""Pictures of a policy as HTML: frames of an episode, or its video."""

import base64
import io
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import final

from maxent.agent import EVALUATION_BASE, Agent
from maxent.errors import UserError
from maxent.report.frames import STRIP_SIDE, Frame, FrameSink, Thinned, Video, smaller
from maxent.report.playing import Played, play_episodes

QUALITY = 80
"""Of JPEG, from 0 to 100."""
LONGEST = 10_000
"""Most steps of an episode, as in evaluations."""


@final
class Frames(FrameSink):
    """Frames at nearly even distances of one episode."""

    def __init__(self) -> None:
        self.kept = Thinned()

    def wants(self, step: int) -> bool:
        """Return whether the frame may be one of those shown; raise `UserError` for an episode without an end."""
        if step > LONGEST:
            raise UserError(f"an episode of the policy has no end within {LONGEST:,} steps, so it is not drawn.")
        return step % self.kept.every == 0

    def add(self, step: int, frame: Frame) -> None:
        """Store the frame."""
        self.kept.add(step, smaller(frame, STRIP_SIDE))

    def finish(self) -> None:
        """Do nothing: the frames are read from `kept`."""


def filmstrip(agent: Agent) -> str:
    """Return frames of the first evaluation episode of the best member, each with its step, as HTML."""
    sink = Frames()
    played = _play(agent, sink)
    pictures = []
    for step, image in sink.kept.chosen():
        data = io.BytesIO()
        image.convert("RGB").save(data, format="JPEG", quality=QUALITY, optimize=True)
        source = f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
        size = f'width="{image.width}" height="{image.height}"'
        pictures.append(
            f'<figure><img src="{source}" {size} alt="The environment at step {step:,}.">'
            f"<figcaption>step {step:,}</figcaption></figure>"
        )
    return f'<p>{_sentence(agent, played)}</p><div class="filmstrip">{"".join(pictures)}</div>'


def video(agent: Agent) -> str:
    """Return the video of the first evaluation episode of the best member, as HTML."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.mp4"
        played = _play(agent, lambda fps: Video(path, fps))
        data = base64.b64encode(path.read_bytes()).decode()
    return (
        f"<p>{_sentence(agent, played)}</p>"
        f'<video controls loop muted playsinline preload="metadata" aria-label="An episode of the policy" '
        f'src="data:video/mp4;base64,{data}"></video>'
    )


def _play(agent: Agent, sink: FrameSink | Callable[[int], FrameSink]) -> Played:
    """Play one episode, whose frames go to a sink."""
    made = (lambda fps: sink) if isinstance(sink, FrameSink) else sink
    (played,) = play_episodes(
        agent, episodes=1, member=None, base_seed=EVALUATION_BASE, sink=made, say=lambda sentence: None
    )
    return played


def _sentence(agent: Agent, played: Played) -> str:
    member = "" if agent.members == 1 else f" of member {agent.best_member()}, the best one"
    return escape(
        f"An episode of the best policy{member}, with its most probable actions: return {played.ret:,.2f} after "
        f"{played.length:,} steps."
    )
