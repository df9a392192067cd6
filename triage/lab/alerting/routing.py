"""Alertmanager's routing tree: which receivers get an alert, and how it is grouped for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from triage.lab.alerting.matchers import AlertMatcher

EVERY_LABEL = ("...",)
"""``group_by`` of a route whose groups hold one alert each."""


@dataclass(frozen=True, slots=True)
class Route:
    """One node of the tree. The root takes every alert; of its children the first that matches does."""

    receiver: str
    group_by: tuple[str, ...] | None = None
    """Label names, or :data:`EVERY_LABEL`; None: as the parent."""
    matchers: tuple[AlertMatcher, ...] = ()
    routes: tuple[Route, ...] = ()
    goes_on: bool = False
    """Whether the next sibling may take the alert too (``continue``)."""

    def matching(self, labels: Mapping[str, str],
                 group_by: tuple[str, ...] = ()) -> Iterator[tuple[Route, dict[str, str]]]:
        """The deepest routes that take an alert, each with the labels of the group the alert belongs to there."""
        if not all(matcher.matches(labels) for matcher in self.matchers):
            return
        own = self.group_by if self.group_by is not None else group_by
        taken = False
        for child in self.routes:
            found = list(child.matching(labels, own))
            yield from found
            taken = taken or bool(found)
            if found and not child.goes_on:
                return
        if not taken:
            yield self, dict(labels) if own == EVERY_LABEL else {n: labels[n] for n in sorted(own) if n in labels}

    def receivers(self) -> list[str]:
        """Every receiver of the tree, in order."""
        return list(dict.fromkeys([self.receiver, *(name for child in self.routes for name in child.receivers())]))

    def settings(self) -> dict[str, Any]:
        """As alertmanager.yml writes it."""
        written: dict[str, Any] = {"receiver": self.receiver}
        if self.group_by is not None:
            written["group_by"] = list(self.group_by)
        if self.matchers:
            written["matchers"] = [str(matcher) for matcher in self.matchers]
        written["continue"] = self.goes_on
        if self.routes:
            written["routes"] = [child.settings() for child in self.routes]
        return written


ONE_RECEIVER = Route("on-call", ("alertname", "model"))
"""Everything goes to one place; the version is missing from the groups, as it is in most installations."""
