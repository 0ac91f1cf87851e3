"""The returns and lengths of the single episodes of evaluations, in a file of their own."""

from pathlib import Path
from typing import final

from maxent.runs.observer import Evaluation, Observer, Record, RunHeader
from maxent.runs.sinks import CsvSink


def evaluation_tags(episodes: int) -> tuple[str, ...]:
    """Return the columns of evaluations.csv: the return and the length of each episode."""
    return tuple(f"{name}/{episode}" for name in ("return", "length") for episode in range(episodes))


@final
class EvaluationSink(Observer):
    """Writes a row for each evaluation, with the columns of `csv_columns`: `return/E/M` is episode E of member M.

    Episode E has the same seed in every evaluation and for every member, so `return/E` is their mean over members.
    """

    def __init__(self, path: Path, episodes: int) -> None:
        self._episodes = episodes
        self._file = CsvSink(path, evaluation_tags(episodes), resume=True)

    def on_start(self, header: RunHeader) -> None:
        """Open the file, with its header and the rows to keep."""
        self._file.on_start(header)

    def on_evaluation(self, evaluation: Evaluation) -> None:
        """Append a row."""
        rows = (*evaluation.returns.T, *evaluation.lengths.T.astype(float))  # [2 episodes, P]
        self._file.on_record(Record(evaluation.step, dict(zip(evaluation_tags(self._episodes), rows, strict=True))))

    def flush(self) -> None:
        """Bring the rows to the disk."""
        self._file.flush()

    def on_end(self, reason: str) -> None:
        """Flush and close the file."""
        self._file.on_end(reason)
