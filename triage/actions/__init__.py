"""Guarded changes to the world: plan, guards, executor, journal, lease. Only the executor sends one."""
