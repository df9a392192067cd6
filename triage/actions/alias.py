"""An alias of MLflow's registry, where servers or jobs follow it: to a named version, or to the one on trial.

MLflow knows no compare-and-set: the last writer wins, and nothing records who moved an alias when. So each request is
preceded by a look at the alias, what is meant is written beside it first (a tag of the model, and the alias
``previous_...``), and it is looked at again afterwards. And an alias changes nothing for a server that resolved it when
it started: done is what the requests show.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

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
from triage.actions.rollouts.drafting import SETTLE_SECONDS
from triage.actions.sender import GRANTED_SECONDS, HttpSender
from triage.actions.serving import COUNTED_SECONDS, NOTHING_SERVES, Served, served, taken_up
from triage.actions.system import (
    Authority,
    Change,
    Fate,
    Granted,
    Observed,
    Progress,
    Recorded,
    Refusal,
    Rehearsal,
    Sent,
    Sighting,
    Wish,
)
from triage.actions.verifying import to_recover
from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import ApprovalStatus, RegisteredModel, RegisteredVersion
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Registry
from triage.signals.spellings import registered_as
from triage.signals.wording import span
from triage.sources.decode import NotJson, load_json
from triage.sources.failures import Received
from triage.sources.registry.mlflow import API, ARTIFACT, MlflowClient
from triage.text import clean

SYSTEM = "mlflow"
ALIAS = "alias"
_WHO = f"{API}/users/current"
_ARTIFACT_FILE = "MLmodel"
_READY = "READY"
_REFUSED = frozenset({ApprovalStatus.REJECTED, ApprovalStatus.WITHDRAWN})
_NOTE = re.compile(rf"triage\.{Action.ROLLBACK}\.[0-9a-f]{{12}}")
_MOST_NAMED = 6
_HINTS = {
    Action.PAUSE: "nothing goes on by itself: whoever moves the alias does",
    Action.RESUME: "nothing goes on by itself: whoever moves the alias does",
    Action.PROMOTE: "an alias has no steps: promote-full moves it to the version on trial",
    Action.ABORT: "an alias has no share of the traffic: roll back to a named version",
    Action.RETRY: "an alias has no attempt to repeat",
    Action.SCALE: "an alias has no replicas",
}


@dataclass(frozen=True, slots=True)
class Registered(Observed):
    """The model in the registry, read just now, and what serves by the newest snapshot."""

    model: RegisteredModel | None = None
    served: Served = NOTHING_SERVES


class Alias(PlainSystem):
    """One alias of one registered model. Implements :class:`~triage.actions.system.System`."""

    handled = frozenset({Action.ROLLBACK, Action.PROMOTE_FULL})
    shown = "MLflow"
    hint = "it only moves the alias"
    identity_in = "registry.identity"

    def __init__(self, target: Target, registry: Registry, alias: str, last_known_good: str, reload_seconds: float,
                 client: MlflowClient, clock: Clock, snapshot: Callable[[], Snapshot | None],
                 authenticator: Authenticator | None = None) -> None:
        super().__init__(target, clock, authenticator)
        self._registry = registry
        self._alias = alias
        self._last_known_good = last_known_good
        self._reload_seconds = reload_seconds
        self._client = client
        self._sender = HttpSender(client.source)
        self._snapshot = snapshot
        self._granted: tuple[float, Granted] | None = None

    async def observe(self) -> Observed | Failure:
        """The model with its aliases and versions."""
        asked_at = self._clock.now()
        found = (await self._client.models((self._registry.name,)))[self._registry.name]
        if isinstance(found, Failure):
            return found
        values: dict[str, JsonValue] = {ALIAS: found.aliases.get(self._alias)}
        values |= {_status_key(each): each.status for each in found.versions}
        return Registered(asked_at, values, None, found, served(self._snapshot(), self.target.model),
                          recorded=recorded(found, self._alias))

    @property
    def authority(self) -> Authority:
        """MLflow itself, where it has users and nobody else is named."""
        found = super().authority
        return found if found.shown else Authority(f"MLflow {self.target.cluster}", found.remedy)

    async def whoami(self) -> str | Failure:
        """The user whom the configured authority names, else MLflow's own authentication; nobody where it has none."""
        if self._authenticator is not None:
            return await super().whoami()
        answer = await self._client.get(_WHO)
        if isinstance(answer, Failure):
            absent = answer.kind in (FailureKind.NOT_FOUND, FailureKind.NOT_PROMETHEUS)
            return await super().whoami() if absent else answer
        user = answer.get("user") if isinstance(answer, dict) else None
        name = user.get("username") if isinstance(user, dict) else None
        return clean(name, limit=200) if isinstance(name, str) and name else await super().whoami()

    async def granted(self, action: Action) -> Granted:
        """Whether MLflow examines an alias of this credential, which one it refuses to everybody; asked once a
        minute."""
        if action not in self.handled:
            return Granted(False, self.refusal(action).message)
        now = self._clock.monotonic()
        if self._granted is None or now - self._granted[0] >= GRANTED_SECONDS:
            may = await self._client.may_move_aliases(self._registry.name)
            self._granted = now, Granted(may, {
                True: "MLflow lets this credential move aliases", None: "whether you may move aliases cannot be told",
                False: "this credential may not move aliases: it only reads, or is not taken"}[may])
        found = self._granted[1]
        if found.allowed is None:
            self._granted = None
        return found

    def refusal(self, action: Action) -> Refusal:
        return Refusal(f"an alias knows no {action}", _HINTS.get(action, self.hint))

    def offer(self, action: Action, observed: Observed, snapshot: Snapshot) -> str | Refusal:
        goal = self._goal(Wish(action), observed)
        if isinstance(goal, Refusal):
            others = self._others(observed) if action is Action.ROLLBACK else ()
            return f"to a version that is named: {len(others)} to choose from" if others else goal
        return f"{self._alias} to {shown_version(goal.version)}: {self._path()}"

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        if wish.action not in self.handled:
            return self.refusal(wish.action)
        goal = self._goal(wish, observed)
        if isinstance(goal, Refusal):
            return goal
        if not isinstance(observed, Registered) or observed.model is None:
            return _not_ours()
        here = observed.model.aliases[self._alias]
        share = observed.served.share(here, self.target.model)
        failing = to_recover(snapshot, self.target.model)
        seconds = self._reload_seconds + COUNTED_SECONDS
        moved = "?" if share is None else f"{share:.0%}"
        return Plan(
            wish.action, self.target, State(here, text=f"{self._alias} names {shown_version(here)}"),
            State(goal.version, text=f"{self._alias} names {shown_version(goal.version)}"),
            self._requests(wish, here, goal, actor), f"move {self._alias} back to {shown_version(here)}",
            BlastRadius(share, None, None, f"{moved} of the requests change version as servers follow the alias"),
            self._path(), Verification(f"{self._alias} names {shown_version(goal.version)}, and it serves", seconds,
                                       failing, goal.version, seconds + SETTLE_SECONDS),
            actor, wish.reason, wish.incident, now, self._warnings(goal, observed))

    def _path(self) -> str:
        return ("at once in the registry; what resolved the alias at its start serves the old version until it is "
                f"loaded again (rollout.reload: {span(self._reload_seconds)})")

    def _goal(self, wish: Wish, observed: Observed) -> RegisteredVersion | Refusal:
        """The version that the alias is to name, or why it cannot."""
        if not isinstance(observed, Registered) or observed.model is None:
            return _not_ours()
        model, here = observed.model, observed.model.aliases.get(self._alias)
        if here is None:
            return Refusal(f"{clean(model.name, limit=80)} has no alias {self._alias}", "set it where versions are "
                           "registered, or mend rollout.name")
        if wish.action is Action.PROMOTE_FULL:
            trial = model.aliases.get(self._registry.canary_alias)
            if trial is None:
                return Refusal(f"nothing is on trial: there is no alias {self._registry.canary_alias}",
                               "the training pipeline sets it (registry.canary_alias)")
            if wish.to and registered_as(wish.to, model) != trial:
                return Refusal(f"{self._registry.canary_alias} names {shown_version(trial)}, not "
                               f"{clean(wish.to, limit=40)}", "promote what is on trial")
            wanted = trial
        else:
            wanted = wish.to or self._last_known_good
            if not wanted:
                return Refusal("no version to go back to is named", self._choices(observed))
        version = model.version(registered_as(wanted, model) or wanted)
        if version is None:
            return Refusal(f"the registry has no version {clean(wanted, limit=40)}", self._choices(observed))
        if version.version == here:
            return Refusal(f"{self._alias} names {shown_version(here)} already", self._choices(observed))
        if version.status != _READY:
            return Refusal(f"{shown_version(version.version)} is {version.status}, not {_READY}",
                           self._choices(observed))
        tags = self._registry.approval_tags
        approval = version.approval(tags.status, tags.by)
        if approval.status in _REFUSED:
            why = f": {approval.reason}" if approval.reason else ""
            return Refusal(f"{shown_version(version.version)} is {approval.status}{why}", self._choices(observed))
        return version

    def _others(self, observed: Observed) -> tuple[RegisteredVersion, ...]:
        """Versions that it could go back to, newest first."""
        if not isinstance(observed, Registered) or observed.model is None:
            return ()
        tags = self._registry.approval_tags
        return tuple(each for each in observed.model.versions if each.status == _READY
                     and each.version != observed.model.aliases.get(self._alias)
                     and each.approval(tags.status, tags.by).status not in _REFUSED)

    def _choices(self, observed: Observed) -> str:
        names = [shown_version(each.version) for each in self._others(observed)[:_MOST_NAMED]]
        return f"there are: {', '.join(names)}" if names else "no other version is ready"

    def _warnings(self, goal: RegisteredVersion, observed: Registered) -> tuple[str, ...]:
        tags = self._registry.approval_tags
        approval = goal.approval(tags.status, tags.by)
        found = []
        if approval.status is not ApprovalStatus.APPROVED:
            found.append(f"{shown_version(goal.version)} is not approved ({tags.status}: {approval.word or 'none'})")
        if not observed.served.shares:
            found.append("which version serves cannot be seen: whether servers follow the alias will not be known")
        return tuple(found)

    def _requests(self, wish: Wish, here: str, goal: RegisteredVersion, actor: str) -> tuple[Request, ...]:
        name, previous = self._registry.name, f"previous_{self._alias}"
        # Without a time, so that the same plan made again is the same; the journal has it.
        note = json.dumps({"alias": self._alias, "from": here, "to": goal.version, "actor": actor,
                           "reason": wish.reason, "incident": wish.incident}, sort_keys=True)
        key = f"triage.{wish.action}.{hashlib.sha256(note.encode()).hexdigest()[:12]}"
        still = Precondition(ALIAS, here, f"{self._alias} names {here}")
        ready = Precondition(_status_key(goal), goal.status, f"{goal.version} is {goal.status}")
        artifact = f"{ARTIFACT}?{urlencode({'name': name, 'version': goal.version, 'path': _ARTIFACT_FILE})}"
        return (
            _post("registered-models/set-tag", {"name": name, "key": key, "value": note}, f"tag {key} on {name}",
                  "writes down beside the alias what is done, by whom and why", (still, ready)),
            _post("registered-models/alias", {"name": name, "alias": previous, "version": here},
                  f"alias {previous} -> {here}", "keeps where it stood", (still, ready)),
            _post("registered-models/alias", {"name": name, "alias": self._alias, "version": goal.version},
                  f"alias {self._alias}: {here} -> {goal.version}", f"servers that follow it load {goal.version}",
                  (still, ready), artifact))

    async def rehearse(self, request: Request) -> Rehearsal:
        """MLflow has no dry run; whether the version's files are there is asked instead."""
        if not request.dry_run_path:
            return Rehearsal(None, "it has no dry run")
        answer = await self._client.source.get(request.dry_run_path, _there)
        if isinstance(answer, Failure):
            return Rehearsal(None, f"its files could not be read: {answer.sentence()}")
        return Rehearsal(True, f"its {_ARTIFACT_FILE} can be read", (request.sentence,))

    async def send(self, request: Request, action_id: str) -> Sent:
        received = await self._sender.send(request, action_id)
        if isinstance(received, Sent):
            return received
        if not 200 <= received.status < 300:
            return self._sender.refused(received, request.path)
        try:
            answer = load_json(received.body)
        except NotJson:
            answer = None
        if not isinstance(answer, dict):
            return Sent(Fate.UNKNOWN, received.status, "the answer is not of MLflow: it may have been done")
        return Sent(Fate.DONE, received.status, "done")

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        if not isinstance(observed, Registered) or observed.model is None:
            return Sighting(Progress.CANNOT_TELL, "the alias was not read")
        here = observed.model.aliases.get(self._alias)
        if here != plan.after.version:
            somebody = "" if here == plan.before.version else ": somebody else moved it"
            return Sighting(Progress.ELSEWHERE,
                            f"{self._alias} names {shown_version(here) if here else 'nothing'}{somebody}")
        return taken_up(plan.before.version, plan.after.version, self.target.model, observed.served,
                        f"{self._alias} names {shown_version(here)}")

    async def aclose(self) -> None:
        await super().aclose()
        await self._client.aclose()


