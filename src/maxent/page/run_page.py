"""The page of one run."""

from collections.abc import Mapping
from typing import Any

from maxent.page import parts
from maxent.page.charts import plain_name
from maxent.page.distribution import episodes_figure, spread
from maxent.page.document import document
from maxent.page.run_charts import run_charts
from maxent.page.table import blocks_of, csv_text, download
from maxent.page.verdict import verdict_of
from maxent.results.run import RunResults


def run_page(
    run: RunResults,
    *,
    usual: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    pictures: str = "",
) -> str:
    """Return the report of a run as one HTML file that needs no other.

    Args:
        run: the run.
        usual: the default settings of its algorithm; None where they are unknown.
        recipe: the tuned settings of its environment.
        pictures: pictures of its policy, as HTML.
    """
    return document(
        f"{run.algorithm} on {run.env}",
        run_sections(run, usual=usual, recipe=recipe, pictures=pictures),
        subtitle=f"{run.name} · started {run.created}",
        footer=f"Run by maxent {run.versions.get('maxent', 'of an unknown version')}.",
    )


def run_sections(
    run: RunResults,
    *,
    usual: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    pictures: str = "",
) -> list[str]:
    """Return the sections of a run in their order, as HTML; a live page shows the same."""
    charts = run_charts(run)
    data = download(csv_text(blocks_of(charts)), f"{plain_name(run.name)}.csv")
    return [
        parts.verdict(run, verdict_of(run), spread(run)),
        parts.section(
            "Curves", parts.figures(charts, episodes_figure(run)) if charts else "<p>No metrics yet.</p>", key="curves"
        ),
        parts.section("The policy at work", pictures, key="policy") if pictures else "",
        parts.section("Findings", parts.findings(run), key="findings"),
        parts.section("Settings", parts.settings(run.settings, usual, recipe or {}), key="settings"),
        parts.section("Command and versions", parts.provenance(run), key="provenance"),
        parts.section("Data", f"<p>{data}</p>", key="data-section"),
    ]
