"""What a manifest asks to be measured: its objectives, with the indicators of presets written out as selectors."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from triage.errors import Finding, InvalidDocument
from triage.notebook.manifest import Manifest, Slo
from triage.notebook.presets import Indicator, Labelled, Preset, preset, preset_names
from triage.notebook.selector import Matcher, Selector, parse_selector
from triage.notebook.serving import BatchSize
from triage.notebook.slis import (
    AverageSli,
    ColdStartSli,
    FreshnessSli,
    GaugeSli,
    HistogramSli,
    MeasuredSli,
    PresetSli,
    QuerySli,
    RatioSli,
    ThroughputSli,
)
from triage.strict_yaml import PathKey, dotted
from triage.text import clean

DEFAULT_VERSION_LABEL = "model_version"
_SELECTOR_HINT = "add labels of the scrape target to metrics.selector, such as {job: my-model}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to measure an objective."""

    sli: MeasuredSli
    """Selectors as written; ``labels`` are not merged in yet (:meth:`~triage.notebook.selector.Selector.where`)."""
    labels: Mapping[str, str]
    """Equality matchers that every selector gets: the manifest's selector, and the preset's model label."""
    version_label: str
    """Label with the model version."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of the histogram in its own unit, where the preset knows them; () means ask the server."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One SLO, or one indicator that a preset shows without being asked."""

    slo: Slo
    """As written. ``slo.objective`` None: shown, not judged. The indicator is in ``candidates``, not in ``slo.sli``."""
    candidates: tuple[Candidate, ...]
    """In order, at least one, all of one kind; the first that has data counts."""
    title: str
    """Words for the screen."""
    from_preset: bool
    """Whether the indicator comes from a preset."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where the number of requests per version is read from."""

    selectors: tuple[Selector, ...]
    """Counters with all labels merged in; the number of requests is their sum (mostly there is one)."""
    version_label: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a manifest that no schema can see; becomes a finding where the document is known."""

    path: PathKey
    message: str
    hint: str
    code: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The objectives, and what is wrong with those that are missing among them."""

    objectives: tuple[Objective, ...]
    problems: tuple[Problem, ...]


def objectives(manifest: Manifest) -> tuple[Objective, ...]:
    """What is to be measured, SLOs first, in the manifest's order.

    Raises :class:`InvalidDocument` for names that no preset knows; a manifest that came through
    :func:`triage.notebook.load.load_notebook` has none of them.
    """
    resolved = resolve(manifest)
    if resolved.problems:
        raise InvalidDocument(Finding("error", "manifest", None, dotted(p.path), p.message, p.hint, p.code)
                              for p in resolved.problems)
    return resolved.objectives


def resolve(manifest: Manifest) -> Resolved:
    """As :func:`objectives`, but problems are returned instead of raised, all of them."""
    spec = manifest.spec
    problems: list[Problem] = []
    chosen = _preset_of(manifest, problems)
    found: list[Objective] = []
    for index, slo in enumerate(spec.slos):
        path: PathKey = ("spec", "slos", index)
        if isinstance(slo.sli, PresetSli):
            candidates, title = _from_preset(manifest, chosen, slo.sli, path, problems)
        else:
            own = Candidate(slo.sli, spec.metrics.selector, _version_label(manifest, chosen, None))
            candidates, title = (own,), slo.name
        if not candidates:
            continue
        if slo.objective is not None and not _has_limit(candidates[0].sli):
            problems.append(Problem((*path, "objective"), "judges an indicator that has no limit",
                                    _limit_hint(slo.sli, candidates[0].sli), "no-limit"))
            continue
        found.append(Objective(slo, candidates, title, isinstance(slo.sli, PresetSli)))
    if chosen is not None:
        found.extend(_shown_unasked(manifest, chosen))
    return Resolved(tuple(found), tuple(problems))


def requests_selectors(manifest: Manifest) -> tuple[Traffic, ...]:
    """Where traffic shares are read from, in order; the first that has data counts. () when nothing counts requests.

    ``metrics.requests`` if it is there, else the preset's counter, else the total of the first objective that has one.
    """
    spec = manifest.spec
    chosen = _known_preset(manifest)
    if spec.metrics.requests is not None:
        selector = parse_selector(spec.metrics.requests).where(spec.metrics.selector)
        return (Traffic((selector,), _version_label(manifest, chosen, None)),)
    if chosen is not None and chosen.requests:
        found = []
        for source in chosen.requests:
            labels = _labels(manifest, chosen, source)
            texts = (source.selector,) if source.plus is None else (source.selector, source.plus)
            if labels:
                found.append(Traffic(tuple(parse_selector(t).where(labels) for t in texts),
                                     _version_label(manifest, chosen, source)))
        if found:
            return tuple(found)
    for objective in resolve(manifest).objectives:
        totals = tuple(Traffic(tuple(s.where(c.labels) for s in _totals(c.sli)), c.version_label)
                       for c in objective.candidates if _totals(c.sli))
        if totals:
            return totals
    return ()


