"""Widgets on Textual's line API: they repaint the rows that changed and nothing else."""
