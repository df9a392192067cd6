"""A target whose state is a file, so that processes share it and outlive each other; and what guards look at."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from triage.actions.circumstances import Circumstances, JournalLook, Policy
from triage.actions.executor import Executor
from triage.actions.freeze import WriteMode
from triage.actions.history import History
from triage.actions.journal import Journal, Origin
from triage.actions.lease import Free, Leases
from triage.actions.lease_files import FileLeases
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
)
from triage.actions.proven import Met, Proven, Service
from triage.actions.signature import Signature
from triage.actions.system import (
    Authority,
    Fate,
    Granted,
    Observed,
    Offer,
    Progress,
    Refusal,
    Rehearsal,
    Sent,
    Sighting,
    Wish,
)
from triage.clock import ManualClock
from triage.facts.outcome import Failure, SourceHealth, SourceState
from triage.facts.rollouts import Phase, Revision, RolloutFacts, VersionFrom
from triage.facts.versions import Approval, ApprovalStatus
from triage.live.snapshot import Snapshot
from triage.signals.lineage_model import Lineage, LineageRow
from triage.signals.model import Budget, Burn, ModelState, SloKind, SloState, VersionCount, Versions, VersionState
from triage.signals.reading import Quality, Reading, Urgency, Verdict
from triage.state_dir import StateDir

NOW = ManualClock().now()
DAY = 86400.0
TARGET = Target("prod", True, "fraud-scorer", "argo", "Argo Rollout", "prod-eu", "ml", "fraud-scorer")
UID = Precondition("uid", "u-1", "it is the same object")
STEP = Precondition("step", 1, "the step is 1")
ARMED = WriteMode(True, False, "--write")
SAFE = tuple(action for action in Action if action.safe)
RISKY = (Action.PROMOTE, Action.PROMOTE_FULL, Action.RESUME, Action.RETRY)


def request(sentence: str = "patch the template", *preconditions: Precondition, path: str = "/rollouts/fraud-scorer",
            dry: bool = False) -> Request:
    return Request("PATCH", path, "application/json", '{"to": "7"}', sentence, "all traffic to v7",
                   preconditions or (UID, STEP), f"{path}?dryRun=All" if dry else "")


def plan(action: Action = Action.ROLLBACK, **changes: Any) -> Plan:
    """A rollback of v8 to v7, or another action on the same target."""
    found = Plan(
        action, TARGET, State("8", 3, text="v8 has 10 %"), State("7", 2), (request(),), "roll forward to v8",
        BlastRadius(0.1, 9, 9, "10 % of the requests"), "at once",
        Verification("v7 takes all traffic", 60.0, (), "7", 600.0), "ana", "errors", "", NOW)
    return replace(found, **changes)


def reading(value: float | None, quality: Quality = Quality.OK, n: float | None = 1000.0) -> Reading:
    return Reading(value, "ratio", quality, n, 3600.0, NOW - 5)


def slo(name: str = "success", *, rate: float | None = 0.5, quality: Quality = Quality.OK, remaining: float = 0.6,
        good: float = 0.9995, verdict: Verdict = Verdict.PASS, burns: bool = True) -> SloState:
    """An objective of 99.9 %: its shortest burn rate, what is left of its budget, and v7's share of good requests."""
    return SloState(
        name, SloKind.RATIO, True, 99.9, None, "", "", reading(good),
        (Burn(300.0, rate, 1000.0, quality), Burn(3600.0, rate, 12000.0, quality)) if burns else (), (),
        Budget(30 * DAY, 10, 1e6, 1000, remaining, Quality.OK), verdict, Urgency.NONE, f"{name} {verdict}",
        by_version=(VersionCount("7", 3600.0, round((1 - good) * 9000), 9000.0),
                    VersionCount("8", 3600.0, 100.0, 1000.0)))


def lineage(status: ApprovalStatus = ApprovalStatus.APPROVED, *, ready: str = "READY", version: str = "7") -> Lineage:
    row = LineageRow(version, version, "stable", reading(0.9), True, Approval(status, "risk"), ("champion",), ready, "",
                     NOW - 30 * DAY, "", "", "")
    return Lineage(True, (row,), (), None, NOW - 10)