def queue_times(manifest: Manifest) -> tuple[Candidate, ...]:
    """Where the time that requests wait is read from, in order; the first that has data counts. () when nowhere."""
    resources = manifest.spec.resources
    chosen = _known_preset(manifest)
    if resources is not None and resources.queue_time is not None:
        return (Candidate(resources.queue_time, manifest.spec.metrics.selector,
                          _version_label(manifest, chosen, None)),)
    found = [candidate for objective in resolve(manifest).objectives for candidate in objective.candidates]
    if chosen is not None:
        found += [each for name, indicator in chosen.indicators.items()
                  for each in _candidates(manifest, chosen, indicator, PresetSli(preset=name))]
    waits = [each for each in found if isinstance(each.sli, HistogramSli | AverageSli) and each.sli.measures == "queue"]
    # What an objective asks of it makes it no other series.
    return tuple({_series_of(each): each for each in reversed(waits)}.values())[::-1]


def batch_sizes(manifest: Manifest) -> tuple[tuple[BatchSize, Mapping[str, str]], ...]:
    """Where the size of batches is read from, in order, with the labels that its series carry. () when nowhere."""
    resources = manifest.spec.resources
    if resources is not None and resources.batch_size is not None:
        return ((resources.batch_size, manifest.spec.metrics.selector),)
    chosen = _known_preset(manifest)
    if chosen is None:
        return ()
    found = [(each.size, _labels(manifest, chosen, each)) for each in chosen.batch_size]
    return tuple((size, labels) for size, labels in found if labels)


def selectors(sli: MeasuredSli) -> tuple[Selector, ...]:
    """Every vector selector that ``sli`` names, as written; () for free queries. Histograms come without suffix."""
    names = ("good", "bad", "total", "histogram", "gauge", "freshness", "cold_starts", "invocations", "throughput",
             "average_sum", "average_count")
    texts = (getattr(sli, name, None) for name in names)
    return tuple(parse_selector(t) for t in texts if t is not None)


def _known_preset(manifest: Manifest) -> Preset | None:
    try:
        return preset(manifest.spec.metrics.preset) if manifest.spec.metrics.preset != "custom" else None
    except KeyError:
        return None


def _series_of(candidate: Candidate) -> tuple[object, ...]:
    return (*selectors(candidate.sli), *sorted(candidate.labels.items()))


def _preset_of(manifest: Manifest, problems: list[Problem]) -> Preset | None:
    name = manifest.spec.metrics.preset
    if name == "custom":
        return None
    try:
        chosen = preset(name)
    except KeyError:
        problems.append(Problem(("spec", "metrics", "preset"), f"names no preset: {clean(name, limit=80)}",
                                _near(name, ("custom", *preset_names())), "unknown-preset"))
        return None
    if not chosen.model_label and not manifest.spec.metrics.selector:
        problems.append(Problem(("spec", "metrics"), f"selects nothing: {chosen.title} sets no label with the model",
                                _SELECTOR_HINT, "no-selector"))
    return chosen


def _from_preset(manifest: Manifest, chosen: Preset | None, wanted: PresetSli, path: PathKey,
                 problems: list[Problem]) -> tuple[tuple[Candidate, ...], str]:
    here = (*path, "sli", "preset")
    if chosen is None:
        if manifest.spec.metrics.preset == "custom":
            problems.append(Problem(here, "names an indicator of a preset, but metrics.preset is custom",
                                    f"set metrics.preset to one of {', '.join(preset_names())}", "unknown-indicator"))
        return (), ""
    indicator = chosen.indicators.get(wanted.preset)
    if indicator is None:
        problems.append(Problem(here, f"names no indicator of {chosen.name}: {clean(wanted.preset, limit=80)}",
                                _near(wanted.preset, tuple(chosen.indicators)), "unknown-indicator"))
        return (), ""
    misfit = _misfit(wanted, indicator)
    if misfit is not None:
        problems.append(Problem((*path, "sli", misfit), f"does not apply to {wanted.preset}",
                                _limit_hint(wanted, indicator.candidates[0].sli), "limit-kind"))
        return (), ""
    candidates = tuple(_candidates(manifest, chosen, indicator, wanted))
    if not candidates and manifest.spec.metrics.selector:
        problems.append(Problem(here, f"cannot be told from other servers: its series carry no {chosen.model_label}",
                                _SELECTOR_HINT, "no-selector"))
    return candidates, indicator.title


