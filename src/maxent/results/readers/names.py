"""Algorithm, environment and seed from the names that libraries give their runs."""

import re
from dataclasses import dataclass
from typing import final

CLEANRL = re.compile(r"(?P<env>.+?)__(?P<algorithm>.+?)__(?P<seed>\d{1,9})__\d+")
"""Hopper-v4__sac_continuous_action__1__1700000000"""
NUMBERED = re.compile(r"(?P<name>.+?)_(?P<seed>\d{1,6})")
"""SAC_1 of Stable-Baselines3 and Pendulum-v1_1 of RL Zoo: the number of a run of this name."""
ENV = re.compile(r"(?:^|(?<=[\s_/.:-]))(?:[A-Za-z]\w*/)?[A-Za-z][A-Za-z0-9]*-v\d+")
SEED = re.compile(r"(?:^|[\s_/.-])(?:seed|s)[\s_=:-]?(\d{1,9})(?=$|[\s_/.-])", re.IGNORECASE)


@final
@dataclass(frozen=True)
class Names:
    """What a name says of a run; None where it does not."""

    algorithm: str | None = None
    env: str | None = None
    seed: int | None = None


def names_of(text: str) -> Names:
    """Return what the name of a run or of its folder says."""
    text = text.strip()[:1_000]
    if found := CLEANRL.fullmatch(text):
        return Names(found["algorithm"], found["env"], int(found["seed"]))
    env, seed = ENV.search(text), SEED.search(text)
    rest = text
    for match in sorted(filter(None, (env, seed)), key=lambda one: one.start(), reverse=True):
        rest = rest[: match.start()] + rest[match.end() :]
    number = int(seed[1]) if seed else None
    if number is None and (numbered := NUMBERED.fullmatch(text)):
        number = int(numbered["seed"])
        rest = rest.removesuffix(f"_{numbered['seed']}")
    rest = re.sub(r"([\s_-])[\s_-]+", r"\1", rest).strip(" _-/.")
    return Names(rest or None, env[0] if env else None, number)
