"""JSON of the Prometheus HTTP API into facts. Pure; every shape that the API does not promise is named, none raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from math import isfinite
from types import MappingProxyType
from typing import Any

from triage.facts.alerts import Alert, AlertState
from triage.facts.outcome import Failure
from triage.facts.samples import NO_LABELS, Answer, Labels, NativeHistogram, Sample, Series
from triage.sources.decode import parse_time
from triage.sources.failures import shape_failure
from triage.text import clean

_INFO_PREFIX = "PromQL info:"
_MAX_REMARKS = 20
_REMARK_LIMIT = 300
_ABSENT: Any = object()


class OtherShape(ValueError):
    """The document is not what the API promises; the text says where."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every successful answer is wrapped in."""

    data: Any
    warnings: tuple[str, ...]
    infos: tuple[str, ...]


def open_envelope(document: Any, redact: Callable[[str], str]) -> Envelope:
    """The parts of a successful answer. Raises :class:`OtherShape`."""
    if not isinstance(document, dict) or document.get("status") != "success":
        raise OtherShape("the answer has no status: it is JSON, but not of the Prometheus API")
    if "data" not in document:
        raise OtherShape("the answer has no data")
    warnings: list[str] = []
    infos: list[str] = _remarks(document.get("infos"), redact)
    for remark in _remarks(document.get("warnings"), redact):
        # Servers 2.48 to 2.53 have no infos of their own and send them as warnings.
        (infos if remark.startswith(_INFO_PREFIX) else warnings).append(remark)
    if document.get("isPartial") is True:
        warnings.append("the server says that the answer is partial")
    return Envelope(document["data"], tuple(dict.fromkeys(warnings)), tuple(dict.fromkeys(infos)))


def parse_answer(envelope: Envelope, now: float, asked_for: float | None, *, is_range: bool,
                 known: Sequence[Labels] = ()) -> Answer | Failure:
    """The answer to a query. ``asked_for`` is the time it was evaluated for, None when the server chose it.

    Then ``evaluated_at`` is the time of its samples, or ``now`` when it has none. ``known``: labels of the samples of
    an earlier answer, which are used again in the same places where they are the same.
    """
    try:
        data = envelope.data
        if not isinstance(data, dict):
            raise OtherShape("data is no object")
        kind, result = data.get("resultType"), data.get("result")
        if kind == "vector" and isinstance(result, list):
            samples, native = _vector(result, known)
            evaluated = asked_for if asked_for is not None else samples[0].at if samples else (
                native[0].at if native else now)
            return Answer(evaluated, samples, (), native, envelope.warnings, envelope.infos)
        if kind == "matrix" and isinstance(result, list):
            series, native = _matrix(result)
            return Answer(asked_for if asked_for is not None else now, (), series, native, envelope.warnings,
                          envelope.infos)
        if kind == "scalar" and not is_range:
            at, value = _point(result, "the scalar")
            return Answer(at, (Sample(MappingProxyType({}), value, at),), (), (), envelope.warnings, envelope.infos)
        if kind == "string":
            return shape_failure("the result is a string, not a number")
        raise OtherShape(f"the result type {clean(kind, limit=40)} is not known" if isinstance(result, list)
                         else "the result is no list")
    except OtherShape as error:
        return shape_failure(str(error))


def parse_alerts(envelope: Envelope) -> tuple[Alert, ...] | Failure:
    """``/api/v1/alerts``: what Prometheus' own rules say, pending ones included."""
    data = envelope.data
    alerts = data.get("alerts") if isinstance(data, dict) else None
    if not isinstance(alerts, list):
        return shape_failure("data holds no list of alerts")
    intern = LabelCache()
    out: list[Alert] = []
    try:
        for number, item in enumerate(alerts):
            if not isinstance(item, dict):
                raise OtherShape(f"alert {number + 1} is no object")
            state = item.get("state")
            if state not in ("pending", "firing"):
                continue
            value = item.get("value")
            active_at = parse_time(item.get("activeAt"))
            out.append(Alert(
                fingerprint="", labels=intern.labels(item.get("labels"), f"alert {number + 1}"),
                annotations=intern.labels(item.get("annotations") or {}, f"alert {number + 1}"),
                state=AlertState.PENDING if state == "pending" else AlertState.FIRING,
                started_at=active_at or 0.0,
                value=_number(value) if isinstance(value, str | int | float) else None, held_since=active_at))
    except OtherShape as error:
        return shape_failure(str(error))
    return tuple(out)


