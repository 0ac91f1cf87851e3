"""Sentences on whether differences are more than noise."""

from collections.abc import Sequence

from maxent.findings import listed
from maxent.results.comparison import Comparison
from maxent.results.pairs import Effect, Pair
from maxent.statistics import least_seeds, seeds_needed
from maxent.statistics.improvement import ALPHA, smallest_p

MANY = 1_000
MOST_PAIRS = 6
"""More pairs are summarised: the best setting against the others."""
NOISE = 1e-9
"""Difference of probabilities from ½ that is rounding."""


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
    tests = sum(len(pair.effects) for pair in pairs)
    lines = [sentence(pair, len(pairs), tests) for pair in shown]
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


def sentence(pair: Pair, pairs: int = 1, tests: int | None = None) -> str:
    """Return whether the difference of two settings is more than noise, and else how many seeds it would take.

    Args:
        pair: of settings.
        pairs: how many are compared.
        tests: environments of all pairs, for which the p-value of each is adjusted; by default those of this one.
    """
    tests = tests or len(pair.effects)
    where = pair.envs[0] if len(pair.envs) == 1 else f"{len(pair.envs)} environments"
    better, worse = (_count([one[place] for one in pair.seeds]) for place in (0, 1))
    seeds = f"{better} against {worse} seeds"
    test = f"p {_p(pair.adjusted)}" + (f" adjusted for {pairs} pairs" if pairs > 1 else "")
    low, high = float(pair.probability.low), float(pair.probability.high)
    interval = "" if low != low else f", 95 % interval {low:.0%} to {high:.0%}"
    improvement = f"probability of improvement {float(pair.probability.value):.0%}{interval}"
    gains, losses = _significant_effects(pair)
    if gains and losses:
        return (
            f"{pair.better} is better than {pair.worse} on {_names(gains)} and worse on {_names(losses)}, both by more "
            f"than noise ({_p_of_each([*gains, *losses], tests)}; over all {len(pair.envs)} environments {test}; "
            f"{improvement}; {seeds})."
        )
    if significant(pair):
        return (
            f"{pair.better} is better than {pair.worse} on {where}, by more than noise "
            f"({test}; {improvement}; {seeds}).{_single(pair.better, losses, 'worse', tests)}"
        )
    single = _single(pair.better, gains, "better", tests) + _single(pair.better, losses, "worse", tests)
    least = least_seeds(len(pair.envs), level=ALPHA / pairs)
    if smallest_p([x for x, _ in pair.seeds], [y for _, y in pair.seeds]) > ALPHA / pairs:
        among = f" among {pairs} pairs" if pairs > 1 else ""
        return (
            f"{pair.better} and {pair.worse} on {where}: no difference is shown to be more than noise, and {seeds} "
            f"cannot show one{among}, however large it is ({improvement}). {_needed(pair, least, pairs)}{single}"
        )
    return (
        f"The difference of {pair.better} and {pair.worse} on {where} is not shown to be more than noise "
        f"({test}; {improvement}; {seeds}). {_needed(pair, least, pairs)}{single}"
    )


def significant(pair: Pair) -> bool:
    """Return whether the difference of a pair is more than noise, at a level of 5 % over all pairs."""
    return pair.adjusted <= ALPHA


def _significant_effects(pair: Pair) -> tuple[list[Effect], list[Effect]]:
    """Return the environments on which the better setting is better, or worse, by more than noise."""
    if len(pair.effects) < 2:
        return [], []
    found = [effect for effect in pair.effects if effect.adjusted <= ALPHA]
    return [one for one in found if one.probability > 0.5], [one for one in found if one.probability < 0.5]


def _names(effects: Sequence[Effect]) -> str:
    return listed([effect.env for effect in effects])


def _single(setting: str, effects: Sequence[Effect], word: str, tests: int) -> str:
    """Return a sentence on single environments, which begins with a space; empty if there are none."""
    if not effects:
        return ""
    return f" On {_names(effects)} alone {setting} is {word}, by more than noise ({_p_of_each(effects, tests)})."


def _p_of_each(effects: Sequence[Effect], tests: int) -> str:
    p = _p(max(effect.adjusted for effect in effects))
    if len(effects) > 1:
        p = p.replace("=", "≤") + " on each"
    return f"p {p}, adjusted for {tests} tests of single environments"


def _needed(pair: Pair, least: int, pairs: int) -> str:
    each = "" if len(pair.envs) == 1 else " on each environment"
    present = min(min(one) for one in pair.seeds)
    if present < 3:
        size = "One seed tells" if present == 1 else "Two seeds tell"
        return f"{size} little of the size of a difference: it takes at least {max(least, present + 1)} of each{each}."
    number = seeds_needed(float(pair.probability.value), len(pair.envs), level=ALPHA / pairs)
    if number is None:
        if any(abs(effect.probability - 0.5) > NOISE for effect in pair.effects):
            return "As measured it cancels over the environments; compare each by itself."
        return "As measured there is no difference that more seeds would show."
    number = max(number, present + 1)
    count = f"about {number:,}" if number <= MANY else f"more than {MANY:,}"
    return f"If it is as large as measured, {count} seeds of each{each} would show it (with 80 % probability)."


def _count(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
