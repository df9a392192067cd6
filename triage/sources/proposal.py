"""``propose_manifest``: a manifest to start from, made of what was found on a server. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

from triage.errors import TriageError
from triage.facts.units import UNIT_SECONDS
from triage.notebook.presets import Preset, preset
from triage.notebook.resolve import selectors
from triage.notebook.selector import Matcher, Selector, regex_quote, valid_label
from triage.notebook.slis import HistogramSli, RatioSli
from triage.quantities import format_duration, parse_duration
from triage.sources.found import Found, FoundCounter, FoundHistogram, FoundModel

GOOD_SHARE = 0.99
"""Share of past observations that the proposed threshold lets pass."""
_BAD_WORDS = frozenset({"error", "errors", "failure", "failed", "fail", "err", "exception", "timeout", "rejected",
                        "internal", "unavailable", "unknown", "deadline_exceeded", "deadlineexceeded"})
_CODE = re.compile(r"[1-5](?:\d\d|xx|XX)")


def propose_manifest(found: Found, model: str) -> str:
    """A manifest for ``model`` (a name in ``found.models``) as YAML, with comments on what a person must decide.

    Thresholds are buckets that exist. Raises :class:`TriageError` when the model was not found.
    """
    chosen = found.model(model)
    if chosen is None:
        known = ", ".join(m.name for m in found.models[:10]) or "none"
        raise TriageError(f"no model {model} was found on {found.url}", f"there are: {known}")
    version = chosen.versions[-1] if chosen.versions else "1"
    of = f"one of {', '.join(chosen.versions[-5:])}" if len(chosen.versions) > 1 else (
        "the only one found" if chosen.versions else "no label with versions was found")
    lines = [
        f"# Proposed from the metrics on {found.url}. Lines marked \"review\" are guesses to be confirmed.",
        "apiVersion: triage/v1alpha1",
        "kind: ModelNotebook",
        "metadata:",
        f"  name: {_text(_name(chosen.name))}",
        f"  version: {_text(version)}  # review: {of}",
        "  owners:",
        "    - {name: unassigned, role: model-owner}  # review: who answers for this model, and who is on call",
        "spec:",
        "  metrics:",
        f"    preset: {chosen.preset or 'custom'}",
        f"    selector: {{{_key(chosen.label)}: {_text(chosen.name)}}}",
    ]
    if chosen.version_label is not None:
        lines.append(f"    version_label: {chosen.version_label}  # review: the label that tells versions apart")
    lines.append("  slos:")
    slos = list(_preset_slos(chosen, preset(chosen.preset)) if chosen.preset else ()) or list(_own_slos(chosen))
    for slo in slos:
        lines += slo
    return "\n".join(lines) + "\n"


def _preset_slos(model: FoundModel, chosen: Preset) -> Iterator[list[str]]:
    judged = False
    for name, indicator in chosen.indicators.items():
        slis = [candidate.sli for candidate in indicator.candidates]
        if isinstance(slis[0], RatioSli) and name == "success":
            names = {s.name for sli in slis for s in selectors(sli)}
            if names & set(model.series):
                yield _slo("success", f"{{preset: {name}}}", "99.9", "how many requests must succeed", required=True)
        elif isinstance(slis[0], HistogramSli) and indicator.show and not judged:
            wanted = {s.name for sli in slis for s in selectors(sli)}
            histogram = next((h for h in model.histograms if h.name in wanted and _usable(h)), None)
            if histogram is not None:
                judged = True
                threshold, why = _threshold(histogram)
                yield _slo(_name(name), f"{{preset: {name}, threshold: {threshold}}}", "99", why)


def _own_slos(model: FoundModel) -> Iterator[list[str]]:
    histogram = max((h for h in model.histograms if _usable(h)), key=_likeness, default=None)
    success = _success(model)
    if success is not None:
        yield _slo("success", success, "99.9", "which outcomes are bad, and how many requests must succeed",
                   required=True)
    if histogram is not None:
        threshold, why = _threshold(histogram)
        yield _slo("latency", f"{{histogram: {_text(_selector(histogram.name))}, threshold: {threshold}, "
                   f"unit: {histogram.unit}}}", "99", why)
    if success is None and histogram is None:
        counter = next((c.name for c in model.counters), None) or next(
            (h.name + "_count" for h in model.histograms), None) or next(iter(model.series))
        yield ["    - name: throughput  # review: nothing found says what a good request is",
               f"      sli: {{throughput: {_text(_selector(counter))}}}"]


def _slo(name: str, sli: str, objective: str, review: str, *, required: bool = False) -> list[str]:
    lines = [f"    - name: {name}", f"      sli: {sli}", f"      objective: {objective}  # review: {review}",
             "      window: 30d"]
    return [*lines, "      required: true"] if required else lines


def _usable(histogram: FoundHistogram) -> bool:
    """Whether it has a unit and a bucket that can be a threshold."""
    return histogram.unit is not None and any(bound > 0 for bound in histogram.buckets)


def _threshold(histogram: FoundHistogram) -> tuple[str, str]:
    """(a bucket as a duration, why this one)."""
    scale = UNIT_SECONDS[histogram.unit or "s"]
    positive = [(b, n) for b, n in zip(histogram.buckets, histogram.at_or_under, strict=True) if b > 0]
    others = ", ".join(_duration(b * scale) for b, _ in positive)
    if histogram.total > 0 and not math.isnan(histogram.total):
        bound, count = next(((b, n) for b, n in positive if n >= GOOD_SHARE * histogram.total), positive[-1])
        share = 100 * count / histogram.total
        return _duration(bound * scale), f"{share:.4g} % so far were at or under it; buckets: {others}"
    bound = min((b for b, _ in positive), key=lambda b: abs(math.log(b * scale / 0.5)))
    return _duration(bound * scale), f"nothing was observed yet; buckets: {others}"


def _success(model: FoundModel) -> str | None:
    """The flow mapping of a ratio from counters; None when none says what became of a request."""
    for counter in sorted(model.counters, key=lambda c: "request" not in c.name):
        bad = _bad(counter)
        if bad is not None:
            good = Selector(counter.name, (Matcher(counter.status_label or "", "!~", bad),))
            return f"{{good: {_text(str(good))}, total: {_text(_selector(counter.name))}}}"
    names = {c.name for c in model.counters}
    for name in sorted(names):
        match = re.fullmatch(r"(.*?)(?:_?request)?s?_(?:errors?|failures?|failed)_total", name)
        if match is None:
            continue
        total = next((t for t in (f"{match[1]}_requests_total", f"{match[1]}_request_total", f"{match[1]}_total")
                      if t in names), None)
        if total is not None:
            return f"{{bad: {_text(_selector(name))}, total: {_text(_selector(total))}, absent: zero}}"
    return None


def _bad(counter: FoundCounter) -> str | None:
    """A regular expression for outcomes that are the server's fault; None when the label does not say."""
    if counter.status_label is None or not valid_label(counter.status_label):
        return None
    if any(_CODE.fullmatch(value) for value in counter.status_values):
        return "5.*"
    bad = [value for value in counter.status_values if value.lower() in _BAD_WORDS]
    return "|".join(regex_quote(value) for value in bad) if bad else None


def _likeness(histogram: FoundHistogram) -> tuple[int, float]:
    """How much a histogram looks like the duration of whole requests."""
    name = histogram.name.lower()
    points = 2 * bool(re.search(r"duration|latency", name)) + bool(re.search(r"request|infer|predict|e2e", name))
    points -= 2 * bool(re.search(r"queue|preprocess|postprocess|batch|first|token|load|gc_", name))
    return points, histogram.total if histogram.total == histogram.total else 0.0


def _selector(name: str) -> str:
    return str(Selector(name))


def _duration(seconds: float) -> str:
    text = f"{seconds:.9g}s" if 1 <= seconds < 60 else format_duration(seconds)
    try:
        exact = math.isclose(parse_duration(text), seconds, rel_tol=1e-9)
    except ValueError:
        exact = False
    return text if exact else f"{seconds * 1e6:.9g}us"


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower())[:63].strip("-._")
    return name or "model"


def _key(label: str) -> str:
    return label if valid_label(label) else _text(label)


def _text(text: str) -> str:
    """A YAML scalar in double quotes; JSON's strings are a subset of those."""
    return json.dumps(text, ensure_ascii=False)
