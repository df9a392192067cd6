"""Silences in Alertmanager (API v2), kept small: of one model, of one named alert, for hours, with a reason.

Alertmanager itself takes a silence of everything for ever (prometheus/alertmanager#3492, and #1769 refused to guard
against it), so the client guards: the name of an alert and the model's labels are always among the matchers, all of
them equalities; the incident that it belongs to stands in its comment; what it would hide now is shown; one that is
there already is made longer instead of put beside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from triage.actions.matchers import Equal, common, equalities, matches, parse_matchers, shown
from triage.actions.plain_system import PlainSystem
from triage.actions.plan import Action, BlastRadius, Plan, Precondition, Request, State, Target, Verification
from triage.actions.sender import HttpSender
from triage.actions.system import UNVERIFIED, Fate, Observed, Progress, Refusal, Sent, Sighting, Wish
from triage.clock import Clock
from triage.facts.alerts import Alert, AlertState, Silence
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest
from triage.quantities import parse_duration
from triage.signals.alerts import (
    DEPLOYMENT_LABELS,
    PAGE_SEVERITIES,
    TICKET_SEVERITIES,
    VERSION_LABELS,
    belongs,
    urgency,
)
from triage.signals.reading import Urgency
from triage.signals.wording import clock_time, span
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.decode import NotJson, load_json
from triage.text import clean

SYSTEM = "alertmanager"
USUAL_SECONDS = 3600.0
LONGEST_SECONDS = 4 * 3600.0
MOST_ALERTS = 20
"""Alerts that one silence may hide now."""
MOST_SILENCES = 5
"""Active silences of one model: more hide an outage bit by bit."""
_ACTIVE, _EXPIRED = "active", "expired"
_GOAL_SECONDS = 60.0
_MOST_NAMED = 6
_SEVERITIES = (PAGE_SEVERITIES, TICKET_SEVERITIES)
"""Worst first."""
_HEARD = frozenset({AlertState.FIRING, AlertState.INHIBITED})


@dataclass(frozen=True, slots=True)
class Heard(Observed):
    """What Alertmanager holds, read just now."""

    alerts: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    cluster: str = "disabled"
    """What it says of its peers: ``disabled`` (it has none), ``ready`` or ``settling``; "" when it did not answer."""


class Silencing(PlainSystem):
    """The silences of one model's alerts. Implements :class:`~triage.actions.system.System`."""

    handled = frozenset({Action.SILENCE, Action.EXPIRE_SILENCE})
    shown = "Alertmanager"
    hint = "it only silences alerts; look at the actions of the rollout"

    def __init__(self, target: Target, manifest: Manifest, client: AlertmanagerClient, clock: Clock) -> None:
        super().__init__(target, clock)
        self._manifest = manifest
        self._client = client
        self._sender = HttpSender(client.source)
        labels = manifest.spec.alerts.labels or manifest.spec.metrics.selector
        self._labels: Equal = tuple(sorted(labels.items()))
        """What makes an alert the model's; () when the manifest knows them by name only."""

    async def observe(self) -> Observed | Failure:
        """Every alert and every silence."""
        asked_at = self._clock.now()
        # In this order, so that no alert names a silence that is not there yet.
        alerts = await self._client.alerts()
        if isinstance(alerts, Failure):
            return alerts
        silences = await self._client.silences()
        if isinstance(silences, Failure):
            return silences
        status = await self._client.get("/api/v2/status")
        cluster = status.get("cluster") if isinstance(status, dict) else None
        said = cluster.get("status") if isinstance(cluster, dict) else None
        return Heard(asked_at, {_key(each): _standing(each) for each in silences}, None, alerts, silences,
                     said if isinstance(said, str) else "")

    def offer(self, action: Action, observed: Observed, snapshot: Snapshot) -> str | Refusal:
        if not isinstance(observed, Heard):
            return _not_ours()
        if action is Action.SILENCE:
            mine = self._mine(observed)
            if not mine:
                return Refusal(f"no alert of {self.target.model} is firing", "there is nothing to silence")
            names = len({alert.name for alert in mine})
            return f"hide {'one of ' if names > 1 else ''}{_names(mine)} for a while"
        there = self._silences(observed)
        if not there:
            return Refusal(f"no silence of {self.target.model} is active or to come", "there is nothing to expire")
        told = "; ".join(map(_short, there[:_MOST_NAMED]))
        return f"end {'one of ' if len(there) > 1 else ''}{told}"

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        """``parameters``: ``alert`` (its name) or ``matchers``, ``duration``, and ``incident`` where the wish names
        none; ``silence`` (its id) to expire."""
        if wish.action not in self.handled:
            return self.refusal(wish.action)
        if not isinstance(observed, Heard):
            return _not_ours()
        if wish.action is Action.EXPIRE_SILENCE:
            return self._expiry(wish, observed, actor, now)
        matchers = self._matchers(wish, observed)
        if isinstance(matchers, Refusal):
            return matchers
        seconds = _seconds(wish.parameters.get("duration", ""))
        if isinstance(seconds, Refusal):
            return seconds
        if not wish.reason.strip():
            return Refusal("a silence needs a reason", "say why: whoever is on call next reads it")
        wish = replace(wish, incident=wish.incident.strip() or wish.parameters.get("incident", "").strip())
        if not wish.incident:
            # A comment that leads nowhere keeps an alert hidden when its author has gone home.
            return Refusal("a silence belongs to an incident, and none is open",
                           "open one, or name one kept elsewhere: incident=ID (triage act: --incident ID)")
        return self._silence(wish, observed, matchers, seconds, actor, now)

    def _matchers(self, wish: Wish, observed: Heard) -> Equal | Refusal:
        """What is asked for, with the model's own labels; or derived from the alert that is named."""
        written, named = wish.parameters.get("matchers", ""), wish.parameters.get("alert", "")
        asked: Equal | Refusal = parse_matchers(written) if written else ()
        if isinstance(asked, Refusal):
            return asked
        found = dict(asked)
        mine = self._mine(observed)
        if not written:
            names = sorted({alert.name for alert in mine})
            if not named and len(names) != 1:
                return Refusal("no alert is named", f"firing: {', '.join(names[:_MOST_NAMED])}" if names
                               else f"no alert of {self.target.model} is firing")
            name = named or names[0]
            meant = [alert for alert in mine if alert.name == name]
            if not meant:
                return Refusal(f"no alert of {self.target.model} is called {clean(name, limit=80)}",
                               f"firing: {', '.join(names[:_MOST_NAMED]) or 'none'}; or give matchers")
            metrics = self._manifest.spec.metrics
            labels = (metrics.version_label or "", *VERSION_LABELS, metrics.deployment_label, *DEPLOYMENT_LABELS)
            found |= dict(common(meant, filter(None, labels))) | {"alertname": name}
        wrong = next((name for name, value in self._labels if found.get(name, value) != value), None)
        if wrong is not None:
            return Refusal(f"{wrong}={clean(found[wrong], limit=80)} is another model's",
                           f"{self.target.model} has {shown(self._labels)}")
        found |= dict(self._labels)
        if "alertname" not in found:
            return Refusal("no alertname is among the matchers: it would hide alerts that nobody has seen yet",
                           "add alertname=...")
        if len(found) < 2:
            return Refusal("one matcher alone is too broad", "add a label of the model, or alerts.labels to its "
                           "manifest")
        return tuple(sorted(found.items()))

    def _silence(self, wish: Wish, observed: Heard, matchers: Equal, seconds: float, actor: str,
                 now: float) -> Plan | Refusal:
        hidden = [alert for alert in observed.alerts if matches(matchers, alert.labels)]
        others = [alert for alert in hidden if not belongs(alert, self._manifest)]
        if others:
            return Refusal(f"it would hide {len(others)} {_plural(len(others), 'alert')} of other models: "
                           f"{_names(others)}", "add a matcher that only this model's alerts have")
        if len(hidden) > MOST_ALERTS:
            return Refusal(f"it would hide {len(hidden)} alerts, at most {MOST_ALERTS} may be",
                           "add a matcher, or silence where that many alerts are routed")
        until = now + seconds
        # What begins later hides nothing now, and stays as it is.
        there = [each for each in self._silences(observed) if each.state == _ACTIVE]
        same = [each for each in there if equalities(each) == matchers]
        if any(each.ends_at >= until for each in same):
            return Refusal(f"it is silenced already: {_short(same[0])}", "expire it first to make it shorter")
        wider = next((each for each in there if each.ends_at >= until and _covers(each, matchers)), None)
        if wider is not None:
            return Refusal(f"it is silenced already: {_short(wider)}", "expire that one to hide less, or for less long")
        if not same and len(there) >= MOST_SILENCES:
            return Refusal(f"{MOST_SILENCES} silences of {self.target.model} are active already",
                           "expire one that is not needed any more")
        known = same[0] if same else None
        words = f"{wish.reason.strip()} (incident {wish.incident})"
        body: dict[str, Any] = {
            "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in matchers],
            "startsAt": _rfc3339(now if known is None else known.starts_at), "endsAt": _rfc3339(until),
            "createdBy": actor.removeprefix(UNVERIFIED).strip(), "comment": words}
        if known is not None:
            body["id"] = known.id
        end = f"until {clock_time(until)} ({span(seconds)} from now)"
        request = Request(
            "POST", "/api/v2/silences", "application/json", json.dumps(body, sort_keys=True),
            f"silence {end}{', made longer' if known else ''}: {shown(matchers)}",
            f"{_heard(hidden)} {'stays' if len(hidden) == 1 else 'stay'} hidden {end}" if hidden
            else f"nothing is hidden now; alerts that come are {end}",
            () if known is None else (_still(known),))
        return Plan(
            wish.action, self.target, State("", text=f"{_heard(hidden)} heard" if known is None else _short(known)),
            State("", text=f"hidden {end}"), (request,),
            "expire the silence: what fires then is heard again" if known is None
            else f"expire the silence; it would have ended at {clock_time(known.ends_at)}",
            BlastRadius(0.0, 0, None, self._preview(hidden)), "at once",
            Verification(f"the alerts of {shown(matchers)} are silenced until {clock_time(until)}", _GOAL_SECONDS),
            actor, wish.reason, wish.incident, now,
            (*self._warnings(hidden, until), *_beside(self._silences(observed), matchers), *_peers(observed.cluster)))

    def _preview(self, hidden: list[Alert]) -> str:
        if not hidden:
            return "hides no alert that fires now"
        severities = dict.fromkeys(each for severity in _SEVERITIES
                                   for alert in hidden if (each := alert.labels.get("severity", "")) in severity)
        others = sorted({alert.labels["severity"] for alert in hidden if alert.labels.get("severity")} - {*severities})
        worst = next(iter((*severities, *others)), "")
        teams = sorted({alert.labels["team"] for alert in hidden if alert.labels.get("team")})
        more = f"{f', at worst {worst}' if worst else ''}{f', of {_listed(teams)}' if teams else ''}"
        return f"hides {len(hidden)} {_plural(len(hidden), 'alert')}: {_names(hidden)}{more}; no other model's"

    def _warnings(self, hidden: list[Alert], until: float) -> tuple[str, ...]:
        found = []
        paging = [alert for alert in hidden if urgency(alert, self._manifest) is Urgency.PAGE]
        if paging:
            found.append(f"it hides what pages: {_names(paging)}; nobody is called again before {clock_time(until)}")
        if not hidden:
            found.append("no alert of it fires now: check the matchers")
        return tuple(found)

    def _expiry(self, wish: Wish, observed: Heard, actor: str, now: float) -> Plan | Refusal:
        there = self._silences(observed)
        wanted = wish.parameters.get("silence", "")
        named = [each for each in there if each.id == wanted] if wanted else list(there)
        if len(named) != 1:
            told = "; ".join(f"{each.id} ({_short(each)})" for each in there[:_MOST_NAMED])
            message = (f"there is no silence {clean(wanted, limit=60)} of {self.target.model} alone" if wanted
                       else "no silence is named" if there
                       else f"no silence of {self.target.model} is active or to come")
            return Refusal(message, f"there are: {told}" if told else "there is nothing to expire")
        silence = named[0]
        back = [alert for alert in observed.alerts if silence.id in alert.silenced_by]
        request = Request("DELETE", f"/api/v2/silence/{silence.id}", "", "", f"expire the silence {_short(silence)}",
                          f"{_heard(back)} heard again", (_still(silence),))
        return Plan(
            wish.action, self.target, State("", text=_short(silence)), State("", text=f"{_heard(back)} heard again"),
            (request,), f"silence {shown(equalities(silence) or ())} again",
            BlastRadius(0.0, 0, None, f"{_heard(back)} heard again{f': {_names(back)}' if back else ''}"), "at once",
            Verification(f"the silence {silence.id} has ended", _GOAL_SECONDS), actor, wish.reason, wish.incident, now,
            () if not silence.comment else (f"{silence.created_by or 'somebody'} said: {silence.comment}",))

    async def send(self, request: Request, action_id: str) -> Sent:
        received = await self._sender.send(request, action_id)
        if isinstance(received, Sent):
            return received
        if not 200 <= received.status < 300:
            return self._sender.refused(received, request.path)
        if request.method == "POST":
            try:
                answer = load_json(received.body)
            except NotJson:
                answer = None
            if not isinstance(answer, dict) or not isinstance(answer.get("silenceID"), str):
                return Sent(Fate.UNKNOWN, received.status,
                            "the answer is not of an Alertmanager: it may have been done")
            return Sent(Fate.DONE, received.status, f"silence {clean(answer['silenceID'], limit=60)}")
        return Sent(Fate.DONE, received.status, "done")

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        if not isinstance(observed, Heard):
            return Sighting(Progress.CANNOT_TELL, "the silences were not read")
        if plan.action is Action.EXPIRE_SILENCE:
            wanted = plan.requests[0].path.rpartition("/")[2]
            there = any(each.id == wanted and each.state != _EXPIRED for each in observed.silences)
            return Sighting(Progress.ELSEWHERE if there else Progress.REACHED,
                            "the silence is there" if there else "the silence has ended")
        body = json.loads(plan.requests[0].body)
        matchers: Equal = tuple(sorted((each["name"], each["value"]) for each in body["matchers"]))
        found = next((each for each in observed.silences if each.state == _ACTIVE and equalities(each) == matchers
                      and _rfc3339(each.ends_at)[:19] == body["endsAt"][:19]), None)
        if found is None:
            return Sighting(Progress.ELSEWHERE, f"there is no silence {shown(matchers)} until that time")
        loud = [alert for alert in observed.alerts if matches(matchers, alert.labels) and not alert.silenced_by]
        if loud:
            return Sighting(Progress.UNDER_WAY, f"the silence is there, and {_heard(loud)} still heard: {_names(loud)}")
        return Sighting(Progress.REACHED, f"silence {found.id} hides it until {clock_time(found.ends_at)}, "
                                          f"{span(max(found.ends_at - observed.at, 0.0))} from now")

    async def aclose(self) -> None:
        await super().aclose()
        await self._client.aclose()

    def _mine(self, observed: Heard) -> list[Alert]:
        return [alert for alert in observed.alerts if alert.state in _HEARD and belongs(alert, self._manifest)]

    def _silences(self, observed: Heard) -> list[Silence]:
        """Silences, active or to come, that hide this model's alerts and nobody else's; the one that ends first before
        others."""
        found = []
        for each in observed.silences:
            equal = equalities(each)
            if each.state != _EXPIRED and equal is not None and self._is_ours(dict(equal)):
                found.append(each)
        return sorted(found, key=lambda each: (each.ends_at, each.id))

    def _is_ours(self, matchers: dict[str, str]) -> bool:
        if self._labels:
            return all(matchers.get(name) == value for name, value in self._labels)
        alerts = self._manifest.spec.alerts
        return matchers.get("alertname") in (*alerts.page, *alerts.ticket)


