"""The command line: `maxent train | resume | eval | play | watch | compare | report | doctor | list | tabular`.

The only place that parses arguments.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from maxent.cli.compare import compare
from maxent.cli.doctor import doctor
from maxent.cli.play import evaluate, play
from maxent.cli.report import report
from maxent.cli.show import show, tabular
from maxent.cli.train import resume, train
from maxent.cli.watch import watch
from maxent.errors import UserError, printable

USAGE = """\
maxent: maximum-entropy reinforcement learning

  maxent train [ENV] [--algo sac] [--steps N] [--seeds K] …   train; `maxent train --help` lists every setting
  maxent resume RUN                                           continue a run that was cut off
  maxent eval RUN [--episodes 20] [--json]                    play evaluation episodes and report the returns
  maxent play RUN --video F.mp4 | --gif F | --picture F.png   watch a policy; --human opens a window
  maxent watch [FOLDER] [--port N]                            a page in the browser, live while runs train
  maxent compare RUN… [--by SETTING] [--figure FILE.pdf]      compare settings over seeds: is the difference noise?
  maxent report RUN… [--out report.html]                      a page with curves, settings and pictures
  maxent doctor ENV|RUN [--json]                              what is wrong with an environment, or with a run
  maxent list algos|envs|recipes|runs                         what there is
  maxent tabular graph|spider [--out DIR]                     the worked examples with exact values

`maxent COMMAND --help` lists the options of a command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 a fault that `doctor` found, 2 a user's mistake, 129, 130 and 143 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if words[0] == "--version":
        from maxent import __version__

        print(f"maxent {__version__}")
        return 0
    try:
        if words[0] not in COMMANDS:
            raise UserError(f"There is no command {words[0]!r}: use one of {', '.join(COMMANDS)}.")
        return COMMANDS[words[0]](words[1:])
    except UserError as error:
        print("\n".join([f"maxent: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO):
            raise
        print(f"maxent: {error.strerror}: {printable(str(error.filename or 'the run folder'))}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("maxent: interrupted.", file=sys.stderr)
        return 130
    except Exception as error:
        from maxent.training.failing import NOT_SAVED, SAVED

        if not any(note.startswith((SAVED, NOT_SAVED)) for note in getattr(error, "__notes__", ())):
            raise
        print(f"maxent: {environment_error(error)}", file=sys.stderr)
        return 2


def environment_error(error: Exception) -> str:
    """Return the error of an environment in this process, with its own frames and what was done about the run."""
    frames = traceback.extract_tb(error.__traceback__)
    between = [at for at, frame in enumerate(frames) if {"maxent", "gymnasium"} & set(Path(frame.filename).parts)]
    places = "".join(traceback.format_list(frames[max(between, default=-1) + 1 :] or frames[-1:])).rstrip()
    said = [f"the environment raised {type(error).__name__}: {printable(str(error))}", places]
    return "\n".join([one for one in said if one] + list(getattr(error, "__notes__", ())))


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "resume": resume,
    "eval": evaluate,
    "play": play,
    "watch": watch,
    "compare": compare,
    "report": report,
    "doctor": doctor,
    "list": show,
    "tabular": tabular,
}
