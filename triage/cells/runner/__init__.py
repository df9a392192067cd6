"""The runner: a program of its own that drives a Jupyter kernel. The only package that imports nbclient."""
