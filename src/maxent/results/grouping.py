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
    for name in by:
        if name not in KINDS and not any(name in flat(curve.settings) for curve in curves):
            known = sorted({key for curve in curves for key in flat(curve.settings)})
            raise UserError(
                f"--by: expected algo, env, run or a setting ({listed(known, 12) or 'none is known'}), got {name!r}."
            )
    groups: Groups = defaultdict(lambda: defaultdict(list))
    for curve in curves:
        label = curve.algorithm if curve.reference else ", ".join(_label(curve, name) for name in by)
        stratum = curve.algorithm if "env" in by else curve.env
        groups[_short(label)][_short(stratum)].append(curve)
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


def _label(curve: Curve, name: str) -> str:
    if name == "algo":
        return curve.algorithm
    if name == "env":
        return curve.env
    if name == "run":
        return curve.source.rstrip("/").rpartition("/")[2] or curve.source
    return f"{name} {_words(flat(curve.settings).get(name, 'not set'))}"


def _words(value: Any) -> str:
    """Return a setting for a label."""
    if isinstance(value, Mapping):
        return " ".join([str(value.get("kind", "")), *(f"{k}={v}" for k, v in value.items() if k != "kind")]).strip()
    if isinstance(value, list):
        return "×".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _short(label: str) -> str:
    """Return a label in one printable line."""
    line = printable(label.replace("\n", " "))
    return line if len(line) <= LABEL else line[: LABEL - 1] + "…"


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
