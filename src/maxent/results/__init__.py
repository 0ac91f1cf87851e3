"""What runs have led to: their curves, read from files of maxent and of others, and comparisons of them."""
