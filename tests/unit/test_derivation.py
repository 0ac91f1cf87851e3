"""The guide in docs/derivation: every script runs, is short and draws; every chapter shows what its script draws."""

import re
import runpy
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.image
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples" / "derivation").glob("[01]*.py"))
GUIDE = ROOT / "docs" / "derivation"
CHAPTERS = sorted(GUIDE.glob("[01]*.md"))
LARGEST_FIGURE = 120_000  # bytes


@pytest.fixture
def as_a_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Set up imports as for `python examples/derivation/x.py`; afterwards restore torch's dtype and the imports."""
    dtype = torch.get_default_dtype()
    monkeypatch.syspath_prepend(str(SCRIPTS[0].parent))
    monkeypatch.delitem(sys.modules, "common", raising=False)
    yield monkeypatch
    sys.modules.pop("common", None)
    torch.set_default_dtype(dtype)


def size(figure: Path) -> tuple[int, int]:
    """Return width and height from the header of a PNG file."""
    header = figure.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", header[16:24])
    return width, height


def test_there_are_eleven_chapters_with_one_script_each() -> None:
    assert [path.stem.replace("_", "-") for path in SCRIPTS] == [path.stem for path in CHAPTERS]
    assert [path.name[:2] for path in SCRIPTS] == [f"{i:02d}" for i in range(1, 12)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs_and_draws(
    script: Path, tmp_path: Path, as_a_script: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_a_script.setattr(sys, "argv", [str(script), "--quick", "--out", str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    figure = tmp_path / f"{script.stem}.png"
    assert list(tmp_path.iterdir()) == [figure]
    assert size(figure) == (900, 500)
    assert matplotlib.image.imread(figure).std() > 0.05  # something is drawn
    assert figure.stat().st_size < LARGEST_FIGURE
    printed = capsys.readouterr().out
    assert "holds: " in printed or ", expected " in printed


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) < 100


def test_a_claim_that_fails_stops_a_script(as_a_script: pytest.MonkeyPatch) -> None:
    common = runpy.run_path(str(SCRIPTS[0].parent / "common.py"))
    common["check"]("one third", 1.0 / 3.0, 0.333, within=1e-3)
    common["require"]("2 > 1", True)
    with pytest.raises(ArithmeticError, match=r"one third: expected 0\.4 within 0\.01, got 0\.333333"):
        common["check"]("one third", 1.0 / 3.0, 0.4, within=0.01)
    with pytest.raises(ArithmeticError, match="nan"):
        common["check"]("not a number", float("nan"), 0.0, within=1.0)
    with pytest.raises(ArithmeticError, match="1 > 2"):
        common["require"]("1 > 2", False)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_one_script_and_shows_its_figure(chapter: Path) -> None:
    text = chapter.read_text(encoding="utf-8")
    script = chapter.stem.replace("-", "_")
    assert re.findall(r"python (examples/\S+)", text) == [f"examples/derivation/{script}.py"]
    assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text) == [f"figures/{script}.png"]
    figure = GUIDE / "figures" / f"{script}.png"
    assert size(figure) == (900, 500)
    assert figure.stat().st_size < LARGEST_FIGURE


@pytest.mark.parametrize("page", [GUIDE / "README.md", *CHAPTERS], ids=lambda path: path.stem)
def test_links_lead_somewhere_and_formulas_are_closed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (GUIDE / target).exists(), target
    formulas = re.split(r"^\$\$$", text, flags=re.MULTILINE)
    assert len(formulas) % 2 == 1
    for formula in formulas[1::2]:
        assert formula.count("{") == formula.count("}")
        assert len(re.findall(r"\\begin\b", formula)) == len(re.findall(r"\\end\b", formula))


def test_the_index_lists_every_chapter() -> None:
    text = (GUIDE / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\d+\. \[[^\]]+\]\(([^)]+)\)", text, flags=re.MULTILINE) == [path.name for path in CHAPTERS]
