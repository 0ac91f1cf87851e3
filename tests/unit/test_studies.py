"""The studies of benchmarks/studies: their runs can be interrupted, shared and drawn."""

import csv
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "studies"


@pytest.fixture(name="studies")
def fixture_studies(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """Its modules, which are not a package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield {name: importlib.import_module(name) for name in ("jobs", "plans", "figures")}


def test_every_study_has_different_runs_with_settings_that_agents_take(studies: dict[str, ModuleType]) -> None:
    import maxent
    from maxent.training.settings import Settings

    for study, jobs_of in studies["plans"].STUDIES.items():
        jobs = jobs_of()
        assert len({job.name for job in jobs}) == len(jobs) > 3, study
        for job in jobs:
            Settings.of(getattr(maxent, job.agent).algorithm, dict(job.settings))


def test_random_settings_are_the_same_for_every_algorithm_and_lie_around_the_defaults(
    studies: dict[str, ModuleType],
) -> None:
    plans = studies["plans"]
    assert plans.random_settings(3) == plans.random_settings(3) != plans.random_settings(4)
    drawn = [plans.random_settings(number) for number in range(200)]
    for name, default in (("learning_rate", 3e-4), ("tau", 5e-3), ("reward_scale", 1.0), ("noise", 1.0), ("units", 64)):
        assert min(one[name] for one in drawn) < default < max(one[name] for one in drawn)
    own = plans.own_settings("td3", drawn[0])
    assert own["exploration_noise"] == pytest.approx(0.1 * drawn[0]["noise"])
    assert plans.own_settings("sac, α fixed", drawn[0])["alpha"] == pytest.approx(0.2 * drawn[0]["noise"])


def test_a_run_leaves_its_evaluations_and_is_not_made_again(
    studies: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = studies["jobs"]
    settings = {"steps": 40, "eval_every": 20, "eval_episodes": 1, "seeds": 2, "seed": 5, "hidden": (8,)}
    job = jobs.Job("one", "group", "SAC", "Pendulum-v1", settings)
    (tmp_path / "tiny").mkdir()
    jobs.run(job, "tiny", tmp_path)
    monkeypatch.setattr(jobs.subprocess, "run", lambda *a, **k: pytest.fail("the run was made again"))
    jobs.measure("tiny", [job], tmp_path)
    assert jobs.collect("tiny", [job, jobs.Job("two", "g", "SAC", "e")], tmp_path, tmp_path) == 1
    results = jobs.results_of("tiny", tmp_path)
    assert [(one.seed, one.step) for one in results] == [(5, 20), (6, 20), (5, 40), (6, 40)]
    assert all(one.group == "group" and -2000 < one.value < 0 and one.settings["hidden"] == [8] for one in results)
    assert '"planned": 2' in (tmp_path / "tiny.json").read_text()


def test_a_run_is_claimed_once_and_a_dead_process_claims_nothing(
    studies: dict[str, ModuleType], tmp_path: Path
) -> None:
    claim = studies["jobs"].claim
    assert claim(tmp_path / "a.claim")
    assert not claim(tmp_path / "a.claim")
    (tmp_path / "b.claim").write_text(str(2**22 + 1))  # above the largest process number
    assert claim(tmp_path / "b.claim")
    assert (tmp_path / "b.claim").read_text() == str(os.getpid())


def test_a_diverged_run_counts_as_failed_and_shares_have_the_right_interval(
    studies: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two settings with two seeds each, three runs of four solve Hopper-v5: 75 % (Wilson with n = 2: 20 to 97 %)."""
    jobs, figures = studies["jobs"], studies["figures"]
    rows = [
        ("td3", "Hopper-v5", seed, 100, value, 1.0, "{}")
        for seed, value in zip((0, 1, 10, 11), (400, 301, 350, "nan"), strict=True)
    ]
    with (tmp_path / "sensitivity.csv").open("w", newline="") as file:
        csv.writer(file).writerows([jobs.COLUMNS, *rows])
    _, table = figures.sensitivity(jobs.results_of("sensitivity", tmp_path))
    assert "| td3 | 75% (20% to 97%) | – | – | 75% (20% to 97%) | 2 |" in table


def test_curves_and_endings_take_the_last_evaluation_of_each_seed(
    studies: dict[str, ModuleType], tmp_path: Path
) -> None:
    jobs, figures = studies["jobs"], studies["figures"]
    rows = [("a", "E", seed, step, 10 * seed + step, 1.0, "{}") for step in (100, 200) for seed in (0, 1)]
    with (tmp_path / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows([jobs.COLUMNS, *rows])
    results = jobs.results_of("x", tmp_path)
    for drawer in (figures.curves, figures.endings):
        figure, table = drawer(results)
        # 200 and 210: mean 205, t = 12.706 with one degree of freedom, s/√n = 5
        assert "| a | 205 (141 to 269) | 2 |" in table
        assert len(figure.axes) == 1


def test_diverged_runs_are_counted_beside_the_mean_of_the_others(
    studies: dict[str, ModuleType], tmp_path: Path
) -> None:
    """Of a, one of three seeds diverged on E; of b all on E, and it was not run on F."""
    jobs, figures = studies["jobs"], studies["figures"]
    ends = {("a", "E"): (1, 3, "nan"), ("a", "F"): (7,), ("b", "E"): ("nan", "nan")}
    rows = [(*key, seed, 9, value, 1.0, "{}") for key, values in ends.items() for seed, value in enumerate(values)]
    with (tmp_path / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows([jobs.COLUMNS, *rows])
    _, table = figures.endings(jobs.results_of("x", tmp_path))
    assert "| a | 2 (-11 to 15), 1 of 3 diverged | 7 | 3 |" in table  # t = 12.706, s/√n = 1
    assert "| b | 2 of 2 diverged | – | 2 |" in table


def test_a_setting_whose_runs_are_not_all_there_does_not_count(studies: dict[str, ModuleType]) -> None:
    result = studies["jobs"].Result
    made = [("sac, α learned", "A", 0), ("td3", "A", 0), ("soft-q", "A", 0), ("td3", "A", 10)]
    ends = [result(group, env, seed, 1, 0.0, 0.0, {}) for group, env, seed in made]
    assert [one.seed for one in studies["figures"].balanced(ends)] == [0, 0, 0]
