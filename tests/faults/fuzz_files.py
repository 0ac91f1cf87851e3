"""Fuzz the files that anyone may hand over: run folders, saved agents, policies, metrics, recipes and curves of others.

    python tests/faults/fuzz_files.py --count 100000 [--seed 0] [--first 0]

Mutant n of a seed is always the same; `--first n --count 1 --show` repeats one. Each is read in a child process, which
is ended by the system after 10 s of processor time, has 300 MB of memory beyond what reading the intact files takes,
and records by an audit hook every file that is opened or changed outside the folder, every process, connection and
module.
A mutant may be read, or be refused with `UserError`; everything else is a failure. Exit code 1 if there was one.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from file_mutants import BY_SUFFIX, mutate
from foreign_mutants import compare
from intact import make_bases
from watching import Watch

CPU_SECONDS, WALL_SECONDS = 10, 120
MEMORY = 300 * 2**20
RESTART = 3_000  # mutants of one child process


@dataclass(frozen=True)
class Result:
    """What reading one mutant led to: "read", "refused", or how it failed."""

    number: int
    outcome: str
    detail: str


def reading(name: str) -> list[Callable[[Path], object]]:
    """Return the ways to read a folder of this name."""
    import maxent
    from maxent import recipes
    from maxent.cli.runs import list_runs
    from maxent.opening import load_policy, resume_run
    from maxent.page.run_page import run_page
    from maxent.results.run import read_run
    from maxent.results.scores import read_scale
    from maxent.runs.files import is_regular
    from maxent.runs.findings import read_findings
    from maxent.runs.observer import Observer
    from maxent.training.settings import Settings
    from maxent.view.curve import draw_curve

    class StopAtOnce(Observer):
        def on_step(self, step: int) -> None:
            raise KeyboardInterrupt

    def act(agent: maxent.Agent) -> None:
        layout = agent._learner.observation
        zeros = {leaf.name: [leaf.start] if leaf.kind == "discrete" else [[0.0] * leaf.size] for leaf in layout.leaves}
        if len(zeros) == 1 and "" in zeros and sum(leaf.size for leaf in layout.leaves) < 10_000:
            agent.predict(zeros[""])
        agent.close()

    def resume(folder: Path) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            resume_run(folder, observers=[StopAtOnce()], verbose=False)

    def recipe(folder: Path) -> None:
        from maxent import algorithms

        for file in filter(is_regular, folder.glob("*")):
            found = recipes.read_recipe(file.read_bytes(), file.name)
            Settings.of(algorithms.find(found.algo), found.settings)

    if name == "foreign":
        tables_alone = [compare(f"{one}.csv") for one in ("curves", "wandb", "trackio")]
        return [
            compare("sac"), compare("events"), *tables_alone, compare("curves.csv", figure=True),
            lambda folder: read_scale(str(folder / "scores.csv")),
        ]  # fmt: skip
    load = [lambda folder: act(maxent.load(folder, verbose=True))]
    if name == "recipe":
        return [recipe]
    if name == "findings":
        return [lambda folder: read_findings(folder / "findings.json")]
    if name in ("policy", "saved"):
        return load
    policies = [
        lambda folder: act(load_policy(folder, "best")),
        lambda folder: act(load_policy(folder, "last")),
        lambda folder: act(maxent.load(folder / "best")),
    ]
    curve = [lambda folder: draw_curve(folder / "metrics.csv", folder / "curve.png", "title", dpi=20)]
    pages = [lambda folder: run_page(read_run(folder))]
    return [*load, *load, resume, *policies, lambda folder: list_runs(folder.parent), compare(), *pages, *curve]


def choose(name: str, root: Path, rng: random.Random) -> tuple[Callable[[Path], object], list[str]]:
    """Return how to read a mutant, and which of its files to mutate."""
    ways = reading(name)
    way = rng.choice(ways)
    everything = [str(path.relative_to(root / name)) for path in sorted((root / name).rglob("*")) if path.is_file()]
    files = [path for path in everything if Path(path).suffix in BY_SUFFIX]
    if name in ("recipe", "policy", "saved", "findings"):
        return way, files
    place = ways.index(way)
    if name == "foreign":
        own = ("sac/", "events/", "curves.csv", "wandb.csv", "trackio.csv", "curves.csv", "scores.csv")[place]
        return way, [path for path in files if path.startswith(own)]
    if place == len(ways) - 1:
        return way, ["metrics.csv"]
    if way == ways[2]:  # a run that goes on obeys its config, be it to make a million updates
        return way, [path for path in files if path != "config.json"]
    newest = max(path for path in files if path.startswith("checkpoints"))[: len("checkpoints/000000000000")]
    return way, ["config.json", "config.json", *(path for path in files if not path.startswith("checkpoints")),
                 *(path for path in files if path.startswith(newest)) ] * 2  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the child process


def limits() -> None:
    """Bound the memory of this process by what it has now and `MEMORY` more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def run_child(root: Path, seed: int, first: int, count: int) -> None:
    """Read mutants in this process, and print the start and the result of each."""
    import torch

    torch.set_num_threads(1)
    names, victim = sorted(path.name for path in root.iterdir() if path.name not in ("work", "victim")), root / "victim"
    work, line = root / "work", os.fdopen(os.dup(1), "w", buffering=1)
    bait = victim / "bait"
    sys.path.append(str(bait))
    for name in names:  # whatever is imported and built on first use
        for way in reading(name):
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(root / name, work / "run")
            with contextlib.redirect_stdout(io.StringIO()):
                way(work / "run")
    before = snapshot(victim)
    watch = Watch(work)
    limits()
    for number in range(first, first + count):
        print(json.dumps({"start": number}), file=line)
        rng = random.Random(f"{seed} {number}")
        name = rng.choice(names)
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(root / name, work / "run")
        way, files = choose(name, root, rng)
        done = mutate(work / "run", files, victim, rng)
        outcome, detail = read_one(way, work / "run", watch)
        if snapshot(victim) != before or "evil" in sys.modules:
            outcome = "failed: something outside was changed"
        print(json.dumps({"number": number, "outcome": outcome, "detail": f"{name}: {done} {detail}"}), file=line)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of a folder."""
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


def read_one(way: Callable[[Path], object], folder: Path, watch: Watch) -> tuple[str, str]:
    """Read a mutant and return what happened."""
    from maxent.errors import UserError

    said, detail = io.StringIO(), ""
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    watch.found.clear()
    watch.on = True
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            way(folder)
        outcome = "read"
    except UserError as error:
        outcome, detail = "refused", str(error)
        said.write(detail)
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/maxent/" in frame.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        outcome, detail = f"failed: {type(error).__name__} at {place}", str(error)[:300]
    finally:
        watch.on = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    if watch.found:
        outcome, detail = "failed: outside", "; ".join(watch.found[:3])
    elif outcome == "refused" and not detail.strip():
        outcome = "failed: an error without a sentence"
    elif not said.getvalue().replace("\n", "").isprintable():
        outcome, detail = "failed: a text that is not printable", repr(said.getvalue()[:300])
    return outcome, detail


# ------------------------------------------------------------------------------------------------------- the supervisor


def fuzz(count: int, *, seed: int = 0, first: int = 0, root: Path) -> Iterator[Result]:
    """Yield the result of each mutant; a child process that dies is replaced by a new one, after its mutant."""
    (root / "victim" / "bait").mkdir(parents=True)
    (root / "victim" / "note").write_text("thesis")
    mark = "import pathlib; pathlib.Path(__file__).with_suffix('.executed').touch()\n"
    (root / "victim" / "bait" / "evil.py").write_text(mark)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-W", "ignore", __file__, "--root", str(root), "--seed", str(seed)]
    subprocess.run([*words, "--make"], env=environment, check=True)
    number, end = first, first + count
    while number < end:
        child_words = [*words, "--child", "--first", str(number), "--count", str(min(RESTART, end - number))]
        child = subprocess.Popen(
            child_words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stderr is not None
        begun, stopped = number - 1, number + min(RESTART, end - number)
        for text in child.stdout:
            data = json.loads(text)
            begun = data.get("start", begun)
            if "number" in data:
                number = data["number"] + 1
                yield Result(**data)
        code = child.wait()
        said = child.stderr.read()
        child.stdout.close()
        child.stderr.close()
        if number < stopped and begun < number:
            raise RuntimeError(f"the child process ended before mutant {number} with {code}: {said[-2000:]}")
        if number < stopped:
            ended = {signal.SIGVTALRM: "hung", signal.SIGALRM: "hung"}.get(-code, f"died with {code}")  # type: ignore[call-overload]
            yield Result(number, f"failed: {ended}", said[-300:])
            number += 1


def memory_folder() -> str | None:
    """Return a folder in memory if there is one: a disk takes most of the time of a mutant."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Run the fuzzer, or one of its child processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print every result")
    for name in ("--child", "--make"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.make:
        make_bases(chosen.root)
        return 0
    if chosen.child:
        run_child(chosen.root, chosen.seed, chosen.first, chosen.count)
        return 0
    outcomes: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        for result in fuzz(chosen.count, seed=chosen.seed, first=chosen.first, root=Path(folder)):
            outcomes[result.outcome] += 1
            seen = outcomes[result.outcome]
            if chosen.show or (result.outcome.startswith("failed") and seen <= 3):
                print(f"{result.number} {result.outcome}: {result.detail}", flush=True)
    for outcome, number in outcomes.most_common():
        print(f"{number:>8,} {outcome}")
    seconds = time.monotonic() - began
    print(f"{sum(outcomes.values()):,} mutants in {seconds:,.0f} s, {sum(outcomes.values()) / seconds:.1f} per second")
    return int(any(outcome.startswith("failed") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
