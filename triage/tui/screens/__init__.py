"""The screens of the terminal dashboard."""
