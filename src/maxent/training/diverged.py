"""What to say of a run whose numbers are no longer finite."""

from collections.abc import Sequence

from maxent.errors import UserError


def diverged(step: int, what: Sequence[str]) -> UserError:
    """Return what to raise for a run that has diverged."""
    return UserError(
        f"Training diverged by step {step:,} ({', '.join(what)} not finite): try a smaller "
        "--learning-rate, --max-grad-norm 1, a smaller --reward-scale, and check the environment's rewards."
    )
