"""Matchers of a silence: equality only, so that what it hides can be told beforehand. Written ``name=value,...``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from triage.actions.system import Refusal
from triage.facts.alerts import Alert, Silence
from triage.text import clean

_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!=|!~|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*?))\s*(?:,|$)', re.ASCII)
_ESCAPED = re.compile(r"\\(.)")
Equal = tuple[tuple[str, str], ...]
"""(label, value), by label."""


def parse_matchers(text: str) -> Equal | Refusal:
    """``alertname=HighLatency, model="a, b"`` as pairs; a refusal for every other kind of matcher."""
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _MATCHER.match(text, place)
        if match is None:
            return Refusal(f"these are no matchers: {clean(text[place:], limit=80)}",
                           "such as alertname=HighLatency,model_version=8")
        name, operator, quoted, bare = match.groups()
        value = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
        if operator != "=":
            return Refusal(f"{name}{operator} is no equality: what it would hide later cannot be told",
                           "name each alert by name=value")
        if not value:
            return Refusal(f"the matcher {name} has no value", "a matcher of the empty value matches all without it")
        if found.get(name, value) != value:
            return Refusal(f"the matcher {name} has two values: no alert has both", "silence them one by one")
        found[name] = value
        place = match.end()
    return tuple(sorted(found.items()))


def shown(matchers: Equal) -> str:
    """``alertname=HighLatency, model=fraud``."""
    return ", ".join(f"{name}={clean(value, limit=80)}" for name, value in matchers)


def matches(matchers: Equal, labels: Mapping[str, str]) -> bool:
    """Whether a silence of these matchers hides an alert of these labels."""
    return all(labels.get(name) == value for name, value in matchers)


def equalities(silence: Silence) -> Equal | None:
    """The matchers of a silence that is there; None when one of them is no equality."""
    if any(regex or not equal for _, _, regex, equal in silence.matchers):
        return None
    return tuple(sorted((name, value) for name, value, _, _ in silence.matchers))


def common(alerts: Sequence[Alert], labels: Iterable[str]) -> Equal:
    """Of ``labels``, those that all alerts carry with one value."""
    found = []
    for label in dict.fromkeys(labels):
        values = {alert.labels.get(label, "") for alert in alerts}
        if len(values) == 1 and (value := next(iter(values))):
            found.append((label, value))
    return tuple(sorted(found))
