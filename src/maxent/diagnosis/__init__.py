"""Rules that find what ails an environment or a run: pure functions of measured data."""
