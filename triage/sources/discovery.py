"""``discover``: which inference servers and models a Prometheus knows, read through ``PrometheusConnect``.

Its answers are shaped by ``MetricSnapshotDataFrame`` into the table models x metrics. Both need guards for what they
do not take: see :mod:`triage.sources.sync_session`, and :func:`_frame` for empty answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from triage.clock import Clock, SystemClock
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.notebook.presets import Preset, preset, preset_names
from triage.notebook.resolve import selectors
from triage.notebook.selector import Matcher, Selector, parse_selector, regex_quote, valid_label
from triage.notebook.slis import HistogramSli
from triage.sources.failures import PROMETHEUS
from triage.sources.found import Found, FoundCounter, FoundHistogram, FoundModel, FoundServer
from triage.sources.proposal import propose_manifest
from triage.sources.sync_session import Session, Unanswered

if TYPE_CHECKING:
    import pandas as pd
    from prometheus_api_client import PrometheusConnect

__all__ = ["discover", "metric_names", "propose_manifest"]

MODEL_LABELS = ("model", "model_name", "served_model_name", "target_model_name", "model_id", "gen_ai_request_model")
"""Labels that name a model wherever they stand, by preference."""
VERSION_LABELS = ("model_version", "version", "service_version", "revision_name", "destination_version",
                  "destination_canonical_revision", "revision", "deployment", "image_tag")
STATUS_LABELS = ("code", "status_code", "status", "http_status", "http_response_code", "response_code", "grpc_code",
                 "outcome", "result")
MAX_MODELS = 200
_AMBIGUOUS = frozenset({"http_requests_total"})
"""Names in presets that any web server may have: they are no sign of that inference server."""
_UNITS = (("_seconds", "s"), ("_milliseconds", "ms"), ("_ms", "ms"), ("_microseconds", "us"), ("_us", "us"))
_SUFFIXES = ("", "_bucket", "_count", "_sum", "_total")


def discover(endpoint: Endpoint, clock: Clock | None = None) -> Found | Failure:
    """Look around on ``endpoint``. It asks a handful of instant queries, each under the endpoint's limits.

    Runs outside of event loops (it brings its own). Raises :class:`~triage.config.ConfigError` when a secret cannot be
    had. A question that fails is a note; the failure is returned when nothing can be read at all.
    """
    with _connected(endpoint, clock) as (connect, url):
        try:
            names = _names_of(connect)
            labels = frozenset(str(name) for name in connect.get_label_names())
        except Unanswered as error:
            return error.failure
        return _Discovery(connect, url, names, labels).found()


def metric_names(endpoint: Endpoint, clock: Clock | None = None) -> frozenset[str] | Failure:
    """Every metric that ``endpoint`` has at present, as it says; to be compared with, not shown. Runs and raises as
    :func:`discover` does."""
    with _connected(endpoint, clock) as (connect, _):
        try:
            return _names_of(connect)
        except Unanswered as error:
            return error.failure


@contextmanager
def _connected(endpoint: Endpoint, clock: Clock | None) -> Iterator[tuple[PrometheusConnect, str]]:
    """(the client, the server as it is shown)."""
    from prometheus_api_client import PrometheusConnect
    from urllib3.util.retry import Retry

    from triage.sources.http import HttpSource
    source = HttpSource(endpoint, clock or SystemClock(), PROMETHEUS)
    with Session(source, endpoint.url) as session:
        yield PrometheusConnect(endpoint.url, retry=Retry(total=0), session=session, method="POST",
                                timeout=endpoint.timeout), source.url


def _names_of(connect: PrometheusConnect) -> frozenset[str]:
    return frozenset(str(name) for name in connect.all_metrics())


class _Discovery:
    """One look around; collects notes on the way."""

    def __init__(self, connect: PrometheusConnect, url: str, names: frozenset[str], labels: frozenset[str]) -> None:
        self._connect = connect
        self._url = url
        self._names = names
        self._labels = labels
        self._notes: list[str] = []

    def found(self) -> Found:
        servers = tuple(_servers(self._names))
        models: dict[tuple[str, str], FoundModel] = {}
        for server in servers:
            chosen = preset(server.preset)
            # Servers that name no model are told apart by what is scraped.
            label = chosen.model_label or "job"
            pattern = "|".join(regex_quote(name) for name in server.metrics)
            selector = Selector("", (Matcher("__name__", "=~", pattern),))
            for model in self._models(label, selector, chosen):
                known = models.get((label, model.name))
                if known is None or (known.preset and server.preset.startswith(f"{known.preset}-")):
                    models[label, model.name] = model
        for label in MODEL_LABELS:
            if label not in self._labels:
                continue
            for model in self._models(label, Selector("", (Matcher(label, "!=", ""),)), None):
                known = models.get((label, model.name))
                if known is not None:
                    models[label, model.name] = replace(model, preset=known.preset, version_label=known.version_label,
                                                        versions=known.versions)
                elif any(name.endswith(("_bucket", "_total")) for name in model.series):
                    models[label, model.name] = model
        ordered = sorted(models.values(), key=lambda m: (-sum(m.series.values()), m.name, m.label))
        if len(ordered) > MAX_MODELS:
            self._notes.append(f"{len(ordered) - MAX_MODELS} models with few series were left out")
        return Found(self._url, len(self._names), servers, self._with_details(ordered[:MAX_MODELS]), tuple(self._notes))

    def _models(self, label: str, selector: Selector, chosen: Preset | None) -> Iterator[FoundModel]:
        """Models by ``label`` among the series of ``selector``."""
        preferred = [chosen.version_label] if chosen is not None and chosen.version_label else []
        versions = [v for v in dict.fromkeys((*preferred, *VERSION_LABELS)) if v in self._labels and v != label]
        by = ["__name__", label, *versions]
        frame = self._frame(f"count by ({', '.join(by)}) ({_inside(selector)})", by)
        if frame is None:
            return
        table = frame.pivot_table(index=label, columns="__name__", values="value", aggfunc="sum", fill_value=0)
        for name, row in table.iterrows():
            if not str(name):
                continue
            own = frame[frame[label] == name]
            version_label = next((v for v in versions if (own[v] != "").any()), None)
            seen = {str(v) for v in own[version_label]} - {""} if version_label else set()
            yield FoundModel(str(name), label, chosen.name if chosen else None, version_label,
                             tuple(sorted(seen, key=_natural)),
                             {str(metric): int(count) for metric, count in row.items() if count > 0})

    def _with_details(self, models: Sequence[FoundModel]) -> tuple[FoundModel, ...]:
        histograms: dict[tuple[str, str], list[FoundHistogram]] = {}
        counters: dict[tuple[str, str], list[FoundCounter]] = {}
        for label in dict.fromkeys(m.label for m in models):
            wanted = [m for m in models if m.label == label]
            for name, histogram in self._histograms(label, wanted):
                histograms.setdefault((label, name), []).append(histogram)
            for name, counter in self._counters(label, wanted):
                counters.setdefault((label, name), []).append(counter)
        return tuple(replace(m, histograms=tuple(histograms.get((m.label, m.name), ())),
                             counters=tuple(counters.get((m.label, m.name), ()))) for m in models)

    def _histograms(self, label: str, models: Sequence[FoundModel]) -> Iterator[tuple[str, FoundHistogram]]:
        names = sorted({n for m in models for n in m.series if n.endswith("_bucket")})
        by = ["__name__", label, "le"]
        frame = self._frame(f"sum by ({', '.join(by)}) ({_named(names)})", by) if names else None
        if frame is None:
            return
        for (metric, model), rows in frame.groupby(["__name__", label]):
            counts: dict[float, float] = {}
            for bound, count in zip(rows["le"], rows["value"], strict=True):
                try:
                    # Servers of one fleet may spell a bound as 1 and as 1.0.
                    counts[float(bound)] = counts.get(float(bound), 0.0) + count
                except ValueError:
                    continue
            total = counts.pop(float("inf"), 0.0)
            bounds = sorted(counts)
            name = str(metric).removesuffix("_bucket")
            yield str(model), FoundHistogram(name, _unit(name, models), tuple(bounds), tuple(counts[b] for b in bounds),
                                             total)

    def _counters(self, label: str, models: Sequence[FoundModel]) -> Iterator[tuple[str, FoundCounter]]:
        names = sorted({n for m in models for n in m.series if n.endswith("_total")})
        statuses = [s for s in STATUS_LABELS if s in self._labels and s != label]
        by = ["__name__", label, *statuses]
        frame = self._frame(f"count by ({', '.join(by)}) ({_named(names)})", by) if names else None
        if frame is None:
            return
        for (metric, model), rows in frame.groupby(["__name__", label]):
            status = next((s for s in statuses if (rows[s] != "").any()), None)
            values = tuple(sorted({str(v) for v in rows[status]} - {""})) if status else ()
            yield str(model), FoundCounter(str(metric), status, values)

    def _frame(self, query: str, columns: Sequence[str]) -> pd.DataFrame | None:
        """The answer to an instant query, one row per element; labels that an element lacks are "". None when empty."""
        from prometheus_api_client import MetricSnapshotDataFrame
        try:
            result: list[Any] = self._connect.custom_query(query)
        except Unanswered as error:
            self._notes.append(f"not everything could be read: {error.failure.sentence()}")
            return None
        # The class takes neither an empty list nor elements without a value (native histograms).
        usable = [item for item in result if isinstance(item, dict) and isinstance(item.get("metric"), dict)
                  and isinstance(item.get("value"), list) and len(item["value"]) == 2]
        if not usable:
            return None
        frame: pd.DataFrame = MetricSnapshotDataFrame(usable, ts_as_datetime=False)
        for column in columns:
            if column not in frame:
                frame[column] = ""
        return frame.fillna(dict.fromkeys(columns, ""))


def _servers(names: frozenset[str]) -> Iterator[FoundServer]:
    """Presets of which a name that no other preset has is there, and those that build on them."""
    by_preset = {name: _metric_names(preset(name)) for name in preset_names()}
    for name, metrics in by_preset.items():
        others = {m for other, theirs in by_preset.items() if other != name for m in theirs}
        present = sorted(m + suffix for m in metrics for suffix in _SUFFIXES if m + suffix in names)
        own = [m for m in present if not any(m == o + suffix for o in (others | _AMBIGUOUS) for suffix in _SUFFIXES)]
        if own:
            usable = [m for m in present if m not in _AMBIGUOUS]
            yield FoundServer(name, preset(name).title, tuple(dict.fromkeys(usable)))


def _metric_names(chosen: Preset) -> set[str]:
    names = {s.name for i in chosen.indicators.values() for c in i.candidates for s in selectors(c.sli)}
    for source in chosen.requests:
        names.add(parse_selector(source.selector).name)
        if source.plus is not None:
            names.add(parse_selector(source.plus).name)
    return names


def _unit(name: str, models: Sequence[FoundModel]) -> str | None:
    """The unit a preset of these models gives the histogram, else the one its name ends in."""
    for model in models:
        if model.preset is None:
            continue
        for indicator in preset(model.preset).indicators.values():
            for candidate in indicator.candidates:
                if isinstance(candidate.sli, HistogramSli) and parse_selector(candidate.sli.histogram).name == name:
                    return candidate.sli.unit
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), None)


def _named(names: Sequence[str]) -> str:
    pattern = "|".join(regex_quote(name) for name in names)
    return _inside(Selector("", (Matcher("__name__", "=~", pattern),)))


def _inside(selector: Selector) -> str:
    """A selector without a metric name, which :class:`Selector` alone does not write."""
    return "{" + ",".join(str(m) for m in selector.matchers if valid_label(m.label)) + "}"


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key by which v9 comes before v10."""
    return [(0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part)
            for part in re.split(r"(\d+)", text) if part]
