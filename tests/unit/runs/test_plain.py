"""What a run leaves on disk is plain data: the code that writes it knows no algorithm, environment or engine."""

import ast
import subprocess
import sys
from pathlib import Path

import maxent.runs

ROOT = Path(maxent.runs.__file__).parent


def test_runs_imports_errors_and_checks_of_the_library_alone() -> None:
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    found |= {alias.name for alias in names}
                case ast.ImportFrom(module=str(module)):
                    found.add(module)
    own = {name for name in found if name.startswith("maxent.") and not name.startswith("maxent.runs.")}
    assert own == {"maxent.errors", "maxent.findings", "maxent.untrusted"}
    assert "maxent.runs.observer" in found


def test_files_need_no_torch() -> None:
    """Figures and recipes are read and written by programs that never import it."""
    code = "import sys, maxent.runs.files, maxent.runs.observer, maxent.runs.swap; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
