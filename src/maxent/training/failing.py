"""A checkpoint where the environments of a run raise an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from maxent.errors import UserError
from maxent.training.stop import Overdue

SAVED, NOT_SAVED = "A checkpoint is written", "No checkpoint of this moment could be written"
"""How the note begins that such an error gets."""


@contextmanager
def saved_where(failed: Callable[[], bool], save: Callable[[], str]) -> Iterator[None]:
    """Save the run where the environments raise an error or call `sys.exit`, and add a note to the error.

    Args:
        failed: whether an error came from the environments.
        save: writes a checkpoint and returns the command that goes on from it; "" where there is no folder.
    """
    try:
        yield
    except Overdue:
        raise
    except (Exception, SystemExit) as raised:
        error = _failure(raised) if failed() else raised
        if failed():
            try:
                if command := save():
                    error.add_note(f"{SAVED}; go on with: {command}")
            except (UserError, OSError) as other:  # the first error is the one to see
                error.add_note(f"{NOT_SAVED}: {other}")
        if error is raised:
            raise
        raise error from raised


def _failure(raised: Exception | SystemExit) -> Exception:
    """Return the error of an environment; for one that ends the program, an error with the place where it does."""
    if isinstance(raised, Exception):
        return raised
    return RuntimeError(f"SystemExit({raised.code!r}), which ends the program").with_traceback(raised.__traceback__)
