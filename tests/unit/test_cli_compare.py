"""`maxent compare` as a user types it."""

from pathlib import Path

import pytest
from foreign_files import write_evaluations
from made_runs import made_run

from maxent.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of two seeds, evaluations of Stable-Baselines3, and a reference."""
    root = tmp_path_factory.mktemp("runs")
    made_run(root / "runs" / "sac")
    made_run(root / "runs" / "td3", algorithm="td3", rows=16)
    write_evaluations(root / "sb3" / "evaluations.npz", [2_000, 16_000], [[1.0, 3.0], [5.0, 7.0]])
    rows = [f"theirs,Pendulum-v0,{seed},{step},{step / 200}" for seed in range(3) for step in (1_000, 90_000)]
    (root / "reference.csv").write_text("\n".join(["algorithm,env,seed,step,return", *rows, ""]))
    return root


def test_a_comparison(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At 16,000 steps, where td3 ends, seeds 7 and 8 have 160 and 170, in both runs."""
    words = [str(runs / "runs"), f"sb3={runs / 'sb3'}", "--env", "Pendulum-v1"]
    words += ["--csv", str(tmp_path / "out.csv"), "--figure", str(tmp_path / "out.svg")]
    assert main(["compare", *words]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0].split() == ["environment", "setting", "seeds", "IQM", "of", "the", "return", "mean", "minutes"]
    assert lines[1].split()[:7] == ["Pendulum-v1", "at", "16,000", "steps", "sac", "2", "165.0"]
    assert lines[3].split() == ["sb3", "1", "6.000", "(one", "seed)", "6.000", "(one", "seed)", "-"]
    assert "sac and td3 on Pendulum-v1: no difference is shown to be more than noise, and 2 against 2 seeds" in said
    assert (
        "Note: Pendulum-v1: compared at 16,000 steps, where the shortest run ends (td3, seed 7); sac went on." in said
    )
    assert (tmp_path / "out.csv").read_text().startswith("what,env,setting,")
    assert (tmp_path / "out.svg").read_text().startswith("<?xml")


def test_options(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scores.csv").write_text("env,random,reference\nPendulum-v1,-10,90\n")
    words = [str(runs / "runs" / "sac"), str(runs / "runs" / "td3"), "--by", "run", "--minutes", "--at", "0.6"]
    words += ["--reference", str(runs / "reference.csv"), "--normalise", str(tmp_path / "scores.csv")]
    assert main(["compare", *words]) == 0
    said = capsys.readouterr().out
    # 0.6 minutes are 12,000 steps and returns of 120 and 130: scores of 1.3 and 1.4.
    assert "Pendulum-v1 at 0.6 min" in said
    assert "1.350" in said
    assert "the references are of Pendulum-v0, another version" in said
    assert "runs of theirs (reference) are left out, since their time is not known" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["RUNS", "--figure", "out.gif"], "--figure: expected a name that ends in .png, .svg or .pdf"),
        (["RUNS", "--figure", "no/such/out.png"], "does not exist; create it first"),
        (["RUNS", "--csv", "out.txt"], "--csv: expected a name that ends in .csv"),
        (["RUNS", "--at", "-1"], "--at: expected a number of at least 0"),
        (["RUNS", "--by", "alpha"], "--by: expected algo, env, run or a setting"),
        (["RUNS", "--normalise", "nowhere.csv"], "nowhere.csv does not exist"),
        (["RUNS", "--reference", "nowhere.csv"], "nowhere.csv does not exist"),
        ([], "expected at least one run folder"),
    ],
)
def test_mistakes_are_named(runs: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *(str(runs / "runs") if word == "RUNS" else word for word in words)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_names_in_files_cannot_write_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(
        "algorithm,env,seed,step,return\nx\x1b[31m,e\x1b]0;y\x07,0,1,1\nz,e\x1b]0;y\x07,0,1,2\n"
    )
    assert main(["compare", str(tmp_path / "a.csv")]) == 0
    said = capsys.readouterr().out
    assert "\\x1b[31m" in said
    assert said.replace("\n", "").isprintable()
