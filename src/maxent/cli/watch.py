"""`maxent watch`."""

import errno
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from maxent.cli.parsing import RUNS, parse
from maxent.errors import UserError

if TYPE_CHECKING:
    from maxent.results.run import RunResults

PORT = 8642


@dataclass(frozen=True)
class WatchCommand:
    """Show runs in a browser, live while they train. Ctrl-C ends it; runs go on."""

    folder: Positional[Path] = RUNS
    """The folder of runs, or one run."""
    port: int = PORT
    """The port; 0 is any that is free."""
    host: str = "127.0.0.1"
    """The address to listen on. By default only this machine can reach it; with 0.0.0.0 the network can read."""


def reference(run: "RunResults") -> "tuple[Mapping[str, Any] | None, Mapping[str, Any]]":
    """Return the defaults of a run's algorithm and the settings of its recipe; the first call imports PyTorch."""
    from maxent.report.reference import defaults_of, recipe_of

    return defaults_of(run), recipe_of(run)


def watch(words: list[str]) -> int:
    """Serve live pages of the runs below a folder until Ctrl-C."""
    from maxent.server.app import Server, is_loopback
    from maxent.server.feeds import Feeds

    chosen = parse("watch", WatchCommand, words)
    if not 0 <= chosen.port <= 65_535:
        raise UserError(f"--port: expected a number from 0 to 65535, got {chosen.port}.")
    if not chosen.folder.is_dir() and chosen.folder != RUNS:  # runs/ comes with the first run
        raise UserError(f"{chosen.folder} is no folder: name the one that holds your runs.")
    where = f"port {chosen.port} of {chosen.host}"
    try:
        server = Server(Feeds(chosen.folder, reference), chosen.host, chosen.port)
    except socket.gaierror as error:
        raise UserError(f"--host: expected an address or a name of this machine, got {chosen.host!r}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"{where} is in use: choose another one with --port, or any with --port 0.") from error
        raise UserError(f"{where} cannot be used: {error.strerror}.") from error
    with server:
        print(f"Runs below {chosen.folder}/: {server.url}   (Ctrl-C ends it; runs go on)", flush=True)
        if not is_loopback(chosen.host):
            print("Everyone who can reach this machine over the network can read these runs.", file=sys.stderr)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