def model(**changes: Any) -> ModelState:
    found = ModelState(
        "fraud-scorer", "8", ("payments-ml",), "revenue", Verdict.FAIL, Urgency.PAGE, "rollout rule", (), (slo(),),
        Versions("rollout", (VersionState("7", "stable", reading(0.9), None, NOW),
                             VersionState("8", "canary", reading(0.1), NOW - 3600, NOW))),
        (), (), (), NOW - 5, lineage=lineage())
    return replace(found, **changes)


def snapshot(found: ModelState | None = None, *, at: float = NOW - 2, prometheus: SourceState = SourceState.OK,
             ) -> Snapshot:
    return Snapshot(at, TARGET.context, TARGET.production, (found or model(),), (),
                    (SourceHealth("prometheus", prometheus), SourceHealth("kubernetes", SourceState.OK)))


def revision(version: str, number: int, *, available: int | None = 9, age: float = 30 * DAY) -> Revision:
    return Revision(version, VersionFrom.LABEL, "version", f"hash{number}", number, (), f"fraud:{version}", "",
                    f"fraud-{number}", available, available, available, available, NOW - age)


def rollout(**changes: Any) -> RolloutFacts:
    stable, canary = revision("7", 2), revision("8", 3, available=1, age=3600)
    found = RolloutFacts(
        "Rollout", "ml", "fraud-scorer", NOW, "u-1", "100", NOW - 90 * DAY, 5, 5, True, Phase.PROGRESSING, "", "canary",
        10, 10, 10, 1, stable, canary, (canary, stable), weight_asked=10.0, weight_set=10.0, step_index=1)
    return replace(found, **changes)


def proven(seconds: float = 6 * DAY, *, good: float = 0.9996, version: str = "7") -> Proven:
    """What v7 did in the past week."""
    return Proven({version: Service(seconds, 1_200_000.0, (
        Met("success", 99.9, round((1 - good) * 1_200_000), 1_200_000.0),))}, 7 * DAY)


def observed(found: RolloutFacts | None = None, **values: JsonValue) -> Observed:
    return Observed(NOW, {"uid": "u-1", "step": 1, **values}, found or rollout())


def circumstances(action: Action = Action.ROLLBACK, **changes: Any) -> Circumstances:
    """Everything as it should be: every guard of a rollback is content."""
    policy = Policy(last_known_good="7", registered=True, approvals=0, proven_seconds=DAY)
    found = Circumstances(
        plan(action), NOW, policy, ARMED, TARGET, observed(), Granted(True, "you may patch rollouts"), "ana", Free(),
        JournalLook(""), History(()), snapshot(), Signature(True, "takes today's 7 inputs"), proven=proven())
    return replace(found, **changes)


@dataclass
class World:
    """Where the target's state lies: the version in force and every request that was done."""

    path: Path

    def state(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"version": "8", "uid": "u-1", "step": 1}
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def put(self, **changes: Any) -> None:
        new = self.path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps({**self.state(), **changes}))
        new.rename(self.path)

    @property
    def done(self) -> list[str]:
        """Ids of the actions whose requests were done, in order."""
        log = self.path.with_suffix(".log")
        return log.read_text().split() if log.exists() else []

    def do(self, action_id: str, to: str) -> None:
        with self.path.with_suffix(".log").open("a") as log:
            log.write(f"{action_id}\n")
        self.put(version=to)


Hook = Callable[[str], None]


