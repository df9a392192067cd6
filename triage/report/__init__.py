"""A snapshot, a check-up, findings: rendered without a screen. Nothing here imports Textual."""
