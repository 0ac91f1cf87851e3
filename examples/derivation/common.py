"""What the scripts share: two options, one look for every figure, and checks that raise when a claim fails."""

import argparse
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "derivation" / "figures"
INK, GREY, LINE = "#222222", "#8a8f98", "#e6e8eb"
BLUE, ORANGE, GREEN, AMBER = "#0072b2", "#d55e00", "#009e73", "#e69f00"  # of Okabe & Ito: told apart by everyone


class Options(NamedTuple):
    """Whether to run the short form, and the folder that gets the figure."""

    quick: bool
    out: Path


def options(description: str | None) -> Options:
    """Read --quick and --out from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a short form with fewer samples")
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder for the figure (default: %(default)s)")
    given = parser.parse_args()
    return Options(given.quick, given.out)


def require(claim: str, holds: bool) -> None:
    """Print a mathematical claim that holds; raise if it does not."""
    if not holds:
        raise ArithmeticError(f"expected this to hold: {claim}")
    print(f"  holds: {claim}")


def check(what: str, value: float, expected: float, *, within: float) -> None:
    """Print a number beside what it has to be; raise if they are further apart than `within`."""
    if not abs(value - expected) <= within:
        raise ArithmeticError(f"{what}: expected {expected:.6g} within {within:.2g}, got {value:.6g}")
    print(f"  {what}: {value:.6g}, expected {expected:.6g} within {within:.2g}")


def new_figure() -> Figure:
    """An empty figure of 900 by 500 pixels; Matplotlib draws it with Agg, so no display is needed."""
    return Figure(figsize=(9.0, 5.0), dpi=100, layout="constrained")


def style(axes: Axes, title: str, *, x: str = "", y: str = "") -> None:
    """Title, labels, and nothing that is not needed."""
    axes.set_title(title, fontsize=11.5, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=11)
    axes.set_ylabel(y, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=LINE, linewidth=1.0)
    axes.set_axisbelow(True)


def save(figure: Figure, given: Options, script: str) -> None:
    """Write the figure under the script's own name; without the version of Matplotlib, so that it is reproducible."""
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{Path(script).stem}.png"
    figure.savefig(path, metadata={"Software": None})
    print(f"Figure: {path}")
