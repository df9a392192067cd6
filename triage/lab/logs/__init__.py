"""What the world logs, and the queries by which it is found."""

from triage.lab.logs.book import LogBook

__all__ = ["LogBook"]
