"""Weights of HAProxy's servers, by its runtime API. They are in force at once and forgotten when it is reloaded.

What goes wrong with them is said or refused: a static balancing algorithm takes only all or nothing; a server that is
drained by hand or down gets no request whatever its weight is; a version without a server that is up would take the
traffic nowhere; and a session that sticks to its server stays there. HAProxy has no roles either: which version is
stable others have to know (:mod:`triage.signals.roles`), and where nobody does, the version has to be named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from triage.actions.identity import Authenticator
from triage.actions.plain_system import PlainSystem
from triage.actions.plan import (
    Action,
    BlastRadius,
    JsonValue,
    Plan,
    Precondition,
    Request,
    State,
    Target,
    Verification,
    shown_version,
)
from triage.actions.rollouts.drafting import SETTLE_SECONDS, STATUS_SECONDS, percent
from triage.actions.serving import COUNTED_SECONDS
from triage.actions.system import Fate, Granted, Observed, Progress, Recorded, Refusal, Sent, Sighting, Wish
from triage.actions.verifying import to_recover
from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest, Rollout
from triage.signals.roles import Hints, first_seen, with_roles
from triage.signals.spellings import spelt
from triage.sources.haproxy import BackendLines, HaproxyClient, NotConnected, ServerLine
from triage.sources.rollouts.haproxy import facts, missing_servers, servers_of, share
from triage.text import clean

_COMMAND = re.compile(r"set weight [^/\s]+/(?P<server>\S+) (?P<weight>\d+)(?P<percent>%?)")
_STATIC = frozenset({"source", "uri", "url_param", "hdr", "rdp-cookie", "hash", "static-rr"})
"""Algorithms that may be static; whether they are, their hash-type says, which the runtime API does not tell."""
_LARGEST = 100
_WITHIN = 0.5
"""Percentage points that weights of whole numbers may be off a step."""
_NO_RECORD = Recorded(missing="HAProxy records no changes of weights")
_MANY_WORDS = {
    Action.PAUSE: Refusal("HAProxy goes no further by itself: there is nothing to pause", "its weights stay as they "
                          "are until somebody sets others"),
    Action.RESUME: Refusal("HAProxy is not paused: it goes no further by itself", "promote sets the next weight"),
    Action.RETRY: Refusal("HAProxy repeats nothing by itself", "promote sets the first weight again"),
    Action.SCALE: Refusal("HAProxy starts no servers", "scale them where they run"),
}


@dataclass(frozen=True, slots=True)
class Weighed(Observed):
    """A backend, read just now."""

    backend: BackendLines | None = None


@dataclass(frozen=True, slots=True)
class _Goal:
    """Weights to be set, and what they come to."""

    weights: dict[str, str]
    """By server: a number, or percent of the configured weight; in the order in which they are set."""
    version: str
    text: str


class HaproxyBackend(PlainSystem):
    """One backend. Implements :class:`~triage.actions.system.System`."""

    handled = frozenset({Action.ROLLBACK, Action.ABORT, Action.PROMOTE, Action.PROMOTE_FULL})
    shown = "HAProxy"
    hint = "it only sets weights"
    identity_in = "haproxy.identity"
    identity_kinds = "kubernetes or server"

    def __init__(self, target: Target, rollout: Rollout, steps: Sequence[float], hints: Callable[[], Hints],
                 client: HaproxyClient, clock: Clock, authenticator: Authenticator | None = None) -> None:
        super().__init__(target, clock, authenticator)
        self._rollout = rollout
        self._steps = tuple(steps)
        self._hints = hints
        self._client = client

    async def observe(self) -> Observed | Failure:
        """The backend's servers with their weights."""
        asked_at = self._clock.now()
        found = await self._client.backend(self._rollout.name)
        if isinstance(found, Failure):
            return found
        values: dict[str, JsonValue] = {_key(each.name): each.weight for each in found.servers}
        values |= {_up(version): any(each.ready for each in servers_of(self._rollout, version, found))
                   for version in self._rollout.servers}
        here = with_roles(facts(self._rollout, found, asked_at), self._hints())
        return Weighed(asked_at, values, here, found, recorded=_NO_RECORD)

    async def granted(self, action: Action) -> Granted:
        """Whether the socket is of the level that may set weights."""
        if action not in self.handled:
            return Granted(False, self.refusal(action).message)
        level = await self._client.level()
        if isinstance(level, Failure):
            return Granted(None, f"what its socket may do is not known: {level.sentence()}")
        return Granted(level == "admin", f"the socket {self._client.where} is of the level {level}; whoever reaches it "
                       f"may {'set' if level == 'admin' else 'only read'} weights")

    def refusal(self, action: Action) -> Refusal:
        return _MANY_WORDS.get(action, super().refusal(action))

    def offer(self, action: Action, observed: Observed, snapshot: Snapshot) -> str | Refusal:
        goal = self._goal(Wish(action), observed)
        if isinstance(goal, _Goal):
            return f"{goal.text}, at once"
        named = [version for version in self._rollout.servers if action is Action.ROLLBACK and isinstance(
            self._goal(Wish(action, to=version), observed), _Goal)]
        return f"to a version that is named: {len(named)} to choose from" if named else goal

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        if wish.action not in self.handled:
            return self.refusal(wish.action)
        goal = self._goal(wish, observed)
        if isinstance(goal, Refusal):
            return goal
        if not isinstance(observed, Weighed) or observed.backend is None or observed.rollout is None:
            return _not_ours()
        backend, here = observed.backend, observed.rollout
        goes_back = wish.action in (Action.ROLLBACK, Action.ABORT)
        before = self._leaving(goal.version, here) if goes_back else _stable(here)
        wanted = _applied(backend, goal.weights)
        servers = servers_of(self._rollout, goal.version, wanted)
        moved = self._moved(backend, wanted)
        ready = sum(1 for each in servers if each.ready)
        failing = to_recover(snapshot, self.target.model) if goes_back else ()
        return Plan(
            wish.action, self.target, State(before, text=self._standing(backend)),
            State(goal.version, text=goal.text),
            tuple(self._request(backend, name, goal) for name in goal.weights),
            "set the weights back: " + ", ".join(f"{each.name} {each.weight}" for each in backend.servers
                                                        if each.name in goal.weights),
            BlastRadius(moved, len(goal.weights), ready, f"{percent(None if moved is None else 100 * moved)} of the "
                        f"requests change version; {ready} of {len(servers)} servers of {shown_version(goal.version)} "
                        "are up"),
            "at once, for new requests",
            Verification(goal.text, STATUS_SECONDS, failing, goal.version, COUNTED_SECONDS + SETTLE_SECONDS),
            actor, wish.reason, wish.incident, now,
            (*(() if goes_back else _doubts(here)), *self._warnings(goal, backend)), persistent=False)

    def _goal(self, wish: Wish, observed: Observed) -> _Goal | Refusal:
        if not isinstance(observed, Weighed) or observed.backend is None or observed.rollout is None:
            return _not_ours()
        backend, here = observed.backend, observed.rollout
        absent = missing_servers(self._rollout, backend)
        if absent:
            return Refusal(f"the backend {backend.name} has no server {', '.join(absent)}", "mend rollout.servers in "
                           "the manifest: what is not there cannot be weighed")
        match wish.action:
            case Action.ROLLBACK:
                return self._all_to(self._named(wish.to, here), backend)
            case Action.ABORT:
                if here.roles_unknown:
                    return self._ask_for_roles(here, Action.ROLLBACK)
                if here.canary is None or here.stable is None:
                    return Refusal("no version is on trial: one has all the traffic", "roll back to a version by name")
                return self._all_to(here.stable.version, backend)
            case Action.PROMOTE_FULL:
                return self._all_to(self._trial(wish, here), backend)
            case Action.PROMOTE:
                return self._next_step(self._trial(wish, here), here, backend)
        return self.refusal(wish.action)

    def _named(self, to: str, here: RolloutFacts) -> str | Refusal:
        """The version to go back to: the one that is named, stable while another is on trial, or the policy's."""
        if not to and here.roles_unknown:
            return self._ask_for_roles(here, Action.ROLLBACK)
        wanted = to or (here.stable.version if here.canary is not None and here.stable is not None
                        else self._hints().last_known_good)
        if not wanted:
            return Refusal("no version to go back to is named", self._choices())
        return spelt(wanted, self.target.model, self._rollout.servers) or Refusal(
            f"no servers of {clean(wanted, limit=40)} are named", self._choices())

    def _trial(self, wish: Wish, here: RolloutFacts) -> str | Refusal:
        """The version to be promoted: the one on trial, or the only other one."""
        if not wish.to and here.roles_unknown:
            return self._ask_for_roles(here, wish.action)
        stable = _stable(here)
        others = [version for version in self._rollout.servers if version != stable]
        taking = [split.version for split in here.splits if split.weight > 0 and split.version != stable]
        wanted = wish.to or next((only[0] for only in (taking, others) if len(only) == 1), "")
        if not wanted:
            return Refusal("no version to promote is named" if others else "there is no other version", self._choices())
        return spelt(wanted, self.target.model, others) or Refusal(
            f"{clean(wanted, limit=40)} is not on trial", self._choices())

    def _ask_for_roles(self, here: RolloutFacts, action: Action) -> Refusal:
        """That a version has to be named, since nobody knows which is on trial."""
        taking = " or ".join(split.version for split in here.splits if split.weight > 0)
        return Refusal(here.roles_doubt, f"name the one that is to have the traffic: triage act {action} "
                       f"{self.target.model} --to {taking}; or set rollback.last_known_good in the manifest")

    def _leaving(self, goal: str, here: RolloutFacts) -> str:
        """The version that the traffic is taken off."""
        if here.roles_unknown:
            others = [split for split in here.splits if split.weight > 0 and split.version != goal]
            return max(others, key=lambda split: split.weight).version
        return here.canary.version if here.canary is not None and here.canary.version != goal else _stable(here)

    def _all_to(self, version: str | Refusal, backend: BackendLines) -> _Goal | Refusal:
        if isinstance(version, Refusal):
            return version
        servers = servers_of(self._rollout, version, backend)
        if not any(each.ready for each in servers):
            return Refusal(f"no server of {shown_version(version)} is up: the traffic would go nowhere",
                           "start them first")
        # What the configuration gives nothing at all, percents of that leave at nothing.
        unconfigured = not any(each.ready and each.initial > 0 for each in servers)
        # First up, then down: at no moment does the backend have nobody.
        up = {each.name: str(_LARGEST) if unconfigured else "100%" for each in servers
              if each.weight == 0 and (each.initial > 0 or unconfigured)}
        mine = {name for names in self._rollout.servers.values() for name in names}
        down = {each.name: "0%" for each in backend.servers
                if each.name in mine and each not in servers and each.weight > 0}
        if not up and not down:
            return Refusal(f"{shown_version(version)} has all the traffic already", self._choices())
        return _Goal(up | down, version, f"{shown_version(version)} takes all traffic")

    def _next_step(self, version: str | Refusal, here: RolloutFacts, backend: BackendLines) -> _Goal | Refusal:
        if isinstance(version, Refusal):
            return version
        others = [split for split in here.splits if split.weight > 0 and split.version != version]
        beside = _stable(here) or (others[0].version if len(others) == 1 else "")
        if not beside:
            return Refusal(here.roles_doubt or "no version has any traffic", self._choices())
        has = share(servers_of(self._rollout, version, backend), backend) or 0.0
        step = next((each for each in self._steps if each > has + _WITHIN), None)
        if step is None or step >= 100:
            return self._all_to(version, backend)
        stable = [each for each in servers_of(self._rollout, beside, backend) if each.serves]
        canary = [each for each in servers_of(self._rollout, version, backend) if each.ready]
        if not stable or not canary:
            return Refusal(f"no server of {shown_version(version if stable else beside)} is up", "start them first")
        ratio = step / (100 - step) * len(stable) / len(canary)
        high, low = (_LARGEST, max(1, round(_LARGEST * ratio))) if ratio <= 1 else (
            max(1, round(_LARGEST / ratio)), _LARGEST)
        # The share of the trial grows last, so that it is never above its step.
        weights = {each.name: str(high) for each in stable} | {each.name: str(low) for each in canary}
        got = share(servers_of(self._rollout, version, _applied(backend, weights)), _applied(backend, weights))
        return _Goal(weights, version, f"{shown_version(version)} takes {percent(got)} of the requests")

    def _choices(self) -> str:
        return f"there are: {', '.join(map(shown_version, self._rollout.servers))}"

    def _moved(self, backend: BackendLines, wanted: BackendLines) -> float | None:
        """Share of the requests (0 to 1) that change version by the new weights; None when nobody serves."""
        gained = []
        for version in self._rollout.servers:
            had, gets = (share(servers_of(self._rollout, version, lines), lines) for lines in (backend, wanted))
            if had is None or gets is None:
                return None
            gained.append(max(gets - had, 0.0))
        return sum(gained) / 100

    def _standing(self, backend: BackendLines) -> str:
        found = ((version, share(servers_of(self._rollout, version, backend), backend))
                 for version in self._rollout.servers)
        return ", ".join(f"{shown_version(version)} has {percent(has)}" for version, has in found)

    def _request(self, backend: BackendLines, name: str, goal: _Goal) -> Request:
        now, weight = next(each.weight for each in backend.servers if each.name == name), goal.weights[name]
        return Request("RUNTIME", f"set weight {backend.name}/{name} {weight}", "", "",
                       f"weight of {name}: {now} -> {weight}", "new requests are shared by the new weights",
                       (Precondition(_key(name), now, f"the weight of {name} is {now}"),
                        Precondition(_up(goal.version), True, f"a server of {shown_version(goal.version)} is up")))

    def _warnings(self, goal: _Goal, backend: BackendLines) -> tuple[str, ...]:
        found = ["not persisted: a reload of HAProxy brings the weights of its configuration back; change haproxy.cfg "
                 "as well"]
        if backend.algorithm.partition(" ")[0].partition("(")[0] in _STATIC and not all(
                weight.endswith("%") for weight in goal.weights.values()):
            found.append(f"balance {backend.algorithm} takes only 0% and 100% where it is static: it may refuse")
        stuck = sum(each.sessions for each in backend.servers if goal.weights.get(each.name) == "0%")
        if stuck:
            found.append(f"{stuck} sessions on the servers that are left end there; cookies keep theirs")
        others = {name for names in self._rollout.servers.values() for name in names}
        unknown = [each.name for each in backend.servers if each.name not in others and each.name not in goal.weights]
        if unknown:
            found.append(f"the manifest gives no version to {', '.join(unknown)}: their weights stay")
        return tuple(found)

    async def send(self, request: Request, action_id: str) -> Sent:
        """One command, once. Silence is consent: every trouble of HAProxy is a text."""
        try:
            answer = await self._client.exchange(request.path)
        except NotConnected as error:
            return Sent(Fate.NOT_SENT, None, f"{self._client.where}: {error.strerror}: nothing was sent")
        except (OSError, TimeoutError, ValueError) as error:
            return Sent(Fate.UNKNOWN, None, f"{self._client.where}: no answer came ({type(error).__name__}): it may "
                                            "have been done")
        told = clean(answer.strip(), limit=300)
        return Sent(Fate.REFUSED, None, f"{told}: nothing was changed") if told else Sent(Fate.DONE, None, "done")

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        if not isinstance(observed, Weighed) or observed.backend is None:
            return Sighting(Progress.CANNOT_TELL, "the backend was not read")
        backend = observed.backend
        weights = {match["server"]: match["weight"] + match["percent"] for match in (
            _COMMAND.fullmatch(request.path) for request in plan.requests) if match is not None}
        wanted = _applied(backend, weights)
        if wanted != backend:
            return Sighting(Progress.ELSEWHERE, self._standing(backend))
        if not any(each.serves for each in servers_of(self._rollout, plan.after.version, backend)):
            return Sighting(Progress.UNDER_WAY, f"the weights are set, and no server of "
                                                f"{shown_version(plan.after.version)} serves")
        return Sighting(Progress.REACHED, self._standing(backend))


