"""What an evaluation knows besides its expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from triage.lab.promql.store import Store, Times


class Semantics(Enum):
    """Whose rules apply.

    Prometheus 3 leaves the left end out of range selectors, of the lookback and of subqueries; Prometheus 2 takes it
    in.
    """

    V2 = "2"
    V3 = "3"


@dataclass(slots=True)
class Notes:
    """Annotations of the answer, in order and without repetition (Prometheus util/annotations)."""

    warnings: dict[str, None] = field(default_factory=dict)
    infos: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        self.warnings[f"PromQL warning: {text}"] = None

    def inform(self, text: str) -> None:
        self.infos[f"PromQL info: {text}"] = None


@dataclass(frozen=True, slots=True)
class Context:
    """One evaluation: where samples come from, and the steps that are answered."""

    store: Store
    semantics: Semantics
    lookback_ms: int
    start_ms: int
    """First step of the whole query, ``start()``; also within subqueries."""
    end_ms: int
    steps_ms: Times
    notes: Notes
    experimental: bool = False
    """Whether what is experimental in Prometheus 3 is answered."""

    @property
    def dot_all(self) -> bool:
        """Whether ``.`` in a regular expression matches a newline."""
        return self.semantics is Semantics.V3

    @property
    def closed(self) -> bool:
        """Whether the left end of a span of time belongs to it."""
        return self.semantics is Semantics.V2