def _shown_unasked(manifest: Manifest, chosen: Preset) -> Iterator[Objective]:
    taken = {slo.name for slo in manifest.spec.slos}
    taken |= {slo.sli.preset for slo in manifest.spec.slos if isinstance(slo.sli, PresetSli)}
    for name, indicator in chosen.indicators.items():
        if indicator.show and name not in taken:
            wanted = PresetSli(preset=name)
            candidates = tuple(_candidates(manifest, chosen, indicator, wanted))
            if candidates:
                yield Objective(Slo(name=name, sli=wanted), candidates, indicator.title, from_preset=True)


def _candidates(manifest: Manifest, chosen: Preset, indicator: Indicator, wanted: PresetSli) -> Iterator[Candidate]:
    for candidate in indicator.candidates:
        labels = _labels(manifest, chosen, candidate)
        # Without any label it would read the series of every server there is.
        if labels:
            yield Candidate(_limited(candidate.sli, wanted), labels, _version_label(manifest, chosen, candidate),
                            tuple(candidate.buckets))


def _labels(manifest: Manifest, chosen: Preset, source: Labelled) -> dict[str, str]:
    """The matchers for series of ``source``: the manifest's, with the model label that these series really carry."""
    labels = dict(manifest.spec.metrics.selector)
    label = chosen.model_label if source.model_label is None else source.model_label
    if label != chosen.model_label:
        labels.pop(chosen.model_label, None)
    if label:
        labels.setdefault(label, source.model_value.replace("{name}", manifest.metadata.name))
    return labels


def _version_label(manifest: Manifest, chosen: Preset | None, source: Labelled | None) -> str:
    return (manifest.spec.metrics.version_label or (source.version_label if source is not None else None)
            or (chosen.version_label if chosen is not None else None) or DEFAULT_VERSION_LABEL)


def _limited(sli: MeasuredSli, wanted: PresetSli) -> MeasuredSli:
    """``sli`` with the limits that the SLO sets. Values are parsed already, so they are not validated again."""
    match sli:
        case HistogramSli():
            return sli.model_copy(update={"threshold": wanted.threshold, "snap": wanted.snap})
        case AverageSli():
            return sli.model_copy(update={"at_most": wanted.threshold})
        case FreshnessSli():
            return sli if wanted.threshold is None else sli.model_copy(update={"at_most": wanted.threshold})
        case GaugeSli() | ThroughputSli():
            return sli.model_copy(update={"at_least": wanted.at_least, "at_most": wanted.at_most})
        case _:
            return sli


def _misfit(wanted: PresetSli, indicator: Indicator) -> str | None:
    """The first field of ``wanted`` that an indicator of this kind has no use for."""
    sli = indicator.candidates[0].sli
    levels = isinstance(sli, GaugeSli | ThroughputSli)
    durations = isinstance(sli, HistogramSli | AverageSli | FreshnessSli)
    if wanted.threshold is not None and not durations:
        return "threshold"
    if wanted.at_least is not None and not levels:
        return "at_least"
    if wanted.at_most is not None and (not levels or wanted.at_least is not None):
        return "at_most"
    if wanted.snap != "exact" and not isinstance(sli, HistogramSli):
        return "snap"
    return None


def _has_limit(sli: MeasuredSli) -> bool:
    match sli:
        case HistogramSli():
            return sli.threshold is not None
        case GaugeSli() | ThroughputSli():
            return sli.at_least is not None or sli.at_most is not None
        case AverageSli():
            return sli.at_most is not None
        case _:
            return True


def _limit_hint(written: object, sli: MeasuredSli) -> str:
    match sli:
        case HistogramSli():
            return "give sli.threshold, a bucket of the histogram, or leave the objective out"
        case AverageSli():
            limit = "threshold" if isinstance(written, PresetSli) else "at_most"
            return f"give sli.{limit}, the longest good mean, or leave the objective out"
        case GaugeSli() | ThroughputSli():
            return "give one of sli.at_least and sli.at_most, or leave the objective out"
        case FreshnessSli():
            return "give sli.threshold, the oldest good age"
        case _:
            return "it counts good and bad events and takes no limit"


def _totals(sli: MeasuredSli) -> tuple[Selector, ...]:
    """Counters whose sum is the number of requests; () when ``sli`` counts something else."""
    match sli:
        case RatioSli(total=str(total)):
            return (parse_selector(total),)
        case RatioSli(good=str(good), bad=str(bad)):
            return (parse_selector(good), parse_selector(bad))
        case ColdStartSli():
            return (parse_selector(sli.invocations),)
        case HistogramSli(native=False) if sli.measures != "time_per_output_token":
            return (parse_selector(sli.histogram).suffixed("_bucket").with_matcher(Matcher("le", "=", "+Inf")),)
        case ThroughputSli(of="requests"):
            return (parse_selector(sli.throughput),)
        case AverageSli() if sli.measures != "time_per_output_token":
            return (parse_selector(sli.average_count),)
        case QuerySli() | _:
            return ()


def _near(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
