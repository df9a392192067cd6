"""Runbooks: what to do, checked against live facts, with the progress that survives a restart."""
