"""The distribution of the returns of single episodes."""

import numpy as np

from maxent.findings import plural
from maxent.page.scales import scale_of
from maxent.page.svg import UNITS, frame
from maxent.page.verdict import signed
from maxent.results.metrics import Array
from maxent.results.run import RunResults
from maxent.view.readings import number

MOST_SEEDS = 30
"""Most seeds that have a column of their own."""


def episodes_figure(run: RunResults) -> str:
    """Return the returns of the last evaluation's episodes, a column of dots for each seed with its median.

    Nothing for a run that has not written the returns of single episodes.
    """
    evaluations = run.evaluations
    if not evaluations.single or not len(evaluations.steps):
        return ""
    returns, seeds = evaluations.returns[-1][:MOST_SEEDS], run.seeds[:MOST_SEEDS]  # [P, episodes]
    if not np.isfinite(returns).any():
        return ""
    up = scale_of(returns)
    width = UNITS / len(returns)
    inside = "".join(_column(width * (place + 0.5), width, 1 - up.place(own)) for place, own in enumerate(returns))
    labels = "".join(
        f'<text x="{100 * (place + 0.5) / len(seeds):.2f}%" y="100%" dy="18" text-anchor="middle">{seed}</text>'
        for place, seed in enumerate(seeds)
    )
    said = "; ".join(f"seed {seed}: {words(own)}" for seed, own in zip(seeds, returns, strict=True))
    svg = frame(inside, labels, up=up, x_label="seed", title="Returns of single episodes", description=said)
    count = plural(evaluations.returns.shape[2], "episode")
    return (
        '<figure id="figure-episodes"><figcaption><h3>Returns of single episodes</h3>'
        f"<p>The last evaluation, at step {int(evaluations.steps[-1]):,}: {count} of each seed, the same for all, with "
        f'their median.</p></figcaption><p class="note y-label">return per episode</p>{svg}</figure>'
    )


def words(returns: Array) -> str:
    """Return median and range of returns in words."""
    if not np.isfinite(returns).all():
        return "failed"
    low, median, high = (signed(float(value)) for value in np.quantile(returns, (0.0, 0.5, 1.0)))
    return f"median {median}, from {low} to {high}"


def spread(run: RunResults) -> dict[str, str]:
    """Return the quantiles of the last evaluation's episodes of all seeds, for a list of facts."""
    if not run.evaluations.single or not len(run.evaluations.steps):
        return {}
    returns = run.evaluations.returns[-1]
    if not np.isfinite(returns).all():
        return {}
    quantiles = np.quantile(returns, (0.05, 0.25, 0.5, 0.75, 0.95))
    return {
        "Episodes, 5 / 25 / 50 / 75 / 95 %": " / ".join(number(float(value)).replace("-", "−") for value in quantiles)
    }


def _column(middle: float, width: float, down: Array) -> str:
    """Return the dots of a seed, side by side so that equal ones show, and the line of their median."""
    down = down[np.isfinite(down)]
    if not len(down):
        return ""
    spots = np.linspace(-0.3, 0.3, len(down)) if len(down) > 1 else np.zeros(1)
    dots = "".join(
        f"M{middle + width * spot:.0f},{UNITS * place:.0f}h0" for spot, place in zip(spots, down, strict=True)
    )
    median = UNITS * float(np.median(down))
    return (
        f'<path class="line dots series-0" d="{dots}"/>'
        f'<path class="line mean series-1" d="M{middle - 0.38 * width:.0f},{median:.0f}h{0.76 * width:.0f}"/>'
    )
