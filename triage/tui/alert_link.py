"""What ``--alert`` names: a fingerprint, labels, or a URL as it stands in a page; and the alert that it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from triage.facts.alerts import Alert
from triage.live.snapshot import Snapshot
from triage.notebook.selector import Matcher, parse_selector
from triage.signals import wording
from triage.signals.model import AlertGroup, ModelState
from triage.signals.reading import Verdict
from triage.text import clean

_FINGERPRINT = re.compile(r"[0-9a-fA-F]{8,32}")
_URL = re.compile(r"[a-z]+://|/?#/")
_LOOSE = re.compile(r"\s*([a-zA-Z_][\w.]*)\s*(=~|!~|!=|=)\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^,}\s]*))\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class AlertLink:
    """What to look for; every part that is set must hold."""

    said: str
    """What was given, cleaned, for messages."""
    fingerprint: str = ""
    matchers: tuple[Matcher, ...] = ()
    expression: str = ""
    """PromQL of the rule, from a generator URL."""
    silence: str = ""
    """ID of a silence."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was understood."""
        return not (self.fingerprint or self.matchers or self.expression or self.silence)

    def wants(self) -> str:
        """What is looked for, in words."""
        if self.fingerprint:
            return f"fingerprint {self.fingerprint}"
        if self.matchers:
            return "{" + clean(", ".join(str(m) for m in self.matchers), limit=160) + "}"
        if self.expression:
            return f"the rule {clean(self.expression, limit=120)}"
        return f"silence {clean(self.silence, limit=60)}" if self.silence else f'"{clean(self.said, limit=120)}"'

    def matches(self, alert: Alert) -> bool:
        """Whether this alert is meant."""
        if self.is_empty:
            return False
        if self.fingerprint and alert.fingerprint.lower() != self.fingerprint:
            return False
        if self.silence and self.silence not in alert.silenced_by:
            return False
        if self.expression and _expression(alert.generator_url) != self.expression:
            return False
        return all(_holds(m, alert.labels.get(m.label, "")) for m in self.matchers)


def parse_alert_link(text: str) -> AlertLink:
    """Read any of the forms; what cannot be read gives a link that matches nothing and says what was given."""
    text = text.strip()
    said = clean(text, limit=300)
    if _FINGERPRINT.fullmatch(text):
        return AlertLink(said, fingerprint=text.lower())
    if _URL.match(text):
        return _from_url(text, said)
    if text.startswith("{") or "=" in text:
        return AlertLink(said, matchers=parse_labels(text))
    return AlertLink(said, matchers=(Matcher("alertname", "=", text),) if re.fullmatch(r"[\w:.-]+", text) else ())


def parse_labels(text: str) -> tuple[Matcher, ...]:
    """``{a="b", c=~"d"}``, with or without braces and quotes, as people paste it. () when it is no set of labels."""
    inside = text.strip().removeprefix("{").removesuffix("}")
    try:
        return parse_selector("alert{" + inside + "}").matchers
    except ValueError:
        pass
    found = []
    position = 0
    while inside[position:].strip(" ,"):
        match = _LOOSE.match(inside, position)
        if match is None:
            return ()
        quoted = match[3] if match[3] is not None else match[4]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match[5]
        found.append(Matcher(match[1], match[2], value))
        position = match.end()
    return tuple(found)


def _from_url(text: str, said: str) -> AlertLink:
    try:
        parts = urlsplit(text)
    except ValueError:
        return AlertLink(said)
    fragment = parts.fragment or (text.partition("#")[2] if text.startswith(("#", "/#")) else "")
    path, _, query = fragment.partition("?")
    silence = re.fullmatch(r"/silences/([0-9a-zA-Z-]+)(?:/edit)?", path.strip())
    if silence:
        return AlertLink(said, silence=silence[1])
    for source in (query, parts.query):
        values = parse_qs(source)
        if values.get("filter"):
            return AlertLink(said, matchers=parse_labels(values["filter"][0]))
        if values.get("g0.expr"):
            return AlertLink(said, expression=values["g0.expr"][0].strip())
        if values.get("fingerprint"):
            return AlertLink(said, fingerprint=values["fingerprint"][0].strip().lower())
    if query.startswith("filter="):
        return AlertLink(said, matchers=parse_labels(unquote(query.removeprefix("filter="))))
    return AlertLink(said)


def _expression(generator_url: str) -> str:
    try:
        return parse_qs(urlsplit(generator_url).query).get("g0.expr", [""])[0].strip()
    except ValueError:
        return ""


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) == (matcher.operator == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:
        return False
    return found == (matcher.operator == "=~")


def alerts_of(snapshot: Snapshot, first: str | None = None) -> Iterator[tuple[ModelState, AlertGroup, Alert]]:
    """Every alert of every model, those of the model ``first`` before the others."""
    for model in sorted(snapshot.models, key=lambda m: m.name != first):
        for group in model.alerts:
            for alert in group.alerts:
                yield model, group, alert


def find(link: AlertLink, snapshot: Snapshot, first: str | None = None) -> tuple[ModelState, AlertGroup, Alert] | None:
    """The alert that is meant, None when no present alert is. The model ``first`` is searched before the others."""
    return next((found for found in alerts_of(snapshot, first) if link.matches(found[2])), None)


def note(link: AlertLink, found: tuple[ModelState, AlertGroup, Alert] | None, now: float) -> tuple[Verdict, str]:
    """What the screen says about the alert that was asked for, and the glyph before it."""
    if found is None:
        return Verdict.UNKNOWN, f"the alert asked about is not among the present ones (looked for {link.wants()}); " \
                                "it may have ended"
    model, group, alert = found
    reason = next((r.text for r in model.reasons if r.rule == "alert" and r.subject == group.name), "")
    said = reason or alert.annotations.get("summary", "") or alert.annotations.get("description", "")
    about = f"asked about {group.name} {group.version}".rstrip()
    since = wording.clock_time(alert.started_at, now)
    return Verdict.WARN, f"{about}, {alert.state} since {since}" + (f": {said}" if said else "")
