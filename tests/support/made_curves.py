"""Curves made for tests of comparisons, and the cell of a setting."""

from maxent.results.curves import make_curve

STEPS = [100.0, 200.0, 300.0]


def curve(algorithm, seed, returns, env="A-v1", steps=STEPS, **others):
    return make_curve(algorithm, env, seed, steps[: len(returns)], returns, **others)


def group(algorithm, ends, **others):
    """Seeds that end with these returns."""
    return [curve(algorithm, seed, [0.0, 1.0, end], **others) for seed, end in enumerate(ends)]


GOOD, BAD = group("good", [11.0, 12.0, 13.0, 14.0, 15.0]), group("bad", [1.0, 2.0, 3.0, 4.0, 5.0])


def cell_of(comparison, label, env="A-v1"):
    (found,) = [cell for cell in comparison.cells if (cell.group, cell.env) == (label, env)]
    return found
