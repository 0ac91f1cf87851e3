"""From words to a command's dataclass: tyro does it, and its complaints become one sentence."""

import contextlib
import io
import itertools
import re
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from maxent.errors import UserError

RUNS = Path("runs")

Run = Annotated[Path, Positional, tyro.conf.arg(metavar="RUN")]


def parse(name: str, command: type[Any], words: list[str], default: Any = None) -> Any:
    """Parse the words of one command; tyro answers an option that does not exist itself, with exit code 2."""
    options = {} if default is None else {"default": default}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(command, args=words, prog=f"maxent {name}", **options)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise UserError(_one_sentence(name, said.getvalue())) from end


def _one_sentence(name: str, box: str) -> str:
    """What tyro says in a box, in one line: the complaint, and the options that are close."""
    lines = [line.strip("│| \t") for line in box.splitlines()]
    words = [line for line in lines if re.search(r"\w", line)]  # not the frame; its title comes first
    told = list(itertools.dropwhile(lambda line: line not in words[1:2], lines))  # below the title and its rule,
    complaint = " ".join(itertools.takewhile(lambda line: re.search(r"\w", line), told))  # down to the next one
    complaint = complaint or "the command was not understood"
    complaint = re.sub(r"^Error parsing (run|settings): ", "", complaint)  # how we group options is our own affair
    near = [
        line.split()[0] for line in words[2:] if re.match(r"--\w", line) and line.split()[0] not in complaint.split()
    ]
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"{complaint.rstrip('.')}{hint} `maxent {name} --help` describes every option."


def option(name: str, words: list[str], default: str) -> str:
    """The value of an option that has to be known before the others can be parsed; given twice, the last."""
    value = default
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            value = following
        elif word.startswith(name + "="):
            value = word.removeprefix(name + "=")
    return value
