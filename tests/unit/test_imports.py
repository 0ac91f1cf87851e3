"""Who may know whom: the dependency direction of the design, read off the source."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import maxent

ROOT = Path(maxent.__file__).parent

KNOWS: dict[str, set[str]] = {
    # The mathematics, and what everything is made of.
    "errors": set(),
    "objectives": set(),
    "moments": set(),
    "distributions": set(),
    "stein": set(),
    "statistics": {"errors"},
    "tabular": set(),
    "tabular.examples": {"tabular"},
    "batch": set(),
    "untrusted": {"errors"},
    "findings": set(),
    "stateful": {"errors", "untrusted"},
    "modules": {"errors"},
    "records": {"errors", "modules"},
    "spaces": {"errors"},
    "cache": set(),
    "native": {"cache"},
    "nn": {"distributions", "errors", "native", "records", "spaces"},
    # Replay, environments, files and views know no algorithm; algorithms know none of them.
    "replay": {"batch", "errors", "spaces"},
    "envs": {"errors", "spaces"},
    "envs.problems": {"errors", "tabular"},
    "runs": {"errors", "findings", "untrusted"},
    "view.colours": set(),
    "view.readings": {"statistics"},
    "view": {"errors", "findings", "runs", "view.readings"},
    "diagnosis": {"envs", "findings", "spaces"},
    "view.curve": {"errors", "runs", "statistics", "view.colours", "view.readings"},
    "results": {"errors", "findings", "runs", "statistics", "untrusted"},
    "page": {"errors", "findings", "results", "statistics", "view.colours", "view.readings"},
    "server": {"errors", "page", "results", "runs", "view.readings"},
    "view.picture": {"runs", "view.curve"},
    "algorithms": {"batch", "distributions", "errors", "modules", "moments", "nn", "objectives", "spaces", "stein"},
    # The engine updates; training brings everything together.
    "engine": {"algorithms", "cache", "errors", "nn", "records", "replay", "spaces", "stateful"},
    "training": {
        "algorithms", "diagnosis", "engine", "envs", "errors", "findings", "nn", "records", "replay", "runs", "spaces",
        "stateful", "untrusted",
    },
    # What people use.
    "recipes": {"errors", "untrusted"},
    "report.multigoal": {"view.curve"},
    "report.comparison": {"errors", "results", "runs", "statistics", "view", "view.colours"},
    "tuned": {"algorithms", "envs", "errors", "recipes", "training"},
    "agent": {
        "algorithms", "engine", "envs", "errors", "nn", "recipes", "runs", "spaces", "training", "tuned", "view",
    },
    "origins": {"agent", "algorithms", "envs", "errors", "modules", "runs", "training", "tuned", "untrusted"},
    "opening": {
        "agent", "algorithms", "engine", "envs", "errors", "modules", "origins", "replay",
        "runs", "stateful", "training", "tuned", "untrusted", "view",
    },
    "report.frames": {"errors", "runs"},
    "report.rendering": {"errors"},
    "report.playing": {"agent", "envs", "errors", "report.frames", "report.rendering"},
    "report.goal_paths": {"agent", "envs", "report.multigoal"},
    "report.pictures": {"agent", "errors", "report.frames", "report.playing"},
    "report.reference": {"algorithms", "recipes", "results", "training"},
    "report.run_report": {"errors", "opening", "page", "report.pictures", "report.reference", "results", "runs"},
    "report.cost": {"diagnosis", "engine", "envs", "findings", "replay", "runs", "training"},
    "report.doctor": {
        "algorithms", "diagnosis", "envs", "errors", "findings", "report.cost", "spaces", "training", "tuned",
    },
    "cli": {
        "agent", "algorithms", "envs", "errors", "findings", "modules", "nn", "opening", "recipes", "records",
        "report", "results", "runs", "server", "statistics",
        "tabular", "training", "tuned", "untrusted", "view", "__version__",
    },
    "__main__": {"cli"},
    "__init__": {"agent", "envs", "errors", "opening", "runs", "training"},
}  # fmt: skip
"""For each part of the library the other parts that it may import, also inside functions; known parts come first."""

NEEDS: dict[str, set[str]] = {
    "errors": set(),
    "objectives": {"torch"},
    "moments": {"torch"},
    "distributions": {"torch"},
    "stein": {"torch"},
    "batch": {"torch"},
    "stateful": {"torch"},
    "modules": set(),
    "records": set(),
    "untrusted": set(),
    "spaces": {"gymnasium", "numpy"},
    "nn": {"numpy", "torch"},
    "tabular": {"numpy"},
    "tabular.examples": {"numpy"},
    "replay": {"numpy", "torch"},
    "envs": {"gymnasium", "numpy"},
    "envs.problems": {"gymnasium", "numpy"},
    "runs": {"numpy", "safetensors", "tensorboardX", "torch"},
    "view": {"numpy", "rich"},
    "view.colours": set(),
    "results": {"numpy", "tensorboardX"},
    "page": {"numpy"},
    "server": set(),
    "algorithms": {"numpy", "torch"},
    "recipes": set(),
}
"""For the parts that are to stay light the packages that they need when they are imported."""

PARSERS = {"argparse", "getopt", "optparse", "click", "typer", "tyro", "fire"}


def part_of(name: str) -> str:
    """The part of the library that a dotted name below maxent belongs to: view.curve.draw_curve → view.curve."""
    parts = name.split(".")
    two = ".".join(parts[:2])
    return two if two in KNOWS else parts[0]


@cache
def sources() -> list[tuple[str, str, ast.Module]]:
    """Path, part and syntax tree of every module."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT).with_suffix("")
        name = ".".join(inside.parts).removesuffix(".__init__")
        found.append((str(inside), part_of(name), ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The full names that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_is_in_the_table() -> None:
    """report itself, an empty package, is the one without an entry."""
    assert {part for _, part, _ in sources()} - {"report"} == set(KNOWS)


def test_the_parts_know_each_other_in_one_direction_only() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, part, tree in sources()
        for name in imports(ast.walk(tree))
        if name.startswith("maxent.")
        and (other := part_of(name.removeprefix("maxent."))) != part
        and not {other, other.split(".")[0]} & KNOWS.get(part, set())
    ]
    assert wrong == []


def test_the_table_has_no_circle() -> None:
    """Whoever is known comes earlier in the table."""
    order = list(KNOWS)
    for part, known in KNOWS.items():
        for other in known - {"__version__"}:
            first = next(name for name in order if name == other or name.startswith(f"{other}."))
            assert order.index(first) < order.index(part), f"{part} knows {other}"


def imported_modules(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return for each module the modules that its import statements name, wherever in the file they stand.

    `from package import name` counts as an import of the module package.name where there is one, else of the package.
    Importing package.module also runs package/__init__.py; that does not count, because every package whose __init__
    collects the names of its modules would then be a circle.
    """
    graph: dict[str, set[str]] = {}
    for module, tree in modules.items():
        graph[module] = set()
        for name in imports(ast.walk(tree)):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if name:
                graph[module].add(name)
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return one circle of imports, or an empty list if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_modules_import_each_other() -> None:
    """Imports inside functions and under TYPE_CHECKING count: they hide a circle, they do not remove it."""
    modules = {".".join(["maxent", *Path(path).parts]).removesuffix(".__init__"): tree for path, _, tree in sources()}
    assert circle(imported_modules(modules)) == []


@pytest.mark.parametrize(
    "back",
    [
        "from p.a import f",
        "import p.a",
        "from p import a",
        "def g():\n    from p import a",
        "if False:\n    import p.a",
    ],
)
def test_a_circle_is_found(back: str) -> None:
    texts = {"p": "from p.a import f", "p.a": "from p.b import g\nimport numpy", "p.b": back}
    modules = {name: ast.parse(text) for name, text in texts.items()}
    assert set(circle(imported_modules(modules))) == {"p.a", "p.b"}
    assert circle(imported_modules(modules | {"p.b": ast.parse("import numpy.linalg")})) == []


@pytest.mark.parametrize("part", NEEDS)
def test_light_parts_need_few_packages(part: str) -> None:
    found = {
        name.split(".")[0]
        for _, own, tree in sources()
        if own == part
        for name in imports(tree.body)  # not those inside functions
    }
    assert found - set(sys.stdlib_module_names) - {"maxent"} <= NEEDS[part]


def test_tabular_needs_numpy_alone() -> None:
    everywhere = {
        name.split(".")[0] for _, part, tree in sources() if part == "tabular" for name in imports(ast.walk(tree))
    }
    assert everywhere - set(sys.stdlib_module_names) - {"maxent"} == {"numpy"}


def test_one_file_uses_private_parts_of_torch() -> None:
    """Each use stands there with its reason, and with what happens when a release renames it."""
    private = re.compile(r"torch\.(\w+\.)*_[a-z]\w*")
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if private.search(re.sub(r"torch\.(__version__|__file__)", "", path.read_text(encoding="utf-8")))
    }
    assert found == {"engine/torch_private.py"}


def test_only_the_command_line_parses_arguments() -> None:
    found = {part for _, part, tree in sources() for name in imports(ast.walk(tree)) if name.split(".")[0] in PARSERS}
    assert found == {"cli"}


def loaded_by(code: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after some code."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "gymnasium", "mujoco", "matplotlib", "rich", "safetensors", "tensorboardX", "scipy", "numpy"}


def test_import_maxent_is_light() -> None:
    """The command line answers --help at once, because nothing heavy comes before it is needed."""
    assert loaded_by("import maxent") & HEAVY == set()
    assert loaded_by("from maxent.cli import main; main(['--help'])") & (HEAVY - {"numpy", "rich"}) == set()
    assert loaded_by("import maxent.tabular.mdp, maxent.tabular.soft") & HEAVY == {"numpy"}
    assert loaded_by("import maxent.server.app, maxent.cli.runs") & (HEAVY - {"rich"}) == {"numpy"}
    figures = "from maxent.tabular.examples import graph_figure, spider_figure"
    assert loaded_by(figures) & HEAVY == {"numpy"}  # matplotlib only when something is drawn


def test_the_names_of_the_package_are_there() -> None:
    for name in maxent.__all__:
        assert getattr(maxent, name) is not None
    with pytest.raises(AttributeError, match="module 'maxent' has no attribute 'PPO'"):
        maxent.PPO  # noqa: B018
