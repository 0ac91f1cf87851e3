"""Results of runs as data: what reports, comparisons and live pages show."""