def recorded(model: RegisteredModel, alias: str) -> Recorded:
    """What the registry tells of changes: the notes that triage left, which have no time, and when the entry of the
    version was changed that the alias names."""
    here, found = model.aliases.get(alias), []
    for key, value in model.tags.items():
        try:
            note = json.loads(value) if _NOTE.fullmatch(key) else None
        except (ValueError, RecursionError):
            continue
        # Only the notes of rollbacks to where the alias still is say what it was brought away from.
        if isinstance(note, dict) and (note.get("alias"), note.get("to")) == (alias, here) and all(
                isinstance(note.get(name), str) for name in ("from", "actor", "reason")):
            left = shown_version(note["from"])
            found.append(Change(None, f"rollback from {left} by {note['actor']} (tag {key})", left,
                                note["reason"] or "no reason given"))
    version = None if here is None else model.version(here)
    if version is not None and version.updated_at is not None and version.updated_at > (version.created_at or 0.0):
        found.append(Change(version.updated_at, f"the entry of {shown_version(version.version)} was changed (its "
                                                "last_updated_timestamp)"))
    return Recorded(tuple(found), "the registry's tags and update times",
                    "MLflow does not record who moved an alias, or when")


def _post(path: str, body: dict[str, str], sentence: str, effect: str, conditions: tuple[Precondition, ...],
          rehearsal: str = "") -> Request:
    return Request("POST", f"{API}/{path}", "application/json", json.dumps(body, sort_keys=True), sentence, effect,
                   conditions, rehearsal)


def _there(received: Received) -> bool:
    return True


def _status_key(version: RegisteredVersion) -> str:
    return f"status of {version.version}"


def _not_ours() -> Refusal:
    return Refusal("the registry was read by another system", "read it again")
