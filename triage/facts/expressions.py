"""Expressions that somebody wants to see answered beside a model's own questions, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from triage.facts.replies import Reply


@dataclass(frozen=True, slots=True)
class ExpressionsWanted:
    """PromQL to be asked with every refresh while somebody looks at it."""

    model: str
    expressions: tuple[str, ...]
    """Each once."""


@dataclass(frozen=True, slots=True)
class ExpressionsReading:
    """The last answers."""

    model: str
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """By expression; one that was never asked is missing."""
