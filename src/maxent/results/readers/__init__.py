"""Readers of learning curves: run folders, and files that other libraries write. All are read within bounds."""
