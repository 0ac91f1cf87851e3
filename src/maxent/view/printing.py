"""Lines on standard output, whose reader may go before a run ends."""

import os
import sys


def say(text: str) -> None:
    """Print a line at once. Where the reader of standard output has gone, the run goes on without it.

    A run that is piped into `head` is to be trained to its end: what it learns is in its folder, and hours of it should
    not depend on who reads along. One sentence on standard error says so.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence()
        print("maxent: nobody reads the output any more; the run goes on quietly.", file=sys.stderr, flush=True)


def silence() -> None:
    """Let whatever is printed from now on go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
