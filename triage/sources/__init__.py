"""Asking: clients that turn what servers answer into facts. They know nothing of meaning."""
