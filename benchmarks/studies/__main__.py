"""Studies of what the literature claims of SAC: make the runs that are missing, and draw the figures.

    python benchmarks/studies                       every study, in turn; an interrupted one is continued
    python benchmarks/studies sensitivity delays    some of them
    python benchmarks/studies --figures             draw the figures again from the measurements

Start the command twice for two processes. With OMP_NUM_THREADS=1 each takes one core.
"""

import argparse
from pathlib import Path

from figures import draw
from jobs import PARTS, collect, measure, run
from plans import STUDIES


def main() -> None:
    """Measure the studies that were named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", help=f"among {', '.join(STUDIES)}; by default all")
    parser.add_argument("--figures", action="store_true", help="measure nothing")
    parser.add_argument("--job", help="make this run alone, in this process")
    parser.add_argument("--parts", type=Path, default=PARTS, help="folder for what each run leaves")
    given = parser.parse_args()
    if unknown := set(given.study) - set(STUDIES):
        parser.error(f"expected studies among {', '.join(STUDIES)}, got {', '.join(sorted(unknown))}")
    for study in given.study or STUDIES:
        jobs = STUDIES[study]()
        if given.job is not None:
            run(next(job for job in jobs if job.name == given.job), study, given.parts)
            continue
        if not given.figures:
            measure(study, jobs, given.parts)
            print(f"{study}: {collect(study, jobs, given.parts)} of {len(jobs)} runs")
        draw(study)


if __name__ == "__main__":
    main()
