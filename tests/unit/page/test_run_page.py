"""The page of a run: what it says, and that text of files stays text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from made_runs import made_run

from maxent.page.charts import block_of, plain_name, rows_for
from maxent.page.comparison_page import comparison_charts, comparison_page
from maxent.page.index_page import index_page
from maxent.page.run_charts import run_charts
from maxent.page.run_page import run_page
from maxent.page.run_table import differing_settings, names_of
from maxent.page.svg import chart_svg, labels
from maxent.page.table import blocks_of, csv_text
from maxent.page.verdict import verdict_of
from maxent.results.run import RunResults, read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """Three seeds with returns of 200, 210 and 220 at step 20,000."""
    return read_run(made_run(tmp_path_factory.mktemp("page") / "run", findings=True, episodes=True, members=3))


class Outline(HTMLParser):
    """Which elements are open, and which addresses a page names."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.scripts = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]
        self.scripts += tag == "script"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def texts(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style)>.*?</\1>", "", page))


def test_the_verdict_comes_first(run: RunResults) -> None:
    """Mean 210; s = 10, t(2) = 4.3027, so the half width is 4.3027 · 10/√3 = 24.84."""
    said = texts(run_page(run))
    first = said.index("210.0")
    assert "95 % interval 185.2 to 234.8" in said[first : first + 200]
    assert first < said.index("Curves") < said.index("Findings") < said.index("Settings")
    assert "at step 20,000, over 3 seeds" in said
    assert "0:01:00 (h:mm:ss)" in said  # 20 rows of 3 s
    assert "0 faults" not in said and "1 warning" in said


def test_one_seed_says_that_it_has_no_interval(tmp_path: Path) -> None:
    found = verdict_of(read_run(made_run(tmp_path / "run", members=1)))
    assert found.mean == 200.0 and np.isnan(found.interval).all()
    assert "One seed has no interval" in found.sentence()


def test_a_page_is_well_formed_and_names_nothing_outside(run: RunResults) -> None:
    other = read_run(run.folder)
    for page in (run_page(run), comparison_page([run, other]), index_page("runs", [run], {"<i>": "it's & that"})):
        outline = Outline(page)
        assert outline.open == []
        assert outline.scripts == 1
        assert all(address.startswith(("data:", "#")) for address in outline.addresses)
        assert "default-src 'none'" in page and len(page) < 1_000_000


def test_text_of_files_stays_text(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", findings=True, algorithm="<script>alert(1)</script>", env_kwargs={"a": 1})
    config = json.loads((folder / "config.json").read_text())
    evil = "\"><img src=x onerror=alert(1)>\x1b[31m'"
    config["command"] = config["recipe"] = config["created"] = evil
    config["run"][evil] = config["learner"]["settings"]["gamma"] = evil
    config["versions"]["torch"] = evil
    config["env"]["source"]["id"] = evil
    (folder / "config.json").write_text(json.dumps(config))
    metrics = (folder / "metrics.csv").read_text().replace("watch/findings", '"><b>=cmd()', 1)
    (folder / "metrics.csv").write_text(metrics.replace("\n", "\n", 1))
    findings = json.loads((folder / "findings.json").read_text())
    findings["findings"][0] |= {"level": evil, "what": evil}
    (folder / "findings.json").write_text(json.dumps(findings))
    run = read_run(folder)
    for page in (run_page(run, usual={}), comparison_page([run, run]), index_page(evil, [run], {evil: evil})):
        for mark in ("<img src=x", "<script>alert", "\x1b"):
            assert mark not in page, page[page.index(mark) - 200 : page.index(mark) + 50]
        assert Outline(page).scripts == 1


def test_the_csv_holds_what_the_figures_show(run: RunResults) -> None:
    charts = run_charts(run)
    lines = csv_text(blocks_of(charts)).splitlines()
    head = lines[0].split(",")
    assert head == ["run", "metric", "steps", "minutes", "updates", "mean", "low", "high", "seed 7", "seed 8", "seed 9"]
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    last = [row for row in rows if row["metric"] == "eval/mean_reward"][-1]
    assert (last["steps"], last["minutes"], last["updates"]) == ("20000", "1", "19000")
    assert (last["mean"], last["seed 7"], last["seed 9"]) == ("210", "200", "220")
    assert float(last["low"]) == pytest.approx(210 - 24.84, abs=0.01)
    href = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', run_page(run))
    assert href is not None and unquote(href[1]) == csv_text(blocks_of(charts))


def test_a_line_of_the_svg_is_where_its_values_are(run: RunResults) -> None:
    """The mean return 20, 40, …, 200 (+10) of steps 2,000 to 20,000 is a straight line up to the right end."""
    chart = next(chart for chart in run_charts(run) if chart.key == "return")
    found = re.search(r'class="line mean series-0" d="M([^"]*)"', chart_svg(chart))
    assert found is not None
    points = np.array([[float(one) for one in point.split(",")] for point in found[1].split("L")])
    assert points[:, 0].tolist() == [100.0 * k for k in range(1, 11)]  # of 1,000 units
    scale = chart.y_scale()
    expected = 1_000 * (1 - (np.arange(1, 11) * 20.0 + 10.0 - scale.low) / (scale.high - scale.low))
    np.testing.assert_allclose(points[:, 1], expected, atol=0.51)


def test_figures_are_those_that_the_run_has_metrics_for(run: RunResults) -> None:
    keys = [chart.key for chart in run_charts(run)]
    assert keys[:4] == ["return", "alpha", "entropy", "q"]
    assert "watch" not in keys, "no such metric is in the file"
    alpha = next(chart for chart in run_charts(run) if chart.key == "alpha")
    assert not alpha.log  # from 1 to 1/20: less than two decades


def test_a_run_without_metrics_has_a_page(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    (folder / "metrics.csv").unlink()
    run = read_run(folder)
    assert "No episode has finished" in run_page(run)
    assert "No episode has finished" in index_page("runs", [run], {})
    assert "not compared" in comparison_page([run, run])


def test_long_runs_keep_few_rows_with_their_extremes(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path / "run", rows=5_000, log_every=10, members=1))
    block = block_of(run.metrics, "train/q_mean", run="run", seeds=run.seeds, most=100)
    assert block is not None and block.rows == 5_000
    assert len(block.x["steps"]) <= 100
    assert (block.columns["mean"].min(), block.columns["mean"].max()) == (1.0, 5_000.0)
    assert rows_for(10_000_000) == 40 and rows_for(1) == 1_000
    assert "of 5,000 rows" in run_page(run)


def test_names_tell_runs_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "b" / "other"]
    runs = [read_run(made_run(folder)) for folder in folders]
    assert names_of(runs[1:]) == ["run", "other"]
    assert names_of(runs) == ["a/run", "b/run", "b/other"]
    assert names_of([runs[0], runs[0]]) == ["run (1)", "run (2)"]


