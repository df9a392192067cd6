"""``AlertBook``: what an Alertmanager holds. Alerts that it was sent, their groups, and the silences over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from triage.lab.alerting.notices import Notice
from triage.lab.alerting.routing import ONE_RECEIVER, Route
from triage.lab.alerting.silences import Silence, SilenceDraft, Silences
from triage.lab.clock import Clock

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_SEPARATOR = b"\xff"


@dataclass(frozen=True, slots=True)
class HeldAlert:
    """An alert that is not resolved; times in Unix seconds."""

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float
    """When it is taken for resolved if nobody speaks of it again."""
    updated_at: float
    """When it was last spoken of."""
    generator_url: str
    receivers: tuple[str, ...]
    silenced_by: tuple[str, ...] = ()
    """Ids of silences, ascending."""


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts that one receiver is told of together."""

    labels: Mapping[str, str]
    receiver: str
    alerts: tuple[HeldAlert, ...]


class AlertBook:
    """Alerts, groups and silences. Inhibition is not part of it.

    ``clock`` is asked at every call; ``route`` is the routing tree; ``seed`` decides the ids of silences.
    """

    def __init__(self, clock: Clock, *, route: Route = ONE_RECEIVER, seed: int = 0) -> None:
        self.route = route
        self.clock = clock
        self.started_at = clock.now()
        self._silences = Silences(seed)
        self._held: dict[str, HeldAlert] = {}

    def receive(self, notices: Iterable[Notice]) -> None:
        """Take what a Prometheus sends. An alert that ends in the past is resolved."""
        now = self.clock.now()
        for notice in notices:
            labels = dict(sorted((name, value) for name, value in notice.labels.items() if value))
            key = fingerprint(labels)
            known = self._held.get(key)
            starts_at = notice.starts_at
            if known is not None and known.ends_at >= starts_at:
                # The same incident goes on: it began when it was first told of.
                starts_at = min(starts_at, known.starts_at)
            receivers = tuple(dict.fromkeys(route.receiver for route, _ in self.route.matching(labels)))
            self._held[key] = HeldAlert(key, labels, dict(notice.annotations), starts_at, notice.ends_at, now,
                                        notice.generator_url, receivers)

    def alerts(self) -> list[HeldAlert]:
        """Every alert that is not resolved, with what silences it, in order of their fingerprints."""
        now = self.clock.now()
        for key, alert in list(self._held.items()):
            if alert.ends_at <= now:
                del self._held[key]
        return [replace(alert, silenced_by=tuple(self._silences.silencing(alert.labels, now)))
                for _, alert in sorted(self._held.items())]

    def groups(self) -> list[AlertGroup]:
        """The alerts as the routes group them; one that goes to two receivers is in two groups."""
        members: dict[tuple[int, tuple[tuple[str, str], ...]], tuple[Route, list[HeldAlert]]] = {}
        for alert in self.alerts():
            for route, labels in self.route.matching(alert.labels):
                members.setdefault((id(route), tuple(sorted(labels.items()))), (route, []))[1].append(alert)
        groups = [AlertGroup(dict(labels), route.receiver, tuple(alerts))
                  for (_, labels), (route, alerts) in members.items()]
        names = sorted({name for group in groups for name in group.labels})
        return sorted(groups, key=lambda group: (len(group.labels), [group.labels.get(n, "") for n in names],
                                                 group.receiver))

    def put_silence(self, draft: SilenceDraft, *, replaces: str = "") -> str:
        """Store a silence and give its id; see :meth:`Silences.put`."""
        return self._silences.put(draft, self.clock.now(), replaces=replaces)

    def expire_silence(self, silence_id: str) -> None:
        """End a silence now. Raises :class:`UnknownSilence`."""
        self._silences.expire(silence_id, self.clock.now())

    def silence(self, silence_id: str) -> Silence:
        """Raises :class:`UnknownSilence`."""
        return self._silences.get(silence_id)

    def silences(self) -> list[Silence]:
        """All that are remembered, active ones first."""
        return self._silences.listed(self.clock.now())


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's name of an alert: FNV-1a (64 bit) over its labels in order of their names, in hexadecimal."""
    digest = _FNV_OFFSET
    for name, value in sorted(labels.items()):
        for byte in name.encode() + _SEPARATOR + value.encode() + _SEPARATOR:
            digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"
