"""`maxent doctor`."""

import json
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from maxent.cli.parsing import Modules, find_modules_here, parse


@dataclass(frozen=True)
class DoctorCommand:
    """Examine an environment before training on it, or print what the watcher of a run has found."""

    env: Positional[str] = "Pendulum-v1"
    """Gymnasium id ("my_module:MyEnv-v0" imports my_module first), or the folder of a run."""
    algo: str | None = None
    """Algorithm of the planned run, for memory and time; by default sac, or sac-discrete for discrete actions."""
    env_arg: tuple[str, ...] = ()
    """Arguments for the environment, such as --env-arg g=9.81 hardcore=True."""
    modules: Modules = ()
    """Modules to import first, such as one that registers the environment."""
    steps: int = 5_000
    """Random steps to play."""
    json: bool = False
    """Print one line of JSON."""


def doctor(words: list[str]) -> int:
    """Examine an environment or a run; the exit code is 1 if there is a fault."""
    from maxent.cli.choices import pairs
    from maxent.envs.making import EnvSource
    from maxent.findings import summary
    from maxent.modules import import_modules
    from maxent.report.doctor import examine, require_examinable
    from maxent.runs.layout import CONFIG

    chosen = parse("doctor", DoctorCommand, words)
    if (Path(chosen.env) / CONFIG).exists():
        return _of_run(Path(chosen.env), as_json=chosen.json)
    require_examinable(chosen.steps)
    find_modules_here(chosen.env, chosen.algo, modules=chosen.modules)
    import_modules(chosen.modules)
    source = EnvSource.of(chosen.env, pairs("--env-arg", chosen.env_arg))
    found = examine(source, chosen.algo, steps=chosen.steps)
    if chosen.json:
        print(json.dumps(found.to_plain()))
    else:
        print(f"{chosen.env}: {summary(found.findings)}")
        for name, text in found.facts.items():
            print(f"  {name:<12} {text}")
        for finding in found.findings:
            print("\n" + "\n".join(finding.lines()))
    return 0 if found.healthy else 1


def _of_run(path: Path, *, as_json: bool) -> int:
    """Print the findings of a run."""
    from maxent.errors import printable
    from maxent.findings import Finding, summary
    from maxent.runs.files import is_taken
    from maxent.runs.findings import read_findings
    from maxent.runs.folder import RunFolder

    folder = RunFolder.open(path)
    rows = read_findings(folder.findings) if is_taken(folder.findings) else []
    if as_json:
        print(json.dumps({"run": str(path), "findings": rows}))
        return 0
    findings = [(row["step"], Finding(**{name: text for name, text in row.items() if name != "step"})) for row in rows]
    print(f"{path}: {summary(finding for _, finding in findings)}")
    for step, finding in findings:
        print(printable(f"\nstep {step:,}\n" + "\n".join(finding.lines())))
    return 0
