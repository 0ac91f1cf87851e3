"""Environments: making them, stepping many at once, restoring their episodes. Importing this registers maxent's own."""

from maxent.envs.registration import register

register()
