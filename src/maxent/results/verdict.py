"""Sentences on whether differences are more than noise."""

from collections.abc import Sequence

from maxent.findings import plural
from maxent.results.comparison import Comparison, Pair
from maxent.statistics import least_seeds, seeds_needed
from maxent.statistics.improvement import ALPHA, smallest_p

MANY = 1_000
MOST_PAIRS = 6
"""More pairs are summarised: the best setting against the others."""


def sentences(comparison: Comparison) -> list[str]:
    """Return a sentence for each pair, or on the best setting if there are many."""
    pairs, groups = comparison.pairs, list(dict.fromkeys(cell.group for cell in comparison.cells))
    if len(groups) == 1:
        return [f"Only {groups[0]} was found: a comparison takes two settings."]
    if not pairs:
        return ["No two settings share an environment, so none can be compared."]
    shown = (
        pairs if len(pairs) <= MOST_PAIRS else [pair for pair in pairs if best(comparison) in (pair.better, pair.worse)]
    )
    lines = [sentence(pair, len(pairs)) for pair in shown]
    if len(shown) < len(pairs):
        lines.insert(0, f"{best(comparison)} against the others; --csv has all {len(pairs)} pairs.")
    return lines


def best(comparison: Comparison) -> str:
    """Return the setting with the highest mean probability of improvement over the others; no reference if possible."""
    wins = dict.fromkeys((cell.group for cell in comparison.cells), 0.0)
    for pair in comparison.pairs:
        wins[pair.better] += float(pair.probability.value) - 0.5
        wins[pair.worse] -= float(pair.probability.value) - 0.5
    own = [cell.group for cell in comparison.cells if not cell.curves[0].reference]
    return max(own or wins, key=lambda group: wins[group])


def sentence(pair: Pair, pairs: int = 1) -> str:
    """Return whether the difference of two settings is more than noise, and else how many seeds it would take."""
    where = pair.envs[0] if len(pair.envs) == 1 else f"{len(pair.envs)} environments"
    better, worse = (_count([one[place] for one in pair.seeds]) for place in (0, 1))
    seeds = f"{better} against {worse} seeds"
    test = f"p {_p(pair.adjusted)}" + (f" adjusted for {pairs} pairs" if pairs > 1 else "")
    low, high = float(pair.probability.low), float(pair.probability.high)
    interval = "" if low != low else f", 95 % interval {low:.0%} to {high:.0%}"
    improvement = f"probability of improvement {float(pair.probability.value):.0%}{interval}"
    if significant(pair):
        return (
            f"{pair.better} is better than {pair.worse} on {where}, by more than noise "
            f"({test}; {improvement}; {seeds})."
        )
    least = least_seeds(len(pair.envs), level=ALPHA / pairs)
    if smallest_p([x for x, _ in pair.seeds], [y for _, y in pair.seeds]) > ALPHA:
        return (
            f"{pair.better} and {pair.worse} on {where}: {seeds} cannot show that a difference is more than noise, "
            f"however large it is ({improvement}). {_needed(pair, least, pairs)}"
        )
    return (
        f"The difference of {pair.better} and {pair.worse} on {where} is not more than noise "
        f"({test}; {improvement}; {seeds}). {_needed(pair, least, pairs)}"
    )


def significant(pair: Pair) -> bool:
    """Return whether the difference of a pair is more than noise, at a level of 5 % over all pairs."""
    return pair.adjusted <= ALPHA


def _needed(pair: Pair, least: int, pairs: int) -> str:
    number = seeds_needed(float(pair.probability.value), len(pair.envs), level=ALPHA / pairs)
    if number is None:
        return "As measured there is no difference that more seeds would show."
    each = "" if len(pair.envs) == 1 else " on each environment"
    if number <= least or min(min(one) for one in pair.seeds) < 3:  # two seeds tell nothing of the size
        return f"It takes at least {plural(least, 'seed')} of each{each}."
    count = f"about {number:,}" if number <= MANY else f"more than {MANY:,}"
    return f"If it is as large as measured, {count} seeds of each{each} would show it (with 80 % probability)."


def _count(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
