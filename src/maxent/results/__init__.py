"""Results of runs, read from their folders: what people look at, with validating readers and without training."""
