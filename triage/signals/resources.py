"""What the pods of a model use, judged: near their limits, throttled, killed, not measured. Pure.

Limits of the judgement: throttled in a quarter of the periods (kubernetes-mixin, ``CPUThrottlingHigh``), nine tenths of
a memory limit, all but a twentieth of a CPU limit. A GPU that is always in use is a good one and is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from triage.facts.pod_series import PodAnswers, PodPart, PodQuestion
from triage.facts.rollouts import PodFacts, PodsFacts, RolloutFacts
from triage.facts.samples import Sample
from triage.signals import wording
from triage.signals.killed import OUT_OF_MEMORY
from triage.signals.reading import Verdict
from triage.signals.resources_model import Basis, PodState, Use

CPU_NEAR = 0.95
MEMORY_NEAR = 0.9
THROTTLED_SHARE = 0.25
GPU_MEMORY_NEAR = 0.97
LEAST_PERIODS = 100
"""Periods of a CPU quota (ten seconds of them) from which a share is judged."""
OLD_SECONDS = 180.0
"""Age of a sample from which it no longer describes the present: cAdvisor is scraped every minute at the slowest."""
YOUNG_SECONDS = 120.0
"""Age until which a pod need not have been measured yet."""
HOUR = 3600.0
_UNSUPPORTED = 1e15
"""DCGM writes a number near 2^63 where a GPU does not support a field."""
_ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})
_ORDER = {Verdict.FAIL: 0, Verdict.WARN: 1, Verdict.UNKNOWN: 2, Verdict.PENDING: 3, Verdict.PASS: 4}
_UNKNOWN = Use(None, None, Basis.NONE, Verdict.UNKNOWN)
_ABSENT = Use(None, None, Basis.NONE)


@dataclass(frozen=True, slots=True)
class Promised:
    """What the manifest says of one replica; None where it says nothing."""

    cores: float | None = None
    memory_bytes: float | None = None
    gpus: int = 0


def cores(text: str | None) -> float | None:
    """An amount of CPU as Kubernetes writes it (``2``, ``500m``) in cores; None for None."""
    if text is None:
        return None
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


@dataclass(slots=True)
class Measured:
    """What the series say of each pod, and of its containers."""

    by_container: Mapping[PodPart, Mapping[str, Mapping[str, float]]]
    """part → pod → container (or GPU) → value."""
    by_resource: Mapping[tuple[PodPart, str], Mapping[str, Mapping[str, float]]]
    """(limits or requests, cpu or memory) → pod → container → value."""
    reasons: Mapping[PodPart, Mapping[str, Sequence[str]]]
    """(last end or waiting) → pod → reasons."""
    seen: Mapping[str, float]

    def of(self, part: PodPart, pod: str) -> Mapping[str, float]:
        """Values by container."""
        return self.by_container.get(part, {}).get(pod, {})

    def names(self) -> set[str]:
        """Pods that series tell of now."""
        told: set[str] = set()
        for part in (PodPart.MEMORY, PodPart.CPU, PodPart.RESTARTS):
            told |= set(self.by_container.get(part, {}))
        for by_pod in self.by_resource.values():
            told |= set(by_pod)
        return told


def measured(answers: PodAnswers) -> Measured:
    """The answers by pod."""
    by_container: dict[PodPart, dict[str, dict[str, float]]] = {}
    by_resource: dict[tuple[PodPart, str], dict[str, dict[str, float]]] = {}
    reasons: dict[PodPart, dict[str, list[str]]] = {}
    seen: dict[str, float] = {}
    for question, samples in answers.found.items():
        for pod, sample in _of_pods(samples):
            part, labels = question.part, sample.labels
            if part is PodPart.SEEN:
                seen[pod] = max(seen.get(pod, 0.0), sample.value)
            elif part in (PodPart.LAST_END, PodPart.WAITING):
                reasons.setdefault(part, {}).setdefault(pod, []).append(labels.get("reason", ""))
            elif part in (PodPart.LIMITS, PodPart.REQUESTS):
                by_pod = by_resource.setdefault((part, labels.get("resource", "")), {})
                by_pod.setdefault(pod, {})[labels.get("container", "")] = sample.value
            else:
                container = labels.get("gpu", labels.get("container", ""))
                by_container.setdefault(part, {}).setdefault(pod, {})[container] = sample.value
    return Measured(by_container, by_resource, reasons, seen)


def _of_pods(samples: Iterable[Sample]) -> Iterator[tuple[str, Sample]]:
    for sample in samples:
        pod = sample.labels.get("pod", "")
        if pod and math.isfinite(sample.value) and abs(sample.value) < _UNSUPPORTED:
            yield pod, sample


def pod_states(answers: PodAnswers, listed: PodsFacts | None, version: Callable[[str, PodFacts | None], str],
               promised: Promised, now: float) -> tuple[PodState, ...]:
    """Every pod, worst first.

    ``listed`` is what Kubernetes says which pods there are; None: those that series tell of. ``version`` tells
    which version each runs. Once the answer is too old, pods are as they were then, and none is known to be well.
    """
    series = measured(answers)
    facts = {pod.name: pod for pod in listed.pods} if listed is not None else {}
    names = list(facts) if listed is not None else sorted(series.names())
    stale = answers.answered_at is not None and now - answers.answered_at > answers.stale_after
    at = answers.answered_at if stale and answers.answered_at is not None else now
    found = [_pod(name, series, facts.get(name), version(name, facts.get(name)), promised, at,
                  asked=answers.answered_at is not None) for name in names]
    if stale:
        found = [replace(pod, verdict=Verdict.UNKNOWN) for pod in found]
    return tuple(sorted(found, key=lambda pod: (_ORDER[pod.verdict], pod.name)))


def version_of(name: str, pod: PodFacts | None, rollout: RolloutFacts | None, served: Iterable[str]) -> str:
    """The version that a pod runs: by its template's hash, by its ReplicaSet, or by its name when that begins with a
    version that is ``served``; "" when nothing says."""
    for revision in rollout.revisions if rollout is not None else ():
        same = pod is not None and pod.pod_hash and pod.pod_hash == revision.pod_hash
        if same or (revision.replica_set and name.startswith(f"{revision.replica_set}-")):
            return revision.version
    # A number alone begins too many names.
    named = [version for version in served if not version.isdigit() and name.startswith(f"{version}-")]
    return max(named, key=len, default="")


def _pod(name: str, series: Measured, facts: PodFacts | None, version: str, promised: Promised, now: float, *,
         asked: bool) -> PodState:
    sampled_at = series.seen.get(name)
    created_at = facts.created_at if facts is not None else None
    is_measured = sampled_at is not None and now - sampled_at <= OLD_SECONDS
    restarts = _restarts(series, name, facts)
    restarted = series.of(PodPart.RESTARTED, name)
    again = round(sum(restarted.values())) if restarted else None
    cpu = memory = throttled = _UNKNOWN
    if is_measured:
        cpu = _use(series.of(PodPart.CPU, name), series, "cpu", name, promised.cores, CPU_NEAR)
        memory = _use(series.of(PodPart.MEMORY, name), series, "memory", name, promised.memory_bytes, MEMORY_NEAR)
        throttled = _throttled(series.of(PodPart.THROTTLED, name), series.of(PodPart.PERIODS, name))
    gpu, gpu_memory = _gpu(series, name, promised)
    why = list(_ends(series, name, facts, again, now))
    why += _near(cpu, memory, throttled, gpu_memory)
    if facts is not None and facts.phase == "Running" and not facts.ready and not why:
        why.append((Verdict.WARN, "not ready"))
    if not is_measured:
        why.append(_unmeasured(sampled_at, created_at, now, asked=asked))
    why.sort(key=lambda each: _ORDER[each[0]])
    verdict = why[0][0] if why else Verdict.PASS
    return PodState(
        name, version, verdict, tuple(text for _, text in why), cpu, memory, throttled, gpu, gpu_memory, restarts,
        again, facts.phase if facts is not None else "", facts.ready if facts is not None else None, created_at,
        sampled_at, _last_end(series, name, facts), facts.last_end_at if facts is not None else None,
        facts.node if facts is not None else "", facts.image_digest if facts is not None else "")


def _restarts(series: Measured, name: str, facts: PodFacts | None) -> int | None:
    if facts is not None:
        return facts.restarts
    told = series.of(PodPart.RESTARTS, name)
    return round(sum(told.values())) if told else None


def _last_end(series: Measured, name: str, facts: PodFacts | None) -> str:
    if facts is not None and facts.last_end:
        return facts.last_end
    reasons = series.reasons.get(PodPart.LAST_END, {}).get(name, ())
    return OUT_OF_MEMORY if OUT_OF_MEMORY in reasons else next(iter(reasons), "")


def _ends(series: Measured, name: str, facts: PodFacts | None, again: int | None,
          now: float) -> Iterator[tuple[Verdict, str]]:
    """Why it does not run, and how often it ended. The reason of the last end stays for ever: it counts for an hour."""
    waiting = facts.waiting if facts is not None else next(
        iter(series.reasons.get(PodPart.WAITING, {}).get(name, ())), "")
    if waiting and waiting not in _ORDINARY:
        yield Verdict.FAIL, waiting
    if facts is not None and facts.phase in ("Failed", "Pending", "Terminating") and not waiting:
        yield (Verdict.FAIL if facts.phase == "Failed" else Verdict.WARN), facts.phase.lower()
    ended_at = facts.last_end_at if facts is not None else None
    recent = bool(again) or (ended_at is not None and now - ended_at <= HOUR)
    if not recent:
        return
    times = f" {again}x in 1 h" if again and again > 1 else ""
    ago = f" {wording.coarse_age(max(0.0, now - ended_at))} ago" if ended_at is not None else " within 1 h"
    reason = _last_end(series, name, facts)
    if reason == OUT_OF_MEMORY:
        yield Verdict.FAIL, f"{OUT_OF_MEMORY}{times or ago}"
    else:
        yield Verdict.WARN, f"restarted{times or ago}" + (f" ({reason})" if reason else "")


def _near(cpu: Use, memory: Use, throttled: Use, gpu_memory: Use) -> Iterator[tuple[Verdict, str]]:
    for use, what in ((memory, "memory"), (cpu, "CPU"), (gpu_memory, "GPU memory")):
        if use.verdict is Verdict.WARN:
            of = "its limit" if use.basis is Basis.LIMIT else "what the manifest says"
            of = "all there is" if use.basis is Basis.WHOLE else of
            yield Verdict.WARN, f"{what} at {wording.share(use.share or 0.0)} of {of}"
    if throttled.verdict is Verdict.WARN:
        yield Verdict.WARN, f"throttled in {wording.share(throttled.share or 0.0)} of its CPU periods"


def _unmeasured(sampled_at: float | None, created_at: float | None, now: float, *,
                asked: bool) -> tuple[Verdict, str]:
    if not asked:
        return Verdict.UNKNOWN, "its use has not been told yet"
    if sampled_at is not None:
        return Verdict.UNKNOWN, f"no sample for {wording.coarse_age(max(0.0, now - sampled_at))}"
    if created_at is not None and now - created_at < YOUNG_SECONDS:
        return Verdict.PENDING, "new, not measured yet"
    return Verdict.UNKNOWN, "no sample within 1 h"


def _use(used: Mapping[str, float], series: Measured, resource: str, pod: str, promised: float | None,
         near: float) -> Use:
    if not used:
        return _UNKNOWN
    total = sum(used.values())
    for part, basis in ((PodPart.LIMITS, Basis.LIMIT), (PodPart.REQUESTS, Basis.REQUEST)):
        whole = series.by_resource.get((part, resource), {}).get(pod, {})
        shared = [name for name in used if whole.get(name, 0.0) > 0]
        if shared:
            worst = max(shared, key=lambda name: used[name] / whole[name])
            exceeds = basis is Basis.LIMIT and used[worst] / whole[worst] >= near
            return Use(used[worst], whole[worst], basis, Verdict.WARN if exceeds else Verdict.PASS)
    if promised:
        return Use(total, promised, Basis.MANIFEST, Verdict.WARN if total > promised else Verdict.PASS)
    return Use(total, None, Basis.NONE)


def _throttled(throttled: Mapping[str, float], periods: Mapping[str, float]) -> Use:
    """Of its containers the one that waited most. Containers without a limit have no quota and no periods."""
    with_quota = [name for name, count in periods.items() if count > 0]
    if not with_quota:
        return _ABSENT
    share = {name: min(1.0, max(0.0, throttled.get(name, 0.0) / periods[name])) for name in with_quota}
    worst = max(with_quota, key=lambda name: share[name])
    n = periods[worst]
    if n < LEAST_PERIODS:
        return Use(share[worst], 1.0, Basis.WHOLE, Verdict.LOW_N, n)
    return Use(share[worst], 1.0, Basis.WHOLE,
               Verdict.WARN if share[worst] >= THROTTLED_SHARE else Verdict.PASS, n)


def _gpu(series: Measured, name: str, promised: Promised) -> tuple[Use, Use]:
    """The mean over its GPUs, and the memory of the fullest. A model that is promised none has none."""
    used = series.of(PodPart.GPU, name)
    taken, free = series.of(PodPart.GPU_USED, name), series.of(PodPart.GPU_FREE, name)
    missing = _UNKNOWN if promised.gpus else _ABSENT
    mean = Use(sum(used.values()) / len(used) / 100, 1.0, Basis.WHOLE) if used else missing
    both = [gpu for gpu in taken if taken[gpu] + free.get(gpu, 0.0) > 0 and gpu in free]
    if not both:
        return mean, missing
    fullest = max(both, key=lambda gpu: taken[gpu] / (taken[gpu] + free[gpu]))
    whole = taken[fullest] + free[fullest]
    near = taken[fullest] / whole >= GPU_MEMORY_NEAR
    return mean, Use(taken[fullest] * 2.0**20, whole * 2.0**20, Basis.WHOLE, Verdict.WARN if near else Verdict.PASS)


def first_value(answers: PodAnswers, part: PodPart) -> float | None:
    """The value of the first candidate that has one; the terms of a candidate are added up. None when none has."""
    for candidate in sorted({q.candidate for q in answers.found if q.part is part}):
        values = [sample.value for q, samples in answers.found.items()
                  if q.part is part and q.candidate == candidate for sample in samples if math.isfinite(sample.value)]
        if values:
            return sum(values)
    return None


def ratio(answers: PodAnswers, over: PodPart, under: PodPart) -> tuple[float, float] | None:
    """(sum over count, count) of the first candidate that has both and counted something."""
    for candidate in sorted({q.candidate for q in answers.found if q.part is under}):
        parts = []
        for part in (over, under):
            samples = answers.found.get(PodQuestion(part, candidate), ())
            parts.append(next((s.value for s in samples if math.isfinite(s.value)), None))
        total, count = parts
        if total is not None and count:
            return total / count, count
    return None
