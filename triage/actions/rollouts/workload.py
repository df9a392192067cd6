"""``Workload``: what systems over one Kubernetes object share: reading, asking for permission, rehearsing, sending.

A kind of rollout adds what it can do (:meth:`Workload.draft`) and when it is done (:meth:`Workload.sighting`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from triage.actions.kubernetes_sender import KubernetesSender
from triage.actions.plan import Action, JsonValue, Plan, Request, Target
from triage.actions.rehearsal import difference
from triage.actions.rollouts.conditions import REPLICAS, TEMPLATE, UID, values
from triage.actions.rollouts.drafting import Draft, Seen, standing, state
from triage.actions.rollouts.images import ImageReader
from triage.actions.rollouts.last_action import mark, marked
from triage.actions.rollouts.recorded import recorded
from triage.actions.scale import Bounds, autoscaled, read_autoscaler
from triage.actions.sender import GRANTED_SECONDS
from triage.actions.system import Authority, Granted, Observed, Offer, Refusal, Rehearsal, Sent, Sighting, Wish
from triage.actions.verifying import to_recover
from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Rollout
from triage.sources.kubernetes import DEPLOYMENTS, REPLICA_SETS, Allowed, Json, KubernetesClient, Permission
from triage.sources.rollouts.objects import owned
from triage.sources.rollouts.reading import RolloutKind, RolloutReader

_ELSEWHERE = {
    Action.RETRAIN: Refusal("the rollout does not train models", "a pipeline does: its webhook"),
    Action.SILENCE: Refusal("alerts are not silenced in the rollout", "Alertmanager silences them"),
    Action.EXPIRE_SILENCE: Refusal("alerts are not silenced in the rollout", "Alertmanager has the silences"),
    Action.CELL: Refusal("the rollout runs no cells", "the cells screen does"),
}


@dataclass(frozen=True, slots=True)
class Charge:
    """What configuration and manifest say of a target."""

    target: Target
    rollout: Rollout
    last_known_good: str = ""
    """Version that ``rollback.last_known_good`` names; "" when it names none."""
    bounds: Bounds | None = None
    """Replicas that the manifest allows; None when it says nothing."""


class Workload(ABC):
    """One object of Kubernetes that moves a model's traffic. Implements :class:`~triage.actions.system.System`."""

    kind: RolloutKind

    def __init__(self, charge: Charge, client: KubernetesClient, clock: Clock) -> None:
        self.charge = charge
        self._client = client
        self._clock = clock
        self._reader = RolloutReader(self.kind, client, clock)
        self._images = ImageReader(client, clock)
        self._sender = KubernetesSender(client)
        self._granted: dict[tuple[Permission, ...], tuple[float, Granted]] = {}
        self._seen: Seen | None = None

    @property
    def target(self) -> Target:
        return self.charge.target

    async def observe(self) -> Observed | Failure:
        """Read the object, its ReplicaSets, what its template and its replicas come from, and what its pods run."""
        rollout = self.charge.rollout
        asked_at = self._clock.now()
        read = await self._reader.read(rollout)
        if isinstance(read, Failure):
            return read
        facts = read.facts
        source, autoscaler, images = await asyncio.gather(self._source(facts), self._autoscaler(),
                                                          self._images.read(facts))
        sets = () if isinstance(read.sets, Failure) else tuple(owned(read.sets, facts.uid))
        seen = Seen(asked_at, {}, facts, read.item, sets, source, images, autoscaler)
        items = [read.item, *([source] if isinstance(source, dict) else [])]
        self._seen = replace(seen, values=self.conditions(seen) | autoscaled(seen), recorded=recorded(items, facts))
        return self._seen

    async def _source(self, facts: RolloutFacts) -> Json | Failure | None:
        kind, _, name = facts.workload.partition("/")
        if kind != "Deployment":
            return None
        return await self._client.read(DEPLOYMENTS, facts.namespace, name)

    async def _autoscaler(self) -> str | Failure | None:
        if self.charge.bounds is None:
            return None
        rollout = self.charge.rollout
        return await read_autoscaler(self._client, rollout.namespace, self.kind.resource.kind, rollout.name)

    def conditions(self, seen: Seen) -> dict[str, JsonValue]:
        """What preconditions are compared with."""
        return values(seen.item, (UID, TEMPLATE, REPLICAS))

    @property
    def authority(self) -> Authority:
        """The API server."""
        return Authority(f"Kubernetes {self.target.cluster}", impersonates=self._client.impersonates)

    async def whoami(self) -> str | Failure:
        """The user name that the API server knows us by."""
        return await self._client.identity()

    async def granted(self, action: Action) -> Granted:
        """Whether the API server's authorizer allows every request that the action may need; asked once a minute."""
        needed = tuple(self.permissions(action, self._seen))
        if not needed:
            return Granted(False, _refused(action).message)
        known = self._granted.get(needed)
        now = self._clock.monotonic()
        if known is not None and now - known[0] < GRANTED_SECONDS:
            return known[1]
        answers = await asyncio.gather(self.whoami(), *(self._client.may(each) for each in needed))
        found = _judged(answers[0], needed, answers[1:])
        if found.allowed is not None:
            self._granted[needed] = now, found
        return found

    @abstractmethod
    def permissions(self, action: Action, seen: Seen | None) -> Sequence[Permission]:
        """What the action needs to be allowed, as far as is known without a plan; () for what cannot be done here."""

    @abstractmethod
    def draft(self, wish: Wish, seen: Seen) -> Draft | Refusal:
        """The plan, or why there can be none. Pure."""

    @abstractmethod
    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        """How far the target is from the plan's goal. Pure."""

    def may_patch(self, subresource: str = "") -> Permission:
        rollout = self.charge.rollout
        return Permission("patch", self.kind.resource, rollout.namespace, subresource, rollout.name)

    def may_undo(self) -> Permission:
        return Permission("list", REPLICA_SETS, self.charge.rollout.namespace)

    def offers(self, observed: Observed, snapshot: Snapshot) -> tuple[Offer, ...]:
        """Every action, possible or with the reason why not. Pure."""
        offers = []
        for action in Action:
            drafted = self._drafted(Wish(action), observed)
            if isinstance(drafted, Draft):
                offers.append(Offer(action, None, drafted.sentence))
            elif (choice := self.choice(action, observed)):
                offers.append(Offer(action, None, choice))
            else:
                offers.append(Offer(action, drafted, ""))
        return tuple(offers)

    def choice(self, action: Action, observed: Observed) -> str:
        """What has to be said besides the action for it to be possible; "" when nothing would make it so."""
        facts = observed.rollout
        if facts is None or facts.incomplete is not None:
            return ""
        if action is Action.ROLLBACK:
            there = [each for each in facts.revisions if each.number is not None and each is not facts.wanted]
            possible = [each for each in there if isinstance(self._drafted(
                Wish(action, to=f"revision:{each.number}"), observed), Draft)]
            return f"to a version that is named: {len(possible)} to choose from" if possible else ""
        if action is Action.SCALE and self.charge.bounds is not None and isinstance(observed, Seen):
            other = next(n for n in self.charge.bounds.both if n != facts.desired_replicas) if (
                self.charge.bounds.both != (facts.desired_replicas,) * 2) else None
            wish = Wish(action, parameters={"replicas": str(other)})
            if other is not None and isinstance(self._drafted(wish, observed), Draft):
                return (f"from {facts.desired_replicas} replicas to another number, "
                        f"{self.charge.bounds.sentence()}")
        return ""

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        """The complete plan. Pure."""
        drafted = self._drafted(wish, observed)
        if isinstance(drafted, Refusal) or not isinstance(observed, Seen):
            return drafted if isinstance(drafted, Refusal) else _not_ours()
        failing = to_recover(snapshot, self.target.model) if drafted.recovers else ()
        facts = observed.facts
        made = Plan(
            wish.action, self.target, state(observed, facts.wanted, standing(facts)), drafted.after,
            drafted.requests, drafted.inverse, drafted.blast_radius, drafted.path,
            replace(drafted.verification, readings=failing), actor, wish.reason, wish.incident, now, drafted.warnings)
        return replace(made, requests=tuple(marked(each, self._item(each, observed), mark(made))
                                            for each in made.requests))

    def _item(self, request: Request, observed: Observed) -> Json:
        """The object that a request patches, as it was read."""
        if not isinstance(observed, Seen):
            return {}
        if isinstance(observed.source, dict) and self._is_of_source(request, observed):
            return observed.source
        return observed.item

    def _drafted(self, wish: Wish, observed: Observed) -> Draft | Refusal:
        if wish.action in _ELSEWHERE:
            return _ELSEWHERE[wish.action]
        return self.draft(wish, observed) if isinstance(observed, Seen) else _not_ours()

    async def rehearse(self, request: Request) -> Rehearsal:
        """The API server's own dry run, with what it would change."""
        if not request.dry_run_path:
            return Rehearsal(None, "it has no dry run")
        resource, name = (DEPLOYMENTS, _source_name(self._seen)) if self._is_of_source(request, self._seen) else (
            self.kind.resource, self.charge.rollout.name)
        before = await self._client.read(resource, self.charge.rollout.namespace, name)
        answer = await self._sender.rehearse(request)
        if isinstance(answer, Rehearsal):
            return answer
        if isinstance(before, Failure):
            return Rehearsal(True, f"accepted; what it changes is not known: {before.sentence()}")
        return Rehearsal(True, "the server accepts it", difference(before, answer))

    def _is_of_source(self, request: Request, seen: Seen | None) -> bool:
        name = _source_name(seen)
        return name != "" and request.path.startswith(f"{DEPLOYMENTS.path(self.charge.rollout.namespace, name)}?")

    async def send(self, request: Request, action_id: str) -> Sent:
        """Send it, once."""
        return await self._sender.send(request, action_id)

    async def aclose(self) -> None:
        """Forget what is known. The client belongs to whoever gave it; every sending has a connection of its own."""
        self._granted.clear()
        self._seen = None


def _source_name(seen: Seen | None) -> str:
    return "" if seen is None else seen.facts.workload.partition("/")[2]


def _judged(who: str | Allowed | Failure, needed: Sequence[Permission],
            answers: Sequence[str | Allowed | Failure]) -> Granted:
    known_as = f" (as {who})" if isinstance(who, str) and who else ""
    for permission, answer in zip(needed, answers, strict=True):
        if isinstance(answer, Allowed) and not answer.allowed:
            why = f": {answer.reason}" if answer.reason else ""
            return Granted(False, f"you may not {permission.sentence()}{known_as}{why}")
    failed = next((answer for answer in answers if isinstance(answer, Failure)), None)
    if failed is not None:
        return Granted(None, f"whether you may {needed[0].sentence()} is not known: {failed.sentence()}")
    return Granted(True, f"you may {', '.join(each.sentence() for each in needed)}{known_as}")


def _refused(action: Action) -> Refusal:
    return _ELSEWHERE.get(action, Refusal(f"this system has no {action}", ""))


def _not_ours() -> Refusal:
    return Refusal("the target was read by another system", "read it again")
