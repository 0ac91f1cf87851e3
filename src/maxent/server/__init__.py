"""The live pages of `maxent watch`: a list of runs and a page for each, which follow the runs while they train."""
