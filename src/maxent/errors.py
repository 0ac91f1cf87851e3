"""Errors that a user can fix, and text that is safe to print."""

from pathlib import Path


def printable(text: str) -> str:
    r"""Return a text with every character that is not printable as its escape, such as \x1b; line ends stay.

    Text of a file may hold control sequences, which a terminal would carry out, and marks that reorder a line.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


class UserError(ValueError):
    """A user's mistake, said in one clear sentence: what was expected, what came, what to do.

    The command line prints the sentence and exits with code 2; the Python API raises it. Its text is printable.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(printable(one) if isinstance(one, str) else one for one in arguments))


class FileError(UserError):
    """A file that cannot be used: which one, what is wrong with it, and what to do.

    Args:
        path: the file, or its name where it lies in a folder that the reader of the message knows.
        problem: what was expected and what came, without a full stop.
        advice: what to do.
    """

    def __init__(self, path: Path | str, problem: str, advice: str = "it is damaged or not a file of maxent") -> None:
        super().__init__(f"{path}: {problem.rstrip('.')}; {advice}.")


class NewerVersionError(FileError):
    """A file in a format of a later version of maxent, which no older file may silently replace."""

    def __init__(self, path: Path | str, found: int, known: int) -> None:
        super().__init__(
            path, f"format {found} is not {known}, which this version of maxent reads", "read it with a newer version"
        )