def hints(manifest: Manifest, snapshot: Snapshot | None) -> Hints:
    """What the manifest, the registry and the requests tell of the versions' roles, by the newest snapshot."""
    spec = manifest.spec
    model = None if snapshot is None else snapshot.model(manifest.metadata.name)
    lineage = None if model is None else model.lineage
    alias = "" if spec.registry is None else spec.registry.stable_alias
    return Hints(manifest.metadata.name, spec.rollback.last_known_good or "",
                 tuple(name for row in (() if lineage is None else lineage.rows) if alias in row.aliases
                       for name in (row.version, row.served_as) if name),
                 {} if model is None else first_seen(model.versions.items))


def _stable(here: RolloutFacts) -> str:
    return "" if here.stable is None else here.stable.version


def _doubts(here: RolloutFacts) -> tuple[str, ...]:
    """Who says which version is stable, or what speaks against it; of a way back its guard tells that."""
    said = (f"{here.stable.version} is stable by {here.roles_from}",) if here.stable is not None and (
        here.roles_from and not here.roles_doubt) else ()
    return (*said, *filter(None, (here.roles_doubt,)))


def _applied(backend: BackendLines, weights: dict[str, str]) -> BackendLines:
    """The backend with these weights, as HAProxy counts them."""
    return replace(backend, servers=tuple(
        replace(each, weight=_number(each, weights[each.name]), status=_status(each, weights[each.name]))
        if each.name in weights else each for each in backend.servers))


def _number(server: ServerLine, weight: str) -> int:
    return server.initial * int(weight[:-1]) // 100 if weight.endswith("%") else int(weight)


def _status(server: ServerLine, weight: str) -> str:
    # A server that is up with the weight 0 is shown as drained, and is up again with another.
    if not server.ready:
        return server.status
    number = _number(server, weight)
    if number == 0 or server.serves:
        return server.status
    return "UP"


def _key(server: str) -> str:
    return f"weight of {server}"


def _up(version: str) -> str:
    return f"servers up of {version}"


def _not_ours() -> Refusal:
    return Refusal("the backend was read by another system", "read it again")
