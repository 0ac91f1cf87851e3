"""An observer that writes down every event of a run."""

from typing import Any

from maxent.runs.observer import EpisodeEnd, Evaluation, Observer, Record, RunHeader


class Witness(Observer):
    """Writes down every event, and asks to stop at an event of this kind and step."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.stop = stop
        self.events: list[tuple[str, Any]] = []
        self.headers: list[RunHeader] = []
        self.messages: list[str] = []
        self.steps: list[int] = []
        self.records: list[Record] = []
        self.episodes: list[EpisodeEnd] = []
        self.evaluations: list[Evaluation] = []

    def note(self, kind: str, what: Any = None) -> bool | None:
        self.events.append((kind, what))
        return (kind, what) == self.stop or None

    def on_start(self, header: RunHeader) -> None:
        self.headers.append(header)
        self.note("start", header.start)

    def on_step(self, step: int) -> None:
        self.steps.append(step)

    def on_episode(self, episode: EpisodeEnd) -> bool | None:
        self.episodes.append(episode)
        return self.note("episode", episode.step)

    def on_record(self, record: Record) -> bool | None:
        self.records.append(record)
        return self.note("record", record.step)

    def on_evaluation(self, evaluation: Evaluation) -> bool | None:
        self.evaluations.append(evaluation)
        return self.note("evaluation", evaluation.step)

    def on_message(self, text: str) -> None:
        self.messages.append(text)

    def flush(self) -> None:
        self.note("flush")

    def on_checkpoint(self, step: int) -> None:
        self.note("checkpoint", step)

    def on_end(self, reason: str) -> None:
        self.note("end", reason)
