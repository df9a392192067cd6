"""Actions that a pipeline does, told by a call of the configuration: moving traffic, or training the model again.

Variables are escaped for where they stand: percent-encoded in a path, as JSON in a body, so that a reason that somebody
types cannot become another call. The id of the action goes along as the idempotency key. Whether the pipeline did what
it was told is seen where it shows: in the requests, or in the state of the run that it says it started.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

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
from triage.actions.sender import HttpSender
from triage.actions.serving import COUNTED_SECONDS, NOTHING_SERVES, Served, served, taken_up
from triage.actions.system import Fate, Granted, Observed, Progress, Recorded, Refusal, Sent, Sighting, Wish
from triage.actions.verifying import to_recover
from triage.clock import Clock
from triage.config_webhooks import Webhook, WebhookCall, WebhookRun, filled, fills
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot
from triage.sources.decode import NotJson, load_json
from triage.sources.failures import Product
from triage.sources.http import HttpSource
from triage.text import clean

SYSTEM = "webhook"
PIPELINE = Product("the pipeline", 443, "check url and the path of the call in webhooks")
MOVES = frozenset({Action.ROLLBACK, Action.ABORT, Action.PROMOTE_FULL})
"""Calls after which one version is to serve."""
TRAFFIC = MOVES | {Action.PAUSE, Action.RESUME, Action.PROMOTE, Action.RETRY}
TRAINING = frozenset({Action.RETRAIN})
_STARTED_SECONDS = 60.0
_REMEMBERED_SECONDS = 120.0
"""How long a call that was taken answers for the same call made again."""
_NO_RECORD = Recorded(missing="what others told the pipeline is not known")
_RUN = "run "
_STABLE = "stable version"
_TRIAL = "version on trial"


@dataclass(frozen=True, slots=True)
class Called(Observed):
    """What is known of the versions, and of the run that was started last."""

    served: Served = NOTHING_SERVES
    state: str = ""
    """The run's state in the pipeline's words; "" while none was started, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """The last call that the pipeline has taken."""

    at: float
    path: str
    body: str
    look: WebhookRun | None
    number: str
    """Of the run that it started; "" when the answer names none."""


