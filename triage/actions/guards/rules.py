"""Guards that people set: freezes, the owner in GitOps, the error budget, the canary's verdict."""

from __future__ import annotations

from triage.actions import freeze
from triage.actions.circumstances import RISKY, Circumstances
from triage.actions.guards.checking import Found, Guard, Strength, Verdict, blocked, cannot_tell, ok, warn
from triage.actions.guards.evidence import known_good
from triage.actions.plan import Action, shown_version
from triage.signals.canary import CanaryVerdict
from triage.signals.model import SloKind
from triage.signals.reading import Quality
from triage.signals.wording import age, budget_left

OWNER = "gitops"
_OF_CONTROLLERS = frozenset({"argo", "deployment"})
_BUDGETED = frozenset({SloKind.RATIO, SloKind.LATENCY})
_CHANGES = frozenset({Action.PAUSE, Action.RESUME, Action.PROMOTE, Action.PROMOTE_FULL, Action.ABORT, Action.ROLLBACK,
                      Action.RETRY, Action.SCALE, Action.RETRAIN})


def announced(circumstances: Circumstances) -> Found:
    """No freeze was announced for now."""
    plan = circumstances.plan
    on = freeze.current(circumstances.policy.freezes, plan.target.model, circumstances.now)
    if not on:
        return ok("no freeze was announced for now")
    # A pause changes nothing that a freeze protects, and needs one confirmation.
    return warn(on[0], on[0], ask=plan.action is not Action.PAUSE) if circumstances.is_safe else blocked(on[0], on[0])


def owner(circumstances: Circumstances) -> Found:
    """Nobody else keeps the target as it is written down elsewhere, and would undo a change of it."""
    plan = circumstances.plan
    if plan.target.system not in _OF_CONTROLLERS:
        return ok("nothing keeps it as it is written down elsewhere")
    rollout = circumstances.rollout
    if rollout is None:
        return cannot_tell("whether GitOps owns it cannot be read", "not read")
    if not rollout.managed_by:
        return ok("nothing shows that GitOps owns it")
    if all(request.path.partition("?")[0].endswith("/status") for request in plan.requests):
        return ok(f"{rollout.managed_by} owns it, and does not undo a change of its status")
    return warn(f"{rollout.managed_by} owns it and may undo this within seconds: change it in Git as well",
                rollout.managed_by, ask=plan.action is not Action.PAUSE)


def budget(circumstances: Circumstances) -> Found:
    """The error budget that the manifest promises is not spent."""
    if circumstances.leads_back is not None:
        return ok("it leads back: a spent budget is a reason to go on")
    model = circumstances.model
    if model is None:
        return cannot_tell("nothing is known of its error budgets")
    unseen, few = [], []
    for slo in model.slos:
        found = slo.budget
        if slo.objective is None or slo.objective >= 100 or slo.kind not in _BUDGETED:
            continue
        if found is None:
            unseen.extend([slo.name] if slo.required else [])
        elif found.quality not in (Quality.OK, Quality.LOW_N):
            unseen.append(slo.name)
        elif found.remaining <= 0:
            told = f"{slo.name}: {budget_left(found.remaining)}"
            if circumstances.policy.spent_budget == "acknowledge":
                return warn(told, slo.name, ask=True)
            if found.quality is Quality.OK:
                return blocked(told)
            few.append(told)
    if few:
        return cannot_tell(f"{'; '.join(few)}, of too few events to tell")
    if unseen:
        return cannot_tell(f"the error budget cannot be read of {', '.join(unseen)}")
    return ok("no error budget is spent")


def trial(circumstances: Circumstances) -> Found:
    """The version on trial is proven to be within its margins, and the rollout rule does not halt it. One that a
    rollback goes back to was asked for its evidence then; what speaks against it now still stops it."""
    back = circumstances.leads_back
    if back is not None:
        found = known_good(circumstances)
        return found if found.verdict is Verdict.BLOCKED else ok(
            f"{shown_version(circumstances.plan.after.version)} is no trial: {back.plan.title} goes back to it")
    model = circumstances.model
    if model is None:
        return cannot_tell("nothing is known of the version on trial")
    halting = next((reason for reason in model.reasons if reason.rule == "rollout rule" and reason.verdict == "fail"),
                   None)
    if halting is not None:
        return blocked(halting.text)
    reading, rollout = model.canary, circumstances.rollout
    if reading is None or reading.state is None:
        if rollout is not None and rollout.roles_unknown:
            return cannot_tell(rollout.roles_doubt)
        if rollout is not None and rollout.canary is None:
            return ok("nothing is on trial")
        return cannot_tell("the version on trial has not been judged")
    state = reading.state
    told = f"{state.verdict}: {state.reason}"
    if state.verdict is CanaryVerdict.FAIL:
        return blocked(told)
    if reading.is_stale(circumstances.now):
        return cannot_tell(f"the verdict is {age(circumstances.now - (reading.read_to or 0.0))} old: {told}")
    return ok(told) if state.verdict is CanaryVerdict.PASS else cannot_tell(told)


GUARDS = (
    Guard("freeze", Strength.BREAKABLE, _CHANGES, announced),
    Guard(OWNER, Strength.BREAKABLE, _CHANGES, owner),
    Guard("budget", Strength.BREAKABLE, RISKY, budget),
    Guard("trial", Strength.BREAKABLE, RISKY - {Action.RETRY}, trial),
)
