"""Pages of runs that failed, and of extreme metrics."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run

from maxent.page.comparison_page import comparison_charts, comparison_page
from maxent.page.index_page import index_page
from maxent.page.run_page import run_page
from maxent.page.verdict import verdict_of
from maxent.results.run import RunResults, read_run


def texts(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style)>.*?</\1>", "", page))


def changed(folder: Path, row: int, **values: str) -> RunResults:
    """Return a run with other values in a row of metrics, by tag with `__` for /."""
    lines = (folder / "metrics.csv").read_text().splitlines()
    cells = lines[row].split(",")
    for name, value in values.items():
        for place in [at for at, one in enumerate(lines[0].split(",")) if one == name.replace("__", "/")]:
            cells[place] = value
    lines[row] = ",".join(cells)
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    return read_run(folder)


def test_a_diverged_seed_has_failed_and_no_older_evaluation_is_the_last(tmp_path: Path) -> None:
    """At step 20,000 the seeds have 200, nan and 220: the mean of the others is 210."""
    run = changed(made_run(tmp_path / "run", members=3), 20, eval__mean_reward__1="nan")
    found = verdict_of(run)
    assert (found.step, found.failed, found.mean) == (20_000, 1, 210.0)
    assert np.isnan(found.interval).all()
    said = texts(run_page(run))
    assert (
        "1 of 3 seeds has failed." in said
        and "at step 20,000, over 2 of 3 seeds; without the others it has no interval" in said
    )
    assert "1 of 3 seeds has failed." in texts(index_page("runs", [run], {}))
    assert "3, 1 failed" in texts(comparison_page([run, run]))
    gone = {f"eval__mean_reward__{member}": "inf" for member in range(3)}
    run = changed(run.folder, 20, **gone)
    assert "3 of 3 seeds have failed. At step 20,000" in texts(run_page(run))
    assert verdict_of(run).failed == 3 and np.isnan(verdict_of(run).mean)


def test_episodes_of_a_failed_seed_are_not_drawn(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", members=2, episodes=True)
    lines = (folder / "evaluations.csv").read_text().splitlines()
    step, *cells = lines[-1].split(",")
    (folder / "evaluations.csv").write_text("\n".join([*lines[:-1], ",".join([step, *["nan"] * len(cells)])]) + "\n")
    page = run_page(read_run(folder))
    assert "2 of 2 seeds have failed" in page and "figure-episodes" not in page


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [("failed", "This run has failed"), ("interrupted", "This run was interrupted"), ("finished", None)],
)
def test_pages_say_how_a_run_ended(tmp_path: Path, ending: str, sentence: str | None) -> None:
    run = read_run(made_run(tmp_path / "run", ending=ending))
    said = texts(run_page(run))
    assert (sentence is None and "This run" not in said) or (sentence is not None and sentence in said)
    assert f'class="state {ending}"' in index_page("runs", [run], {})
    assert ending in texts(comparison_page([run, run]))


def test_absent_findings_are_not_no_findings(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", members=1)
    assert "found nothing" not in run_page(read_run(folder))
    assert "The watcher of the run found nothing" in run_page(changed(folder, 20, watch__findings="0"))


def test_a_band_that_is_cut_off_has_a_note(tmp_path: Path) -> None:
    """Of 2 seeds the half width is 12.7 · 7.07/√2 = 63.5; the lines span 190, of which half fits above and below."""
    folder = made_run(tmp_path / "run", members=2)
    note = "Where a band leaves the figure"
    assert note not in run_page(read_run(folder)).split('id="figure-alpha"')[0]
    run = changed(folder, 20, eval__mean_reward__0="-100")  # s = 219, so the half width is 1,969
    assert note in run_page(run).split('id="figure-alpha"')[0]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e308", "-1e308", "1e-320", "1e99"])
def test_hostile_metrics_give_a_page_without_warnings(tmp_path: Path, value: str) -> None:
    folder = made_run(tmp_path / "run", members=3, episodes=True)
    for name in ("metrics.csv", "evaluations.csv"):
        lines = (folder / name).read_text().splitlines()
        rows = [line.split(",") for line in lines[1:]]
        changed_rows = [",".join([row[0], *[value] * (len(row) - 1)]) for row in rows]
        (folder / name).write_text("\n".join([lines[0], *changed_rows]) + "\n")
    run = read_run(folder)
    for page in (run_page(run), index_page("runs", [run], {})):
        assert not re.search(r'<path[^>]* d="[^"]*nan', page)


def test_one_seed_without_a_number_gives_no_warning(tmp_path: Path) -> None:
    """A seed that has never had a number leaves the figure without a mean, but with the other seeds."""
    folder = made_run(tmp_path / "run", members=2)
    for row in range(1, 21):
        run = changed(folder, row, train__q_mean__1="nan", eval__mean_reward__1="nan")
    assert "1 of 2 seeds has failed" in run_page(run)
    index_page("runs", [run], {})
    comparison_charts([run, run], ["a", "b"])
