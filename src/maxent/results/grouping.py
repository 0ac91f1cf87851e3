"""Which curves belong together: settings to compare, and the environments on which they are compared."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from maxent.errors import UserError, printable
from maxent.findings import listed
from maxent.results.curves import Curve

KINDS = ("algo", "env", "run")
"""What curves can be grouped by beside the settings."""
LABEL = 60
"""Most characters of a label."""
NOT_SET = "not set"
"""The value of a setting that a run does not have."""
GROUPS, STRATA, SEEDS = 20, 200, 1_000
"""Settings, environments and seeds of a setting on an environment that are compared; more take minutes."""
BOOKKEEPING = frozenset({
    "steps", "eval_every", "eval_episodes", "log_every", "checkpoint_every", "device", "compile", "workers",
    "step_timeout", "bad_data", "replay_storage",
})  # fmt: skip
"""Settings of a run that do not change what it learns; they do not tell runs apart."""

Groups = dict[str, dict[str, list[Curve]]]
"""The curves by label and stratum."""


def group_curves(curves: Sequence[Curve], by: Sequence[str]) -> Groups:
    """Return the curves by label, and by environment; by algorithm where the environments are compared.

    Raise `UserError` if a label has the same seed twice on one environment, since both would count.
    """
    require_known(by, [curve.settings for curve in curves])
    keys = [(curve.algorithm,) if curve.reference else tuple(_key(curve, name) for name in by) for curve in curves]
    worded = {name: _worded(name, curves) for name in by if name not in KINDS}
    labels = [
        curve.algorithm
        if curve.reference
        else ", ".join(worded[name][_key(curve, name)] if name in worded else _key(curve, name) for name in by)
        for curve in curves
    ]
    strata_of = [curve.algorithm if "env" in by else curve.env for curve in curves]
    names = _short_names(dict(zip(keys, labels, strict=True)))
    strata_names = _short_names({(stratum,): stratum for stratum in strata_of})
    groups: Groups = defaultdict(lambda: defaultdict(list))
    for key, stratum, curve in zip(keys, strata_of, curves, strict=True):
        groups[names[key]][strata_names[stratum,]].append(curve)
    if len(groups) > GROUPS:
        raise UserError(
            f"expected at most {GROUPS} settings to compare, got {len(groups)}: choose fewer, or another --by."
        )
    if (count := len({stratum for strata in groups.values() for stratum in strata})) > STRATA:
        raise UserError(f"expected at most {STRATA} environments, got {count}: choose fewer.")
    for label, strata in groups.items():
        for stratum, own in strata.items():
            if len(own) > SEEDS:
                raise UserError(
                    f"{label} on {stratum}: expected at most {SEEDS:,} seeds, got {len(own):,}: choose fewer."
                )
            _require_different_seeds(label, stratum, own)
    return {label: dict(strata) for label, strata in groups.items()}


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings without nesting: a choice under its own name and each entry as name.entry."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found[prefix + name] = value.get("kind", value) if set(value) == {"kind"} else value
            if len(prefix) < 100:
                found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def differing(curves: Sequence[Curve]) -> list[str]:
    """Return the names of the settings that all curves have and in which they differ, without bookkeeping."""
    plain = [{name: repr(value) for name, value in flat(curve.settings).items()} for curve in curves]
    names = [name for name in plain[0] if all(name in one for one in plain)] if plain else []
    found = [name for name in names if len({one[name] for one in plain}) > 1 and name not in BOOKKEEPING]
    return [name for name in found if name.rpartition(".")[0] not in found]


def require_known(by: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> None:
    """Raise `UserError` for a name that is neither algo, env, run nor a setting of any run."""
    for name in by:
        if name not in KINDS and not any(name in flat(one) for one in settings):
            known = sorted({key for one in settings for key in flat(one)})
            raise UserError(
                f"--by: expected algo, env, run or a setting ({listed(known, 12) or 'none is known'}), got {name!r}."
            )


def _key(curve: Curve, name: str) -> str:
    """Return the whole value by which a curve is grouped."""
    if name == "algo":
        return curve.algorithm
    if name == "env":
        return curve.env
    if name == "run":
        return curve.source.rstrip("/").rpartition("/")[2] or curve.source
    return repr(_plain(_value(curve, name)))


def _value(curve: Curve, name: str) -> Any:
    return flat(curve.settings).get(name, NOT_SET)


def _plain(value: Any) -> Any:
    """Return a value in a form that does not depend on the order of its entries, nor on 1 against 1.0."""
    if isinstance(value, Mapping):
        return sorted((str(name), _plain(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


def _worded(name: str, curves: Sequence[Curve]) -> dict[str, str]:
    """Return the words for each value of a setting; of choices of one kind the entries that differ."""
    values = {_key(curve, name): _value(curve, name) for curve in curves if not curve.reference}
    choices = [flat(value) for value in values.values() if isinstance(value, Mapping)]
    if len(choices) == len(values) > 1 and len({str(choice.get("kind")) for choice in choices}) == 1:
        entries = list(dict.fromkeys(entry for choice in choices for entry in choice))
        plain = [{entry: repr(_plain(choice.get(entry, NOT_SET))) for entry in entries} for choice in choices]
        different = [entry for entry in entries if len({one[entry] for one in plain}) > 1]
        different = [entry for entry in different if not any(one.startswith(f"{entry}.") for one in different)]
        return {
            key: ", ".join(f"{name}.{entry} {_words(choice.get(entry, NOT_SET))}" for entry in different)
            for key, choice in zip(values, choices, strict=True)
        }
    return {key: f"{name} {_words(value)}" for key, value in values.items()}


def _words(value: Any) -> str:
    """Return a setting for a label."""
    if isinstance(value, Mapping):
        return " ".join([str(value.get("kind", "")), *(f"{k}={v}" for k, v in value.items() if k != "kind")]).strip()
    if isinstance(value, list):
        return "×".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)


def _short_names(labels: Mapping[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    """Return a printable line of at most `LABEL` characters for each key; no two keys have the same one."""
    names: dict[tuple[str, ...], str] = {}
    taken: set[str] = set()
    for key, label in labels.items():
        line = printable(label.replace("\n", " "))
        names[key] = name = _cut(line, LABEL)
        count = 1
        while name in taken:
            count += 1
            name = names[key] = f"{_cut(line, LABEL - 6)} ({count})"
        taken.add(name)
    return names


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else line[: most - 1] + "…"


def _require_different_seeds(label: str, stratum: str, curves: Sequence[Curve]) -> None:
    seen: dict[int, Curve] = {}
    for curve in curves:
        other = seen.setdefault(curve.seed, curve)
        if other is not curve:
            names = differing([other, curve])
            way = f"--by {names[0]}" if names else "--by run, or leave one out"
            differ = f"; they differ in {listed(names)}" if names else ""
            both = other.source if other.source == curve.source else f"{other.source} and {curve.source}"
            raise UserError(f"{label} on {stratum} has seed {curve.seed} twice, in {both}{differ}: use {way}.")
