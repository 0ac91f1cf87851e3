"""From words to a command's dataclass with tyro, whose error boxes become one sentence."""

import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from maxent.cli.words import understood
from maxent.errors import UserError

RUNS = Path("runs")

Run = Annotated[Path, Positional, tyro.conf.arg(metavar="RUN")]


def parse(
    name: str,
    command: type[Any],
    words: list[str],
    default: Any = None,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Return the command for these words; raise `UserError` for words that cannot be parsed.

    `elsewhere` maps options that this command lacks to an error message.
    """
    words = understood(words, command)
    defaults = {} if default is None else {"default": default}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(command, args=words, prog=f"maxent {name}", **defaults)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        box = said.getvalue()
        options = re.findall(r"--[a-z][\w-]*", box)
        if "nrecognized" in box and options and options[0] in elsewhere:
            raise UserError(elsewhere[options[0]]) from end
        raise UserError(_one_sentence(name, box)) from end


Modules = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="import", metavar="MODULE")]
"""Modules of the user, imported before anything is read."""


def find_modules_here(*names: str | None, modules: Sequence[str] = ()) -> None:
    """Let modules of the current folder be imported, after installed ones, if the user names one (my_module:MyEnv)."""
    if (modules or any(name and ":" in name for name in names)) and "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _one_sentence(name: str, box: str) -> str:
    """Return tyro's error box as one line: the message, and the options that are close."""
    lines = [line.strip("│| \t") for line in box.splitlines()]
    words = [line for line in lines if re.search(r"\w", line)]  # not the frame; its title comes first
    body = list(itertools.dropwhile(lambda line: line not in words[1:2], lines))  # below the title and its rule,
    complaint = " ".join(itertools.takewhile(lambda line: re.search(r"\w", line), body))  # down to the next one
    complaint = complaint or "the command was not understood"
    complaint = re.sub(r"^Error parsing (run|replay|algorithm): ", "", complaint)  # the groups are of no interest
    option = re.match(r"Error parsing (--[\w-]+): ", complaint)
    if option:  # our own messages begin with the name of the setting
        said = complaint.removeprefix(option[0])
        named = said.startswith((option[1], option[1].removeprefix("--").replace("-", "_") + ":"))
        complaint = said if named else f"{option[1]}: {said}"
    mentioned = re.findall(r"--[\w-]+", complaint)
    near = [line.split()[0] for line in words[2:] if re.match(r"--\w", line) and line.split()[0] not in mentioned]
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"{complaint.rstrip('.')}{hint} `maxent {name} --help` describes every option."