def _seconds(text: str) -> float | Refusal:
    if not text:
        return USUAL_SECONDS
    try:
        seconds = parse_duration(text)
    except ValueError:
        return Refusal(f"{clean(text, limit=40)} is no duration", f"such as 30m or 1h, at most {span(LONGEST_SECONDS)}")
    if seconds > LONGEST_SECONDS:
        return Refusal(f"{span(seconds)} is too long for a silence by hand", f"at most {span(LONGEST_SECONDS)}; what "
                       "lasts longer belongs into Alertmanager's configuration")
    return seconds


def _covers(silence: Silence, matchers: Equal) -> bool:
    """Whether everything that ``matchers`` hide is hidden by a silence that is there."""
    return set(equalities(silence) or matchers) < set(matchers)


def _beside(there: Sequence[Silence], matchers: Equal) -> Iterator[str]:
    """What is silenced already, or will be, of what ``matchers`` hide, by other silences."""
    for each in there:
        if each.state != _ACTIVE:
            if equalities(each) == matchers or _covers(each, matchers):
                yield f"it is to be silenced once more: {_short(each)}"
        elif _covers(each, matchers) or set(equalities(each) or ()) > set(matchers):
            yield f"part of it is silenced already: {_short(each)}"


def _peers(cluster: str) -> Iterator[str]:
    """What keeps the other servers of a cluster from hearing of it."""
    if cluster not in ("disabled", "ready"):
        yield (f"its cluster is {clean(cluster, limit=40)}: its peers may page until they have heard of it" if cluster
               else "it does not say whether it has peers, which may page until they have heard of it")


def _still(silence: Silence) -> Precondition:
    return Precondition(_key(silence), _standing(silence), f"the silence {silence.id} is {_standing(silence)}")


def _key(silence: Silence) -> str:
    return f"silence {silence.id}"


def _standing(silence: Silence) -> str:
    return f"{silence.state} until {_rfc3339(silence.ends_at)[:19]}"


def _short(silence: Silence) -> str:
    begins = "" if silence.state == _ACTIVE else f"from {clock_time(silence.starts_at)} "
    return (f"{shown(equalities(silence) or ())} {begins}until {clock_time(silence.ends_at)} by "
            f"{silence.created_by or '?'}")


def _heard(alerts: list[Alert]) -> str:
    return f"{len(alerts) or 'no'} {_plural(len(alerts), 'alert')}"


def _names(alerts: list[Alert]) -> str:
    return _listed(sorted({alert.name for alert in alerts}))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"


def _not_ours() -> Refusal:
    return Refusal("the alerts were read by another system", "read them again")
