"""The one exception that means: the user can fix this."""


class UserError(ValueError):
    """A user's mistake, said in one clear sentence: what was expected, what came, what to do.

    The command line prints the sentence and exits with code 2; the Python API raises it.
    """
