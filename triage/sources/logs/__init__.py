"""Logs of a model: one face, and Loki, VictoriaLogs or files behind it."""
