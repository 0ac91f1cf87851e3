"""`maxent report`: pages of run folders, and what it says where it cannot write one."""

import base64
import html
import re
from pathlib import Path

import pytest
from made_runs import made_run
from short_runs import pendulum

from maxent.cli import main
from maxent.report import pictures
from maxent.report.reference import defaults_of, recipe_of
from maxent.results.run import read_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 steps with a policy; do not change it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    pendulum(seeds=2, recipe=False).learn(60, run_dir=run).close()
    return run


def test_a_run_has_a_page_with_a_filmstrip(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.html"
    assert main(["report", str(trained), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"Report: {out} ({out.stat().st_size / 1e3:,.0f} kB)\n"
    page = out.read_text("utf-8")
    frames = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', page)
    assert len(frames) == 8 and all(base64.b64decode(frame)[:2] == b"\xff\xd8" for frame in frames)
    assert "step 25" in page  # where the episode ends
    assert "sac on Pendulum-v1" in page and len(page) < 1_000_000


def test_a_video_is_part_of_the_page(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "report.html"
    assert main(["report", str(trained), "--video", "--out", str(out)]) == 0
    found = re.search(r'<video [^>]*src="data:video/mp4;base64,([^"]*)"', out.read_text("utf-8"))
    assert found is not None and base64.b64decode(found[1])[4:8] == b"ftyp"


def test_an_episode_without_an_end_is_not_drawn(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "LONGEST", 10)
    assert main(["report", str(trained), "--out", str(tmp_path / "report.html")]) == 0
    assert "No pictures of the policy: an episode of the policy has no end within 10 steps" in capsys.readouterr().out


def test_a_run_without_a_policy_has_a_page_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made_run(tmp_path / "run")
    assert main(["report", str(run), "--out", str(tmp_path / "report.html")]) == 0
    assert "No pictures of the policy: " in capsys.readouterr().out
    assert main(["report", str(run), "--no-pictures", "--out", str(tmp_path / "report.html")]) == 0
    assert "pictures" not in capsys.readouterr().out


def test_several_runs_are_compared_and_a_folder_is_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [made_run(tmp_path / "runs" / name) for name in ("a", "b")]
    out = tmp_path / "report.html"
    assert main(["report", *map(str, folders), "--out", str(out)]) == 0
    assert "Settings that differ" in out.read_text("utf-8")
    (folders[1] / "config.json").write_text("{")
    assert main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    assert "config.json" in capsys.readouterr().out
    page = out.read_text("utf-8")
    assert "1 run below runs" in page and "Not readable" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs", "--by", "learning_rate"], "--by: the index of a folder compares no runs; name them, such as runs/*"),
        (["runs/a", "--by", "algo"], "--by: expected several runs to compare, got one, runs/a"),
        (["runs/a", "runs/b", "--by", "foo"], "--by: expected algo, env, run or a setting ("),
        (["runs/a", "runs/a"], "expected different runs, got runs/a twice; name each run once"),
        (["runs/a", "runs/../runs/a"], "expected different runs, got runs/a and runs/../runs/a, which are the same"),
        (["runs/a", "runs"], "expected different runs, got runs/a twice"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        made_run(Path("runs") / name)
    assert main(["report", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not Path("report.html").exists()


def test_the_tables_of_a_comparison_name_their_intervals(tmp_path: Path) -> None:
    """The mean of a run is in two tables, with Student's interval and with that of the bootstrap."""
    folders = [made_run(tmp_path / name) for name in ("a", "b")]
    out = tmp_path / "report.html"
    assert main(["report", *map(str, folders), "--by", "run", "--out", str(out)]) == 0
    page = html.unescape(out.read_text("utf-8"))
    assert "<th scope=col>95 % interval (Student's t)</th>" in page
    assert "<th scope=col>mean [95 % bootstrap]</th>" in page


def test_settings_are_compared_with_defaults_and_recipe(trained: Path, tmp_path: Path) -> None:
    run = read_run(trained)
    usual = defaults_of(run)
    assert usual is not None and usual["batch_size"] == 256 and usual["hidden"] == [256, 256]
    assert set(run.settings) <= set(usual)
    assert recipe_of(run) == {}, "this run has used none"
    unknown = read_run(made_run(tmp_path / "run", algorithm="my_sac:MySAC"))
    assert defaults_of(unknown) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected at least one run folder"),
        (["nowhere"], "nowhere: expected a run folder or a folder of runs, got neither"),
        (["."], "holds no run"),
        ([".", "--out", "report.pdf"], "--out: expected a name that ends in .html, got report.pdf"),
        ([".", "--out", "missing/report.html"], "missing does not exist; create it first"),
        ([".", "--outt", "x.html"], "did you mean --out"),
    ],
)
def test_wrong_words_are_one_sentence(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
