"""What to ask, when, and the Snapshot."""