@pytest.mark.parametrize(
    ("text", "expected"), [("=cmd()", "_cmd()"), ('a,"b"\n', "a__b__"), ("-1", "_1"), ("a/b", "a/b")]
)
def test_names_mean_nothing_to_spreadsheets(text: str, expected: str) -> None:
    assert plain_name(text) == expected


def test_a_comparison_says_whether_the_difference_is_noise(tmp_path: Path) -> None:
    """Returns of 200 to 240 against 1,200 to 1,240: five seeds each, all of one above all of the other."""
    low, high = made_run(tmp_path / "low", members=5), made_run(tmp_path / "high", members=5)
    lines = (high / "metrics.csv").read_text().splitlines()
    head = lines[0].split(",")
    for place in [at for at, name in enumerate(head) if name.startswith("eval/mean_reward")]:
        for number in range(1, len(lines)):
            cells = lines[number].split(",")
            if cells[place]:
                cells[place] = str(float(cells[place]) + 1_000)
            lines[number] = ",".join(cells)
    (high / "metrics.csv").write_text("\n".join(lines) + "\n")
    said = texts(comparison_page([read_run(low), read_run(high)]))
    assert "high is better than low on Pendulum-v1, by more than noise" in said
    assert "All settings of these runs are the same" in said


def test_ten_long_runs_are_compared_on_less_than_a_megabyte(tmp_path: Path) -> None:
    """10 runs of 5 seeds with 1,000 rows; their intervals are for those who ask, and every figure has one note."""
    runs = [read_run(made_run(tmp_path / f"run-{number}", rows=1_000, members=5)) for number in range(10)]
    page = comparison_page(runs)
    assert len(page) < 1_000_000
    charts = comparison_charts(runs, names_of(runs))
    assert not any(chart.bands for chart in charts) and 'id="bands">' in page
    assert all('class="band' not in chart_svg(chart) for chart in charts)
    notes = re.findall(r'<p class="note more">([^<]*)</p>', page)
    assert len(notes) == len(charts)
    assert all(note.endswith(".") and note.count("rows") == 1 for note in notes)
    few = comparison_charts(runs[:4], names_of(runs[:4]))
    assert 'class="band' in chart_svg(few[0])
    block = charts[0].entries[0].block
    assert len(block.x["steps"]) > 30  # thinned by the mean alone, not by six lines


def test_a_default_that_differs_from_the_recipe_is_shown(run: RunResults) -> None:
    page = run_page(run, usual={**run.settings}, recipe={"batch_size": 512})
    table = page[page.index("differ from the defaults or the recipe") : page.index("All settings</summary>")]
    assert "batch_size" in table and "512" in table and "learning_rate" not in table


def test_entries_that_an_older_run_lacks_are_no_difference(tmp_path: Path) -> None:
    new, old = read_run(made_run(tmp_path / "new")), read_run(made_run(tmp_path / "old"))
    later = {**new.settings, "replay": {"kind": "uniform", "later": 1}, "later": 2}
    assert "All settings are the defaults" in run_page(old, usual=later)
    runs = [replace(new, settings=later), old]
    assert "All settings of these runs are the same" in differing_settings(runs, ["new", "old"])
    other = replace(new, settings={**later, "replay": {"kind": "prioritized"}})
    assert "prioritized" in differing_settings([other, old], ["other", "old"])


def test_ticks_of_an_axis_share_a_unit() -> None:
    assert labels([0.0, 5_000.0, 10_000.0]) == ["0", "5k", "10k"]
    assert labels([2_000.0, 4_000.0]) == ["2,000", "4,000"]
    assert labels([500_000.0, 1_000_000.0, 1_500_000.0]) == ["500k", "1M", "1.5M"]
