"""What a run leaves on disk: its folder, checkpoints, metrics and policies, as plain data and tensors."""