@dataclass
class FileSystem:
    """A system over a :class:`World`, with every fault that one may have."""

    world: World
    clock: ManualClock
    identity: str | Failure = "ana"
    hook: Hook = field(default=lambda point: None)
    """Called at each point where a process may end."""
    fate: Fate = Fate.DONE
    """What the sender is told."""
    does: bool = True
    """Whether the request is done all the same."""
    permission: Granted = field(default_factory=lambda: Granted(True, "you may"))
    unreadable: Failure | None = None
    requests: int = 1
    readings: tuple[str, ...] = ()
    facts: RolloutFacts | None = None
    target: Target = TARGET
    authority: Authority = field(default_factory=lambda: Authority("Kubernetes prod-eu"))
    before_send: Callable[[], Any] | None = None
    rehearsal: Rehearsal | None = None
    asked: list[str] = field(default_factory=list)
    """Every call that a real system would open a connection for."""

    async def observe(self) -> Observed | Failure:
        self.asked.append("observe")
        if self.unreadable is not None:
            return self.unreadable
        state = self.world.state()
        return Observed(self.clock.now(), {"uid": state["uid"], "step": state["step"], "version": state["version"]},
                        self.facts or rollout())

    async def whoami(self) -> str | Failure:
        self.asked.append("whoami")
        return self.identity

    async def granted(self, action: Action) -> Granted:
        self.asked.append("granted")
        return self.permission

    def offers(self, observed: Observed, snapshot: Snapshot) -> tuple[Offer, ...]:
        return tuple(Offer(action, None, str(action)) for action in Action)

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        if wish.to == "nowhere":
            return Refusal("there is no version nowhere", "there are: 7, 8")
        requests = tuple(request(f"request {n + 1}", UID, STEP, dry=self.rehearsal is not None)
                         for n in range(self.requests))
        found = plan(wish.action, requests=requests, actor=actor, reason=wish.reason, made_at=now, target=self.target,
                     after=State(wish.to or "7", 2))
        return replace(found, verification=replace(found.verification, readings=self.readings))

    async def rehearse(self, request: Request) -> Rehearsal:
        self.asked.append("rehearse")
        return self.rehearsal or Rehearsal(None, "no")

    async def send(self, request: Request, action_id: str) -> Sent:
        self.asked.append("send")
        self.hook("before the request is done")
        if self.before_send is not None:
            await self.before_send()
        if self.does:
            self.world.do(action_id, "7")
        self.hook("after the request is done")
        return Sent(self.fate, 200 if self.fate is Fate.DONE else None, f"the server says {self.fate}")

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        there = observed.values["version"] == plan.after.version
        return Sighting(Progress.REACHED if there else Progress.ELSEWHERE, f"v{observed.values['version']} serves")

    async def aclose(self) -> None:
        return None


@dataclass
class HookedJournal(Journal):
    """A journal at whose writes a process may end."""

    hook: Hook = field(default=lambda point: None)

    def append(self, kind: Any, action_id: str, fields: Mapping[str, Any]) -> Any:
        self.hook(f"before {kind}")
        found = Journal.append(self, kind, action_id, fields)
        self.hook(f"after {kind}")
        return found


def executor(folder: Path, system: FileSystem | None = None, *, hook: Hook = lambda point: None,
             leases: Leases | None = None, mode: WriteMode = ARMED, shown: Snapshot | None = None,
             **changes: Any) -> Executor:
    """An executor over the state and the world in ``folder``, whose waits advance its clock."""
    clock = system.clock if system is not None else ManualClock()
    system = system or FileSystem(World(folder / "world"), clock, hook=hook)
    found = shown or snapshot()

    async def wait(seconds: float) -> None:
        clock.advance(seconds)
        await asyncio.sleep(0)

    async def signature(version: str) -> Signature:
        return Signature(True, "takes today's inputs")

    async def looked_back(needed_seconds: float, share: float) -> Proven:
        return proven()

    origin = Origin("bastion", "ana", os.getuid(), os.getpid())
    made = Executor(
        system, HookedJournal(StateDir(folder / "state", "journal"), clock, None, origin, hook=hook),
        leases or FileLeases(StateDir(folder / "state", "leases"), "bastion"), clock,
        Policy(last_known_good="7", registered=True, approvals=0), lambda: mode,
        lambda: replace(found, at=clock.now() - 1, models=tuple(
            replace(m, data_at=clock.now() - 1) for m in found.models)), signature, wait, looked_back)
    for name, value in changes.items():
        setattr(made, name, value)
    return made
