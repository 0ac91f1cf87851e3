"""The picture of a run in its folder."""

from maxent.runs.folder import RunFolder


def draw_run_curve(folder: RunFolder, title: str) -> None:
    """Draw the learning curve of a run into its folder."""
    from maxent.view.curve import draw_curve  # matplotlib takes a moment to import: only when it is needed

    if folder.metrics.exists():
        draw_curve(folder.metrics, folder.curve, title)
