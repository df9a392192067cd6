"""What the manifest's policy asks for now, from one snapshot: to roll back, to promote a step, or nothing. Pure.

Nothing here remembers anything: what must have lasted is in the facts (a failed canary verdict has lasted, by its own
rule; of the others past data tell since when; a pause says it). So a watcher that was started anew decides as the one
before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from triage.actions.history import Deed
from triage.actions.plan import Action
from triage.facts.outcome import Failure, SourceState
from triage.facts.rollouts import RolloutFacts, Step
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest
from triage.signals.canary import CanaryVerdict
from triage.signals.lasting import Lasting
from triage.signals.model import ModelState
from triage.signals.reading import Verdict
from triage.signals.wording import age, clock_time, span


@dataclass(frozen=True, slots=True)
class Due:
    """What the policy makes of a snapshot."""

    action: Action | None
    """None: nothing is due."""
    sentence: str
    """Why, or what is waited for."""
    automatic: bool = False
    """Whether the manifest leaves it to triage."""
    since: float | None = None
    """Unix seconds from which an action of this kind would be the answer to the same cause; None without one."""
    known: bool = True
    """Whether enough is known to say that nothing is due; always True of what is due."""


def due(manifest: Manifest, snapshot: Snapshot) -> Due:
    """What is due for the model of ``manifest``: bringing traffic back goes before everything else."""
    model = snapshot.model(manifest.metadata.name)
    if model is None:
        return _undecided("nothing is known of the model")
    silent = next((s for s in snapshot.sources if s.name == "prometheus" and s.state is SourceState.DOWN), None)
    if silent is not None:
        return _undecided(f"prometheus does not answer: nothing is decided ({silent.error or 'no reason is known'})")
    canary = next((v for v in model.versions.items if v.arm == "canary"), None)
    if canary is None or (isinstance(model.rollout, RolloutFacts) and model.rollout.canary is None):
        if canary is None and (isinstance(model.rollout, Failure) or model.versions.known_from in ("waiting", "unknown")
                               or not model.versions.items):
            return _undecided("whether a version is on trial is not known")
        return Due(None, "no version is on trial")
    back = _rollback(manifest, model, snapshot.at, canary.first_seen)
    return back or _promotion(manifest, model, snapshot.at)


def _undecided(sentence: str) -> Due:
    return Due(None, sentence, known=False)


def answered(wanted: Due, deeds: tuple[Deed, ...]) -> Deed | None:
    """The action by which the same cause was answered before, as the journal tells; None when there was none."""
    return next((deed for deed in reversed(deeds) if wanted.action is deed.plan.action and deed.changed
                 and (wanted.since is None or deed.last_at >= wanted.since)), None)


def _rollback(manifest: Manifest, model: ModelState, now: float, seen: float | None) -> Due | None:
    policy = manifest.spec.rollback
    automatic = policy.policy == "auto"
    state = None if model.canary is None else model.canary.state
    started = state.started_at if state is not None else seen
    if "canary_fail" in policy.when and state is not None and model.canary is not None and (
            state.verdict is CanaryVerdict.FAIL and state.pages and not model.canary.is_stale(now)):
        return Due(Action.ROLLBACK, f"canary_fail: {state.reason}", automatic, started)
    waits = None
    for trigger in policy.when:
        why = _broken(trigger, model)
        if not why:
            continue
        need = manifest.spec.canary.sustained
        lasts = _waits(trigger, model, need, now)
        if not lasts:
            return Due(Action.ROLLBACK, f"{trigger}: {why}{_since(trigger, model, now)}", automatic, started)
        past = _past(trigger, model)
        waits = waits or Due(None, f"{trigger}: {why}; {lasts}",
                             known=past is not None and not past.trouble and not past.is_stale(now))
    return waits


def _past(trigger: str, model: ModelState) -> Lasting | None:
    return next((each for each in model.lasting if each.trigger == trigger), None)


def _waits(trigger: str, model: ModelState, need: float, now: float) -> str:
    """What is waited for until the trigger has held for ``need`` seconds without a break; "" when it has."""
    past = _past(trigger, model)
    if past is not None and past.trouble and (past.since is None or past.is_stale(now)):
        return f"it has to last for {span(need)}, and since when it holds cannot be read: {past.trouble}"
    if past is None or past.is_stale(now):
        return f"it has to last for {span(need)}, and since when it holds is asked"
    if past.since is None:
        return f"it has to last for {span(need)}, and begins to hold only now"
    if now < past.since + need:
        until = clock_time(past.since + need, now)
        return f"it holds since {clock_time(past.since, now)} and has to last until {until}"
    return ""


def _since(trigger: str, model: ModelState, now: float) -> str:
    past = _past(trigger, model)
    return f"; for {age(now - past.since)} and more" if past is not None and past.since is not None else ""


def _broken(trigger: str, model: ModelState) -> str:
    """By what the trigger is met, as a sentence; "" when it is not."""
    if trigger == "rollout_rule":
        return next((r.text for r in model.reasons if r.rule == "rollout rule" and r.verdict is Verdict.FAIL), "")
    if trigger == "slo_breach":
        return next((f"{s.name}: {s.sentence}" for s in model.slos if s.required and s.verdict is Verdict.FAIL), "")
    return ""


def _promotion(manifest: Manifest, model: ModelState, now: float) -> Due:
    state = None if model.canary is None else model.canary.state
    if state is None or model.canary is None or model.canary.is_stale(now):
        return _undecided("the version on trial is not judged yet")
    if state.verdict is not CanaryVerdict.PASS:
        return Due(None, f"canary {state.verdict}: {state.reason}", known=state.verdict is not CanaryVerdict.ERROR)
    if model.verdict is Verdict.FAIL:
        return Due(None, f"the canary passes, and the model fails: {model.reasons[0].text}")
    rollout = model.rollout
    if not isinstance(rollout, RolloutFacts) or not rollout.pauses or rollout.step_index is None:
        return Due(None, "the canary passes, and its rollout does not wait for anybody")
    until = next((pause.until for pause in rollout.pauses if pause.until is not None), None)
    if until is not None:
        return Due(None, f"the canary passes; its rollout goes on by itself at {clock_time(until, now)}")
    since = max((pause.since for pause in rollout.pauses if pause.since is not None), default=None)
    if since is None:
        return Due(None, "the canary passes; it was paused by hand, and whoever did it resumes it")
    ready = since + manifest.spec.canary.sustained
    if now < ready:
        return Due(None, f"the canary passes; it stays at this step until {clock_time(ready, now)}")
    if _is_last(rollout.steps, rollout.step_index):
        ready = state.started_at + manifest.spec.canary.bake
        if now < ready:
            return Due(None, f"the canary passes; before it takes all traffic it bakes until {clock_time(ready, now)}")
    return Due(Action.PROMOTE, f"canary passes: {state.reason}", manifest.spec.promote.policy == "auto", since)


def _is_last(steps: tuple[Step, ...], here: int) -> bool:
    """Whether nothing holds the rollout up after the step it is at."""
    return not any(step.until_resumed or step.pause_seconds is not None for step in steps[here + 1:])
