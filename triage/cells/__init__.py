"""Diagnostic cells of a model notebook: read, chosen, run in a child process of their own, kept with their results."""
