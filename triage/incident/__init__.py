"""The memory of an incident: its timeline, who does what, what is believed, and how it ended."""
