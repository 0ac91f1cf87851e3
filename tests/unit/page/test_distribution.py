"""The distribution of single episodes."""

from pathlib import Path

from made_runs import made_run

from maxent.page.distribution import episodes_figure, spread
from maxent.results.run import read_run


def test_each_seed_has_its_episodes_and_their_median(tmp_path: Path) -> None:
    figure = episodes_figure(read_run(made_run(tmp_path / "run", episodes=True, members=2)))
    assert "seed 7: median 200.0, from 199.0 to 201.0; seed 8: median 210.0, from 209.0 to 211.0" in figure
    assert figure.count("h0") == 6  # dots: two seeds, three episodes
    assert "at step 20,000: 3 episodes of each seed" in figure


def test_a_run_with_means_alone_has_no_figure(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path / "run"))
    assert episodes_figure(run) == "" and spread(run) == {}