class Pipeline(PlainSystem):
    """The calls of one webhook for one model. Implements :class:`~triage.actions.system.System`."""

    handled = TRAFFIC | TRAINING
    shown = "the pipeline"
    hint = "name the call in webhooks of triage.yaml"

    def __init__(self, target: Target, entry: str, webhook: Webhook, may: frozenset[Action], last_known_good: str,
                 reload_seconds: float, source: HttpSource, clock: Clock,
                 snapshot: Callable[[], Snapshot | None], authenticator: Authenticator | None = None) -> None:
        super().__init__(target, clock, authenticator)
        self._calls: Mapping[Action, WebhookCall] = {
            Action(name): call for name, call in webhook.calls.items() if Action(name) in may}
        self._entry = clean(entry, limit=80)
        """Its name in ``webhooks`` of the configuration."""
        self.identity_in = f"webhooks.{self._entry}.identity"
        self._header = webhook.idempotency_header
        self._may = may
        self._last_known_good = last_known_good
        self._reload_seconds = reload_seconds
        self._source = source
        self._sender = HttpSender(source)
        self._snapshot = snapshot
        self._taken: _Taken | None = None

    async def observe(self) -> Observed | Failure:
        """Which versions serve by the newest snapshot; how the run does that was started."""
        asked_at = self._clock.now()
        snapshot = self._snapshot()
        stable, trial = self._arms(snapshot)
        values: dict[str, JsonValue] = {_STABLE: stable, _TRIAL: trial}
        return Called(asked_at, values, None, served(snapshot, self.target.model), await self._state(),
                      recorded=_NO_RECORD)

    async def _state(self) -> str:
        taken = self._taken
        if taken is None or taken.look is None or not taken.number:
            return ""
        path = filled(taken.look.path, {"run": quote(taken.number, safe="")})
        answer = await self._source.get(path, self._source.json)
        found = answer.get(taken.look.state) if isinstance(answer, dict) else None
        return clean(found, limit=60) if isinstance(found, str) else ""

    def _arms(self, snapshot: Snapshot | None) -> tuple[str, str]:
        model = None if snapshot is None else snapshot.model(self.target.model)
        if model is None:
            return "", ""
        stable = model.versions.arm("stable")
        trial = next((each for each in model.versions.items if each.arm not in ("", "stable")), None)
        return "" if stable is None else stable.version, "" if trial is None else trial.version

    async def granted(self, action: Action) -> Granted:
        """It cannot be asked; what has no call cannot be done."""
        if action not in self._calls:
            return Granted(False, self.refusal(action).message)
        return await super().granted(action)

    def refusal(self, action: Action) -> Refusal:
        if action in self._may:
            return Refusal(f"webhooks.{self._entry} in triage.yaml has no call {action}", "add it to its calls")
        return super().refusal(action)

    def offer(self, action: Action, observed: Observed, snapshot: Snapshot) -> str | Refusal:
        if action not in self._calls:
            return self.refusal(action)
        goal = self._goal(Wish(action), observed)
        if isinstance(goal, Refusal):
            return "to a version that is named" if action is Action.ROLLBACK else goal
        return self._calls[action].effect or f"tell {self._entry}: {action} {self.target.model}"

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        call = self._calls.get(wish.action)
        if call is None:
            return self.refusal(wish.action)
        goal = self._goal(wish, observed)
        if isinstance(goal, Refusal) or not isinstance(observed, Called):
            return goal if isinstance(goal, Refusal) else _not_ours()
        moves = wish.action in MOVES
        before = self._before(wish.action, observed)
        values = {"model": self.target.model, "action": str(wish.action), "from": before, "to": goal,
                  "reason": wish.reason, "incident": wish.incident, "actor": actor, "context": self.target.context}
        body = "" if call.body is None else json.dumps(_filled(call.body, values), sort_keys=True)
        path = filled(call.path, {name: quote(value, safe="") for name, value in values.items()})
        failing = to_recover(snapshot, self.target.model) if moves else ()
        share = observed.served.share(before, self.target.model) if before and moves else None
        told = call.effect or f"{self._entry} is told to {wish.action} {self.target.model}"
        conditions = tuple(Precondition(name, observed.values[name], f"the {name} is {observed.values[name] or 'none'}")
                           for name in (_STABLE, _TRIAL)) if moves and observed.served.shares else ()
        seconds = self._reload_seconds + COUNTED_SECONDS if moves else _STARTED_SECONDS
        verb = f"{shown_version(goal)} serves" if moves else "the pipeline has taken it"
        return Plan(
            wish.action, self.target, State(before), State(goal if moves else before, text=told),
            (Request(call.method, path, "application/json" if body else "", body,
                     f"{call.method} {clean(path, limit=200)}", told, conditions),),
            "tell the pipeline the opposite by hand: the call has no inverse",
            BlastRadius(share, None, None, told if share is None else f"{share:.0%} of the requests change version"),
            "as the pipeline does it", Verification(verb, seconds, failing, goal if moves else "",
                                                    seconds + SETTLE_SECONDS if moves else 0.0),
            actor, wish.reason, wish.incident, now, self._warnings(wish.action, call, observed))

    def _goal(self, wish: Wish, observed: Observed) -> str | Refusal:
        """The version that is to serve; "" for calls that are about none."""
        if not isinstance(observed, Called):
            return _not_ours()
        stable, trial = str(observed.values[_STABLE] or ""), str(observed.values[_TRIAL] or "")
        match wish.action:
            case Action.ROLLBACK:
                goal = wish.to or (stable if trial else self._last_known_good)
                if goal and goal == self._before(wish.action, observed):
                    return Refusal(f"{shown_version(goal)} serves already", "name the version to go back to")
                return goal or Refusal("no version to go back to is named", "name it, or rollback.last_known_good")
            case Action.ABORT:
                return stable if trial and stable else Refusal("no version is on trial", "roll back to a named version")
            case Action.PROMOTE_FULL:
                return wish.to or trial or Refusal("no version is on trial", "name the one to promote")
        return wish.to

    def _before(self, action: Action, observed: Observed) -> str:
        stable, trial = str(observed.values[_STABLE] or ""), str(observed.values[_TRIAL] or "")
        return (trial or stable) if action in (Action.ROLLBACK, Action.ABORT) else stable

    def _warnings(self, action: Action, call: WebhookCall, observed: Called) -> tuple[str, ...]:
        found = []
        if action in MOVES and not observed.served.shares:
            found.append("which version serves cannot be seen: whether the pipeline did it will not be known")
        if action not in MOVES and call.run is None:
            found.append("the call names no run: only that it was taken is seen, not what comes of it")
        return tuple(found)

    async def send(self, request: Request, action_id: str) -> Sent:
        received = await self._sender.send(request, action_id, ((self._header, action_id),))
        if isinstance(received, Sent):
            return received
        if 300 <= received.status < 400:
            # See Other is how many a pipeline says that it has taken a call.
            return Sent(Fate.UNKNOWN, received.status,
                        f"it leads elsewhere (HTTP {received.status}), which is not followed: it may have been done")
        if not 200 <= received.status < 300:
            return self._sender.refused(received, request.path)
        look = self._look(request)
        number = "" if look is None else _run_id(received.body, look)
        self._taken = _Taken(self._clock.now(), request.path, request.body, look, number)
        return Sent(Fate.DONE, received.status, f"{_RUN}{number}" if number else "accepted")

    def recall(self, plan: Plan, answers: Sequence[str]) -> None:
        """As the protocol says: the number of the run stands in the journal."""
        if answers:
            request = plan.requests[0]
            number = answers[0].removeprefix(_RUN) if answers[0].startswith(_RUN) else ""
            self._taken = _Taken(self._clock.now(), request.path, request.body, self._look(request), number)

    def _look(self, request: Request) -> WebhookRun | None:
        """Where the state of the run stands that a call begins; None where the configuration does not say."""
        call = next((each for each in self._calls.values() if each.method == request.method
                     and fills(each.path, request.path)), None)
        return None if call is None else call.run

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        if not isinstance(observed, Called):
            return Sighting(Progress.CANNOT_TELL, "the pipeline was not read")
        taken, request = self._taken, plan.requests[0]
        if taken is None or (taken.path, taken.body) != (request.path, request.body) or (
                observed.at - taken.at > max(_REMEMBERED_SECONDS, plan.verification.recovery_seconds)):
            taken = None
        told = "whether the pipeline took it is not known" if taken is None else "the pipeline took it" if (
            not taken.number) else f"run {taken.number}: {observed.state or 'its state cannot be read'}"
        if taken is not None and taken.look is not None and observed.state in taken.look.failed:
            return Sighting(Progress.ELSEWHERE, told)
        if plan.action not in MOVES:
            return Sighting(Progress.CANNOT_TELL, f"{told}: look there") if taken is None else Sighting(
                Progress.REACHED, told)
        if taken is None and observed.served.share(plan.after.version, self.target.model) == 0:
            return Sighting(Progress.ELSEWHERE, f"{shown_version(plan.before.version)} serves")
        return taken_up(plan.before.version, plan.after.version, self.target.model, observed.served, told)

    async def aclose(self) -> None:
        await super().aclose()
        await self._source.aclose()


def _filled(value: Any, values: dict[str, str]) -> Any:
    """A JSON value with its texts filled in; keys stay."""
    if isinstance(value, str):
        return filled(value, values)
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    return [_filled(inner, values) for inner in value] if isinstance(value, list) else value


def _run_id(body: bytes, run: WebhookRun) -> str:
    try:
        answer = load_json(body)
    except NotJson:
        return ""
    found = answer.get(run.id) if isinstance(answer, dict) else None
    return clean(found, limit=60) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _not_ours() -> Refusal:
    return Refusal("the pipeline was read by another system", "read it again")
