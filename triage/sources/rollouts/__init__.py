"""Asking rollout controllers where they stand. They only read; moving a rollout is an action."""
