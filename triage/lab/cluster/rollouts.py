"""The controller of Argo Rollouts: canary steps, pauses, aborts, promotions and roll-backs.

One call of :meth:`Rollouts.reconcile` looks at a rollout as it is and takes every step that is possible now; what it
changed leads to the next call. Semantics: Argo Rollouts 1.9 (``docs/features/canary.md``, ``rollback.md``,
``traffic-management``), among them its traps: an abort leaves the bad template in place, ``promoteFull`` overrides an
abort, a roll-back after a promotion goes through all steps unless ``rollbackWindow`` covers it.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

from triage.lab.cluster.canary import Plan, canary_weight, pause_seconds, phase, plan_of, step_text
from triage.lab.cluster.events import Events
from triage.lab.cluster.objects import Json, annotations_of, created_at, digest, moment, name_of, timestamp
from triage.lab.cluster.pods import ready_since
from triage.lab.cluster.replicasets import ReplicaSets, available, spec_replicas
from triage.lab.cluster.resources import ROLLOUTS
from triage.lab.cluster.rolling import Part, next_counts
from triage.lab.cluster.rollout_conditions import deadline, rollout_conditions
from triage.lab.cluster.storage import Storage

REVISION_ANNOTATION = "rollout.argoproj.io/revision"
_DEADLINE_ANNOTATION = "scale-down-deadline"
_PAUSE_STEP = "CanaryPauseStep"


@dataclass(frozen=True, slots=True)
class _Look:
    """A rollout and its ReplicaSets at one time. ``status`` is the copy that is being written."""

    rollout: Json
    plan: Plan
    status: Json
    new: Json
    stable: Json | None
    """The set that takes the traffic, None before the first is complete; may be ``new``."""
    others: tuple[Json, ...]
    at: float

    @property
    def index(self) -> int:
        return min(int(self.status.get("currentStepIndex", self.plan.end)), self.plan.end)

    @property
    def promoted(self) -> bool:
        return bool(self.status.get("stableRS")) and self.status["stableRS"] == self.status.get("currentPodHash")

    @property
    def aborted(self) -> bool:
        return bool(self.status.get("abort"))

    @property
    def under_trial(self) -> bool:
        """There is a stable version and another one that is to replace it."""
        return self.stable is not None and not self.promoted


class Rollouts:
    """Acts on Rollouts. Times are epoch seconds."""

    def __init__(self, storage: Storage, replica_sets: ReplicaSets, events: Events) -> None:
        self._storage = storage
        self._sets = replica_sets
        self._events = events

    def reconcile(self, rollout: Json, at: float) -> float:
        """Do what can be done now. Returns when to look again (infinity: after a change)."""
        new = self._sets.ensure(rollout, at)
        look = self._look(rollout, new, at)
        if self._is_new_template(look):
            self._begin(look)
        self._obey(look)
        self._restart_pods(look)
        self._route(look)
        self._scale(look)
        look = self._look(rollout, self._sets.ensure(rollout, at), at, look.status)
        self._step(look)
        self._promote(look)
        self._write(look)
        return self._next_look(look)

    def _look(self, rollout: Json, new: Json, at: float, status: Json | None = None) -> _Look:
        status = copy.deepcopy(rollout.get("status") or {}) if status is None else status
        sets = self._sets.owned(rollout)
        new = next(each for each in sets if name_of(each) == name_of(new))
        stable = next((each for each in sets if self._sets.hash_of(each) == status.get("stableRS")), None)
        others = tuple(each for each in sets if name_of(each) != name_of(new) and each is not stable)
        return _Look(rollout, plan_of(rollout), status, new, stable, others, at)

    def _is_new_template(self, look: _Look) -> bool:
        return (look.status.get("currentPodHash") != self._sets.hash_of(look.new)
                or look.status.get("currentStepHash") != digest(list(look.plan.steps)))

    def _begin(self, look: _Look) -> None:
        """A template or steps that were not seen before: start at the first step, or skip them all."""
        status, revision = look.status, self._sets.revision(look.new)
        for field in ("pauseConditions", "controllerPause", "abort", "abortedAt", "promoteFull"):
            status.pop(field, None)
        changed = status.get("currentPodHash") != self._sets.hash_of(look.new)
        status["currentPodHash"] = self._sets.hash_of(look.new)
        status["currentStepHash"] = digest(list(look.plan.steps))
        if changed:
            self._tell(look, "RolloutUpdated", f"Rollout updated to revision {revision}")
        skipped = ""
        if look.promoted:
            skipped = "Rollback to stable"
        elif self._is_within_window(look):
            skipped = f"Rollback within window (revision {revision})"
        if skipped and changed:
            self._tell(look, "SkipSteps", skipped)
        if look.plan.steps:
            status["currentStepIndex"] = look.plan.end if skipped or look.stable is None else 0
        else:
            status.pop("currentStepIndex", None)

    def _is_within_window(self, look: _Look) -> bool:
        """Whether this is a roll-back to one of the last revisions, which ``rollbackWindow`` lets pass at once."""
        revisions = int((look.rollout["spec"].get("rollbackWindow") or {}).get("revisions", 0))
        if look.stable is None or not created_at(look.new) < created_at(look.stable):
            return False
        between = [each for each in look.others if created_at(look.new) < created_at(each) < created_at(look.stable)]
        return len(between) < revisions

    def _obey(self, look: _Look) -> None:
        """``promoteFull`` and ``abort``, in this order: the first cancels the second."""
        status = look.status
        if "currentStepIndex" in status:
            status["currentStepIndex"] = look.index
        if status.get("promoteFull"):
            for field in ("pauseConditions", "controllerPause", "abort"):
                status.pop(field, None)
            if look.plan.steps:
                status["currentStepIndex"] = look.plan.end
        if look.aborted:
            for field in ("pauseConditions", "controllerPause"):
                status.pop(field, None)
            status.setdefault("abortedAt", timestamp(look.at))
            if look.plan.steps:
                status["currentStepIndex"] = look.plan.end if look.promoted else 0
        else:
            for field in ("abort", "abortedAt"):
                status.pop(field, None)

    def _route(self, look: _Look) -> None:
        """Set the weights at the mesh, which takes them at once."""
        status = look.status
        canary = status.setdefault("canary", {})
        if not look.plan.routed or look.stable is None:
            canary.pop("weights", None)
            return
        before, weight = canary_weight(status), self._weight(look)
        services = look.rollout["spec"]["strategy"]["canary"]
        canary["weights"] = {
            "canary": {"podTemplateHash": status["currentPodHash"], "serviceName": services["canaryService"],
                       "weight": weight},
            "stable": {"podTemplateHash": status["stableRS"], "serviceName": services["stableService"],
                       "weight": 100 - weight},
        }
        if before != weight:
            change = f"to {weight}" if before is None else f"from {before} to {weight}"
            self._tell(look, "TrafficWeightUpdated", f"Traffic weight updated {change}")

    def _weight(self, look: _Look) -> int:
        """Percent for the canary: nothing without a ready pod, and a new step's weight only once its pods are ready."""
        if look.promoted or look.aborted or not available(look.new):
            return 0
        if look.status.get("promoteFull"):
            return canary_weight(look.status) or 0
        return look.plan.weight(look.index) if self._is_at_scale(look) else look.plan.weight_before(look.index)

    def _is_at_scale(self, look: _Look) -> bool:
        """Whether the pods that the current step asks for exist and serve."""
        canary, stable = look.plan.pods(look.index)
        if spec_replicas(look.new) != canary or available(look.new) != canary:
            return False
        if look.stable is not None and (spec_replicas(look.stable) != stable or available(look.stable) != stable):
            return False
        return look.plan.routed or not any(map(available, look.others))

    def _scale(self, look: _Look) -> None:
        if look.plan.routed and look.under_trial and look.stable is not None:
            self._scale_routed(look, look.stable)
        elif look.plan.routed:
            self._sets.annotate(self._resize(look, look.new, look.plan.replicas), {_DEADLINE_ANNOTATION: None})
            self._retire(look, look.others)
        else:
            self._scale_by_pods(look)

    def _scale_routed(self, look: _Look, stable: Json) -> None:
        """The stable version keeps all its pods; an aborted canary's stay for a while."""
        self._sets.annotate(self._resize(look, stable, look.plan.replicas), {_DEADLINE_ANNOTATION: None})
        if not look.aborted:
            pods = look.plan.replicas if look.status.get("promoteFull") else look.plan.pods(look.index)[0]
            self._sets.annotate(self._resize(look, look.new, pods), {_DEADLINE_ANNOTATION: None})
        elif look.plan.abort_scale_down_seconds and spec_replicas(look.new):
            if _DEADLINE_ANNOTATION not in annotations_of(look.new):
                self._keep_until(look.new, look.at + look.plan.abort_scale_down_seconds)
            else:
                self._retire(look, (look.new,))
        self._retire(look, look.others)

    def _keep_until(self, replica_set: Json, at: float) -> None:
        # Written rounded up: a deadline in whole seconds must not be over before its time.
        self._sets.annotate(replica_set, {_DEADLINE_ANNOTATION: timestamp(math.ceil(at))})

    def _retire(self, look: _Look, sets: tuple[Json, ...]) -> None:
        """Take the pods of sets without traffic away, once their time is over."""
        for each in sets:
            until = annotations_of(each).get(_DEADLINE_ANNOTATION)
            if until is None or moment(until) <= look.at:
                self._sets.annotate(self._resize(look, each, 0), {_DEADLINE_ANNOTATION: None})

    def _scale_by_pods(self, look: _Look) -> None:
        """Without traffic routing the numbers of pods are the weights."""
        canary, stable = (0, look.plan.replicas) if look.aborted else look.plan.pods(look.index)
        if look.status.get("promoteFull") or not look.under_trial:
            canary, stable = look.plan.replicas, 0
        # The stable version grows first, the others shrink first.
        wanted = [(look.new, canary), *((each, 0) for each in look.others)]
        if look.under_trial and look.stable is not None:
            wanted.insert(0, (look.stable, stable))
        parts = [Part(spec_replicas(each), available(each), target) for each, target in wanted]
        counts = next_counts(parts, look.plan.replicas, look.plan.surge, look.plan.unavailable)
        for (each, _), count in zip(wanted, counts, strict=True):
            self._resize(look, each, count)

    def _resize(self, look: _Look, replica_set: Json, replicas: int) -> Json:
        before = spec_replicas(replica_set)
        if before != replicas:
            self._tell(look, "ScalingReplicaSet", f"Scaled {'up' if replicas > before else 'down'} ReplicaSet "
                       f"{name_of(replica_set)} (revision {self._sets.revision(replica_set)}) from {before} to "
                       f"{replicas}")
        return self._sets.scale(replica_set, replicas)

    def _step(self, look: _Look) -> None:
        """Finish the current step, or begin its pause."""
        step = look.plan.step(look.index)
        if step is None or look.aborted or look.rollout["spec"].get("paused") or not look.under_trial:
            return
        if "pause" in step:
            finished = self._pause(look, step)
        else:
            # The weight follows the pods one look later; a step is over when both are there.
            routed = not look.plan.routed or canary_weight(look.status) == self._weight(look)
            finished = self._is_at_scale(look) and routed
        if finished:
            look.status["currentStepIndex"] = look.index + 1
            for field in ("pauseConditions", "controllerPause"):
                look.status.pop(field, None)
            self._tell(look, "RolloutStepCompleted",
                       f"Rollout step {look.index}/{look.plan.end} completed ({step_text(step)})")

    def _pause(self, look: _Look, step: Json) -> bool:
        """Begin a pause, or see whether it is over: its time has passed, or somebody took its condition away."""
        status = look.status
        begun = next((each for each in status.get("pauseConditions") or [] if each["reason"] == _PAUSE_STEP), None)
        if begun is None:
            if status.get("controllerPause"):
                return True
            status["pauseConditions"] = [{"reason": _PAUSE_STEP, "startTime": timestamp(look.at)}]
            status["controllerPause"] = True
            self._tell(look, "RolloutPaused", f"Rollout is paused ({_PAUSE_STEP})")
            return False
        duration = pause_seconds(step)
        return duration is not None and look.at >= moment(begun["startTime"]) + duration

    def _promote(self, look: _Look) -> None:
        """Make the new version the stable one when all its pods serve and no step is left."""
        status = look.status
        complete = spec_replicas(look.new) == available(look.new) == look.plan.replicas
        if look.aborted or not complete or (not status.get("promoteFull") and look.index < look.plan.end):
            return
        full = bool(status.pop("promoteFull", False))
        if look.promoted:
            return
        why = "Full promotion requested" if full else f"Completed all {look.plan.end} canary steps"
        if look.stable is None:
            why = "Initial deploy"
        elif look.plan.routed and look.plan.scale_down_seconds:
            self._keep_until(look.stable, look.at + look.plan.scale_down_seconds)
        status["stableRS"] = status["currentPodHash"]
        self._tell(look, "RolloutCompleted", f"Rollout completed update to revision {self._sets.revision(look.new)} "
                   f"({status['currentPodHash']}): {why}")

    def _restart_pods(self, look: _Look) -> None:
        """``spec.restartAt``: replace every older pod, as many at a time as may be missing, and at least one."""
        wanted = look.rollout["spec"].get("restartAt")
        if wanted is None or wanted == look.status.get("restartedAt") or moment(wanted) > look.at:
            return
        pods = [pod for each in (look.new, look.stable, *look.others) if each is not None
                for pod in self._sets.pods(each)]
        pods = list({name_of(pod): pod for pod in pods}.values())
        old = [pod for pod in pods if created_at(pod) < moment(wanted)]
        # Pods that do not serve may go without asking.
        old.sort(key=lambda pod: ready_since(pod) is not None)
        room = max(look.plan.unavailable, 1) - sum(ready_since(pod) is None for pod in pods if pod not in old)
        for pod in old[:max(room, 0)]:
            self._sets.delete_pod(pod)
        if not old:
            look.status["restartedAt"] = wanted

    def _write(self, look: _Look) -> None:
        sets = [look.new, *look.others]
        if look.stable is not None and name_of(look.stable) != name_of(look.new):
            sets.append(look.stable)
        totals = {field: sum(int(each["status"].get(field, 0)) for each in sets)
                  for field in ("replicas", "readyReplicas", "availableReplicas")}
        before = look.rollout.get("status") or {}
        revision = str(self._sets.revision(look.new))
        labels = look.rollout["spec"]["selector"]["matchLabels"]
        status = look.status | totals
        status |= {"updatedReplicas": int(look.new["status"].get("replicas", 0)), "HPAReplicas": totals["replicas"],
                   "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())), "blueGreen": {},
                   "observedGeneration": str(look.rollout["metadata"]["generation"])}
        status["conditions"] = rollout_conditions(look.rollout["spec"], before, status, name_of(look.new), revision,
                                                  look.at)
        if status["conditions"][0]["reason"] == "RolloutAborted" and not status.get("abort"):
            status["abort"] = True
        status["phase"], status["message"] = phase(look.rollout["spec"], status)
        if not status["message"]:
            del status["message"]
        if status["phase"] != before.get("phase") and status["phase"] == "Degraded":
            reason, _, message = status["message"].partition(": ")
            self._tell(look, reason, message, kind="Warning")
        metadata = {**look.rollout["metadata"],
                    "annotations": {**annotations_of(look.rollout), REVISION_ANNOTATION: revision}}
        self._storage.replace(ROLLOUTS, {**look.rollout, "metadata": metadata, "status": status})
        keep = int(look.rollout["spec"].get("revisionHistoryLimit", 10))
        self._sets.forget_old(look.rollout, keep, {status["currentPodHash"], status.get("stableRS", "")})

    def _next_look(self, look: _Look) -> float:
        status = self._storage.get(ROLLOUTS, look.rollout["metadata"]["namespace"], name_of(look.rollout))["status"]
        times = [deadline(look.rollout["spec"], status)]
        step = look.plan.step(look.index)
        for pause in status.get("pauseConditions") or []:
            wait = pause_seconds(step) if step is not None else None
            if wait is not None:
                times.append(moment(pause["startTime"]) + wait)
        for each in self._sets.owned(look.rollout):
            if _DEADLINE_ANNOTATION in annotations_of(each):
                times.append(moment(annotations_of(each)[_DEADLINE_ANNOTATION]))
        if "restartAt" in look.rollout["spec"]:
            times.append(moment(look.rollout["spec"]["restartAt"]))
        return min((time for time in times if time > look.at), default=math.inf)

    def _tell(self, look: _Look, reason: str, message: str, kind: str = "Normal") -> None:
        self._events.record(look.rollout, reason, message, look.at, kind=kind)
