"""Environments: making them, stepping many at once, and bringing their episodes back. Knows no algorithm."""