class LabelCache:
    """Cleans label names and values once per answer: the same few texts come thousands of times."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        """Cleaned texts by the raw ones, as far as they came."""

    def labels(self, raw: Any, where: str) -> Labels:
        """``raw`` as cleaned, frozen labels. Raises :class:`OtherShape`."""
        if not isinstance(raw, dict):
            raise OtherShape(f"{where} has no labels")
        known = self.texts
        try:
            return MappingProxyType({known[name]: known[value] for name, value in raw.items()})
        except (KeyError, TypeError):
            return MappingProxyType({self._text(name): self._text(value) for name, value in raw.items()})

    def _text(self, raw: Any) -> str:
        if not isinstance(raw, str):
            raise OtherShape("a label value is no text")
        found = self.texts.get(raw)
        if found is None:
            found = self.texts[raw] = clean(raw)
        return found


def _vector(result: list[Any], known: Sequence[Labels]) -> tuple[tuple[Sample, ...], tuple[NativeHistogram, ...]]:
    cache = LabelCache()
    samples: list[Sample] = []
    native: list[NativeHistogram] = []
    texts = cache.texts
    for number, (item, labels) in enumerate(zip(result, chain(known, repeat(NO_LABELS)), strict=False)):
        try:
            # Nearly all look like this, and there may be a hundred thousand; what does not is looked at closely below.
            at, text = item["value"]
            if type(at) is float and type(text) is str and isfinite(at):
                metric = item["metric"]
                # Cleaned once is clean: what is as it was needs no second look.
                if metric != labels:
                    labels = MappingProxyType({texts[name]: texts[value] for name, value in metric.items()})
                samples.append(Sample(labels, float(text), at))
                continue
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        where = f"element {number + 1} of the result"
        if not isinstance(item, dict):
            raise OtherShape(f"{where} is no object")
        labels = cache.labels(item.get("metric"), where)
        if "value" in item:
            at, value = _point(item["value"], where)
            samples.append(Sample(labels, value, at))
        elif "histogram" in item:
            native.append(_histogram(item["histogram"], labels, where))
        else:
            raise OtherShape(f"{where} has no value")
    return tuple(samples), tuple(native)


def _matrix(result: list[Any]) -> tuple[tuple[Series, ...], tuple[NativeHistogram, ...]]:
    cache = LabelCache()
    series: list[Series] = []
    native: list[NativeHistogram] = []
    for number, item in enumerate(result):
        where = f"series {number + 1} of the result"
        if not isinstance(item, dict):
            raise OtherShape(f"{where} is no object")
        labels = cache.labels(item.get("metric"), where)
        values, histograms = item.get("values", _ABSENT), item.get("histograms", _ABSENT)
        if values is _ABSENT and histograms is _ABSENT:
            raise OtherShape(f"{where} has no values")
        for points in (values, histograms):
            if points is not _ABSENT and not isinstance(points, list):
                raise OtherShape(f"{where} has values that are no list")
        if histograms is not _ABSENT:
            native += [_histogram(point, labels, where) for point in histograms]
        if values is not _ABSENT and values:
            times, numbers = _points(values, where)
            series.append(Series(labels, times, numbers))
    return tuple(series), tuple(native)


def _points(raw: list[Any], where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    points = [_point(point, where) for point in raw]
    if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
        # Some proxies merge answers of replicas; of two values for one time the later in the answer is kept.
        points = sorted(dict(points).items())
    times, values = zip(*points, strict=True)
    return times, values


def _point(raw: Any, where: str) -> tuple[float, float]:
    if type(raw) is list and len(raw) == 2:
        at, text = raw
        if type(text) is str and (type(at) is float or type(at) is int):
            try:
                # Python also reads digits with underscores and of other scripts; no server sends those.
                moment, value = float(at), float(text)
            except (ValueError, OverflowError):
                raise OtherShape(f"{where} has a value that is no number") from None
            if isfinite(moment):
                return moment, value
            raise OtherShape(f"{where} has a time that is no number")
        if isinstance(at, int | float) and not isinstance(at, bool) and isinstance(text, int | float):
            return _point([float(at) if abs(at) < 1e300 else float("nan"), repr(text)], where)
    raise OtherShape(f"{where} has a value that is not [time, number]")


def _histogram(raw: Any, labels: Labels, where: str) -> NativeHistogram:
    if not (isinstance(raw, list) and len(raw) == 2 and isinstance(raw[1], dict)):
        raise OtherShape(f"{where} has a histogram of another shape")
    at, _ = _point([raw[0], "0"], where)
    count, total = _number(raw[1].get("count")), _number(raw[1].get("sum"))
    if count is None or total is None:
        raise OtherShape(f"{where} has a histogram without count and sum")
    return NativeHistogram(labels, at, count, total)


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    try:
        return float(raw)
    except (ValueError, OverflowError):
        return None


def _remarks(raw: Any, redact: Callable[[str], str]) -> list[str]:
    if not isinstance(raw, list):
        return []
    return [clean(redact(item), limit=_REMARK_LIMIT) for item in raw[:_MAX_REMARKS] if isinstance(item, str) and item]
