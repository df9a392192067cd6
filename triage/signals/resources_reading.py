"""``ServingReading`` from everything that was said of a model's pods: series, Kubernetes, registry, manifest. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from triage.facts.outcome import Failure
from triage.facts.pod_series import PodAnswers, PodPart
from triage.facts.rollouts import PodsFacts, RolloutFacts
from triage.facts.scaling import ScalingFacts
from triage.signals import wording
from triage.signals.cost import cost
from triage.signals.reading import Quality, Reading, Verdict
from triage.signals.resources import Promised, cores, first_value, pod_states, ratio, version_of
from triage.signals.resources_model import PodState, ServingFinding, ServingReading, VariantState
from triage.signals.resources_scaling import scalings
from triage.signals.spellings import spelt

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest, Resources

RATE_SECONDS = 300.0
_DIFFERS = 0.01


def serving(manifest: Manifest, answers: PodAnswers, served: Sequence[str], rollout: RolloutFacts | Failure | None,
            pods: PodsFacts | Failure | None, events: ScalingFacts | Failure | None, listing_lasts: float,
            now: float) -> ServingReading:
    """Everything known at ``now`` (world time, Unix seconds).

    ``served`` are the versions that take requests; ``pods`` and ``events`` are None when Kubernetes was not asked;
    ``listing_lasts`` is for how many seconds a list of pods describes the present.
    """
    resources = manifest.spec.resources
    known = rollout if isinstance(rollout, RolloutFacts) else None
    listed = pods if isinstance(pods, PodsFacts) and now - pods.read_at <= listing_lasts else None
    promised = Promised() if resources is None else Promised(cores(resources.cpu), resources.memory, resources.gpu)
    states = pod_states(answers, listed, lambda name, pod: version_of(name, pod, known, served), promised, now)
    stale = answers.answered_at is None or now - answers.answered_at > answers.stale_after
    told = events.events if isinstance(events, ScalingFacts) else ()
    changes = scalings(answers.replicas or (), answers.replicas_step, told, known)
    rate = first_value(answers, PodPart.RATE)
    return ServingReading(
        answers.answered_at, answers.stale_after, answers.failure, answers.warnings, states,
        "kubernetes" if listed is not None else "metrics", listed.read_at if listed is not None else None,
        pods if isinstance(pods, Failure) else None, listed is not None and listed.truncated,
        _reading(answers, rate, "/s", None if rate is None else rate * RATE_SECONDS, "no series count the inferences",
                 stale=stale),
        _mean(answers, PodPart.QUEUE_SUM, PodPart.QUEUE_COUNT, "s", _missing(answers, PodPart.QUEUE_COUNT),
              stale=stale),
        _batch(answers, stale=stale), resources.batch if resources is not None else None,
        cost(answers, resources.price_per_hour if resources is not None else None, stale=stale),
        changes, _scaling_note(answers, events, changed=bool(changes)),
        tuple(_findings(manifest, states, known)), variants(resources))


def _reading(answers: PodAnswers, value: float | None, unit: str, n: float | None, missing: str, *,
             stale: bool) -> Reading:
    if answers.answered_at is None:
        failed = answers.failure is not None
        return Reading(None, unit, Quality.ERROR if failed else Quality.WAITING, window_seconds=RATE_SECONDS,
                       note=answers.failure.sentence() if answers.failure is not None else "")
    if value is None:
        return Reading(None, unit, Quality.NO_DATA, window_seconds=RATE_SECONDS, note=missing)
    quality = Quality.STALE if stale else Quality.PARTIAL if answers.warnings else Quality.OK
    return Reading(value, unit, quality, n, RATE_SECONDS, answers.answered_at,
                   note=answers.warnings[0] if answers.warnings else "")


def _mean(answers: PodAnswers, over: PodPart, under: PodPart, unit: str, missing: str, *, stale: bool) -> Reading:
    found = ratio(answers, over, under)
    return _reading(answers, None if found is None else found[0], unit, None if found is None else found[1], missing,
                    stale=stale)


def _missing(answers: PodAnswers, *parts: PodPart) -> str:
    named = any(question.part in parts for question in answers.found)
    return "its series have no data" if named else "neither manifest nor preset names it"


def _batch(answers: PodAnswers, *, stale: bool) -> Reading:
    missing = _missing(answers, PodPart.BATCHES, PodPart.BATCH)
    if ratio(answers, PodPart.ITEMS, PodPart.BATCHES) is not None:
        return _mean(answers, PodPart.ITEMS, PodPart.BATCHES, "", missing, stale=stale)
    return _reading(answers, first_value(answers, PodPart.BATCH), "", None, missing, stale=stale)


def _scaling_note(answers: PodAnswers, events: ScalingFacts | Failure | None, *, changed: bool) -> str:
    if answers.replicas is None:
        failure = answers.replicas_failure
        return f"the number of pods over time is not known: {failure.sentence()}" if failure is not None else (
            "asked, no answer yet")
    if isinstance(events, Failure):
        return f"why it changed is not known: {events.sentence()}"
    return "" if events is not None or not changed else "why it changed is not known: Kubernetes was not asked"


def _findings(manifest: Manifest, pods: Sequence[PodState], rollout: RolloutFacts | None) -> Iterator[ServingFinding]:
    yield from _images(manifest, pods, rollout)
    resources = manifest.spec.resources
    if resources is not None:
        yield from _sizes(resources, pods)


def _images(manifest: Manifest, pods: Sequence[PodState], rollout: RolloutFacts | None) -> Iterator[ServingFinding]:
    """The image that really runs, against the one that the template pins and the one that the manifest names."""
    running: dict[str, dict[str, list[str]]] = {}
    for pod in pods:
        if pod.image_digest:
            running.setdefault(pod.version, {}).setdefault(pod.image_digest, []).append(pod.name)
    pinned = {r.version: r.image_digest for r in rollout.revisions if r.image_digest} if rollout is not None else {}
    environment = manifest.spec.environment
    image = environment.image if environment is not None else None
    promised = image.partition("@")[2] if image is not None and "@sha256:" in image else ""
    told = manifest.metadata.version
    for version, digests in sorted(running.items()):
        of = f"of version {version} " if version else ""
        if len(digests) > 1:
            counts = ", ".join(f"{short(digest)} in {len(names)}" for digest, names in sorted(digests.items()))
            yield ServingFinding(Verdict.FAIL, f"pods {of}run {len(digests)} different images: {counts}",
                                 "their tag was moved: pin the image by digest, and roll it out again")
        ours = bool(version) and spelt(version, manifest.metadata.name, (told,)) is not None
        for asked, who in ((pinned.get(version, ""), "its template pins"),
                           (promised if ours else "", "the manifest names")):
            others = sorted(set(digests) - {asked}) if asked else []
            if others:
                count = sum(len(digests[each]) for each in others)
                yield ServingFinding(
                    Verdict.FAIL, f"{count} {'pods' if count > 1 else 'pod'} {of}{'run' if count > 1 else 'runs'} "
                    f"{short(others[0])}, but {who} {short(asked)}", "find out who deployed it")


def _sizes(resources: Resources, pods: Sequence[PodState]) -> Iterator[ServingFinding]:
    """Limits that are others than those of the manifest: a variant, or a promise that nobody kept."""
    limits = {pod.memory.whole for pod in pods if pod.memory.whole and pod.memory.basis == "limit"}
    if resources.memory is None or not limits:
        return
    others = sorted(each for each in limits if abs(each / resources.memory - 1) > _DIFFERS)
    if not others:
        return
    same = next((v.name for v in resources.variants if v.memory and abs(others[0] / v.memory - 1) <= _DIFFERS), "")
    how = f", as the variant {same} has" if same else ""
    yield ServingFinding(Verdict.WARN, f"pods may use {size(others[0])} of memory{how}; the manifest says "
                         f"{size(resources.memory)}", "bring spec.resources up to date: cost and limits are read by it")


def variants(resources: Resources | None) -> tuple[VariantState, ...]:
    """The ways to serve that the manifest names, the present one first."""
    if resources is None:
        return ()
    price = resources.price_per_hour
    own = VariantState("", resources.cpu or "", resources.memory, resources.gpu, resources.batch, price,
                       None if price is None else 1.0)
    return (own, *(VariantState(v.name, v.cpu or "", v.memory, v.gpu, v.batch, v.price_per_hour,
                                v.price_per_hour / price if price and v.price_per_hour is not None else None)
                   for v in resources.variants))


def short(digest: str) -> str:
    """``sha256:4f2a09c1``: enough of a digest to tell it from others."""
    kind, _, digits = digest.partition(":")
    return f"{kind}:{digits[:8]}" if digits else digest[:15]


def size(number: float) -> str:
    """Bytes with their unit: ``3.8 GiB``."""
    for unit, factor in (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10)):
        if number >= factor:
            return f"{wording.significant(number / factor, 2)} {unit}"
    return f"{wording.count(number)} B"
