"""What each part of a screen says, as lines: pure functions of a ``View`` and a size."""
