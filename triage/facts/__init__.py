"""What a source said, parsed and frozen. No meaning here: that is ``signals``."""
