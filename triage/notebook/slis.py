"""The kinds of service level indicators that a manifest can name, told apart by their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from triage.notebook.selector import parse_selector
from triage.quantities import Duration, Rate


class Strict(BaseModel):
    """Base of everything in a manifest: unknown keys are errors, values are frozen, types are not guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    multiline: ClassVar[frozenset[str]] = frozenset({"description", "good_query", "bad_query", "total_query"})
    """Fields that may hold line breaks; all others are drawn in one line."""

    @model_validator(mode="after")
    def _one_line(self) -> Self:
        for name, value in self:
            if name not in self.multiline and any("\n" in text for text in _texts(value)):
                raise ValueError(f"has a line break in {name}\nwrite it in one line")
        return self


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _selector(text: str) -> str:
    parse_selector(text)
    return text.strip()


def _windowed(text: str) -> str:
    if "$window" not in text:
        raise ValueError("does not use $window\nwrite the range of counters as [$window], for example "
                         "sum(increase(requests_total[$window]))")
    return text.strip()


SelectorText = Annotated[str, AfterValidator(_selector)]
"""A PromQL vector selector, such as ``requests_total{code!~"5.."}``."""
WindowQuery = Annotated[str, AfterValidator(_windowed)]
"""PromQL that counts events within ``$window``."""
TimeUnit = Literal["s", "ms", "us"]
"""Unit of a metric's observations."""
Measures = Literal["request", "invocation", "queue", "batch", "time_to_first_token", "time_per_output_token"]
"""What a duration is the duration of: for a batch model a request means a whole run."""


class RatioSli(Strict):
    """Share of good events: two of ``good``, ``bad`` and ``total``."""

    union_tag: ClassVar[str] = "<ratio>"

    good: SelectorText | None = Field(None, description="Counter of good events (vector selector).")
    bad: SelectorText | None = Field(None, description="Counter of bad events (vector selector).")
    total: SelectorText | None = Field(None, description="Counter of all events (vector selector).")
    absent: Literal["zero", "unknown"] | None = Field(
        None, description="What it means that the good or bad counter has no series while the total has: zero events, "
        "or unknown. By default zero when both counters are the same metric, else unknown.")

    @model_validator(mode="after")
    def _two_of_three(self) -> RatioSli:
        if sum(x is not None for x in (self.good, self.bad, self.total)) != 2:
            raise ValueError("needs exactly two of good, bad and total\nthe third follows from the other two")
        return self


class HistogramSli(Strict):
    """Share of observations at or under a threshold, from a histogram; percentiles come with it."""

    union_tag: ClassVar[str] = "<histogram>"

    histogram: SelectorText = Field(description="Histogram without _bucket, _count or _sum (vector selector).")
    threshold: Duration | None = Field(
        None, description="Longest good observation. It must be a bucket of the histogram unless snap says otherwise. "
        "Without it only percentiles are shown.")
    unit: TimeUnit = Field("s", description="Unit of the metric's buckets.")
    snap: Literal["exact", "lower", "upper"] = Field(
        "exact", description="When the threshold is no bucket: exact refuses it and names the nearest ones, lower "
        "takes the next stricter bucket, upper the next looser one.")
    native: bool = Field(False, description="The metric is a native histogram; shares are interpolated by the server.")
    measures: Measures = Field("request", description="What the duration is the duration of.")


class GaugeSli(Strict):
    """A level that must stay on one side of a limit."""

    union_tag: ClassVar[str] = "<gauge>"

    gauge: SelectorText = Field(description="Gauge (vector selector).")
    at_least: float | None = Field(None, description="Lowest good value, in the metric's unit.")
    at_most: float | None = Field(None, description="Highest good value, in the metric's unit.")
    unit: str = Field("", max_length=12, description="Unit shown with the value, such as requests or GiB.")
    combine: Literal["max", "min", "avg", "sum"] = Field("max", description="How several series become one number.")

    @model_validator(mode="after")
    def _one_side(self) -> GaugeSli:
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("has both at_least and at_most\nname two SLOs, one for each side")
        return self


class FreshnessSli(Strict):
    """Age of the newest data, from a gauge that holds a Unix timestamp."""

    union_tag: ClassVar[str] = "<freshness>"

    freshness: SelectorText = Field(description="Gauge with the Unix time in seconds of the newest data (vector "
                                    "selector).")
    at_most: Duration = Field(description="Oldest good age.")


class ColdStartSli(Strict):
    """Share of serverless invocations that met a warm instance."""

    union_tag: ClassVar[str] = "<cold_start>"

    cold_starts: SelectorText = Field(description="Counter of cold starts (vector selector).")
    invocations: SelectorText = Field(description="Counter of all invocations (vector selector).")
    absent: Literal["zero", "unknown"] | None = Field("unknown", description="What a missing counter of cold starts "
                                                      "means.")


class ThroughputSli(Strict):
    """Events per second, from a counter."""

    union_tag: ClassVar[str] = "<throughput>"

    throughput: SelectorText = Field(description="Counter of events (vector selector).")
    at_least: Rate | None = Field(None, description="Lowest good rate, such as 5/s.")
    at_most: Rate | None = Field(None, description="Highest good rate, such as 500/s.")
    of: str = Field("requests", max_length=20, description="What is counted: requests, tokens, rows.")


class AverageSli(Strict):
    """Mean duration from a sum and a count: for servers without histograms. Never shown as a percentile."""

    union_tag: ClassVar[str] = "<average>"

    average_sum: SelectorText = Field(description="Counter of the summed durations (vector selector).")
    average_count: SelectorText = Field(description="Counter of observations (vector selector).")
    unit: TimeUnit = Field("s", description="Unit of the sum.")
    at_most: Duration | None = Field(None, description="Longest good mean.")
    measures: Measures = Field("request", description="What the duration is the duration of.")


class QuerySli(Strict):
    """Share of good events by your own PromQL; use it where selectors are not enough."""

    union_tag: ClassVar[str] = "<query>"

    good_query: WindowQuery | None = Field(None, description="Number of good events within $window.")
    bad_query: WindowQuery | None = Field(None, description="Number of bad events within $window.")
    total_query: WindowQuery = Field(description="Number of all events within $window.")
    absent: Literal["zero", "unknown"] | None = Field("unknown", description="What an empty good or bad query means.")

    @model_validator(mode="after")
    def _one_numerator(self) -> QuerySli:
        if (self.good_query is None) == (self.bad_query is None):
            raise ValueError("needs exactly one of good_query and bad_query\nthe other follows from total_query")
        return self


class PresetSli(Strict):
    """An indicator of the preset named in ``metrics.preset``, by its name there."""

    union_tag: ClassVar[str] = "<preset>"

    preset: str = Field(description="Name of the indicator in the preset, such as time_to_first_token.")
    threshold: Duration | None = Field(None, description="Longest good observation (histograms), mean (averages) or "
                                       "age (freshness).")
    at_least: float | None = Field(None, description="Lowest good value, for gauges and rates (per second).")
    at_most: float | None = Field(None, description="Highest good value, for gauges and rates (per second).")
    snap: Literal["exact", "lower", "upper"] = Field("exact", description="As for histograms.")


MeasuredSli = (RatioSli | HistogramSli | GaugeSli | FreshnessSli | ColdStartSli | ThroughputSli | AverageSli | QuerySli)
_KEYS = {"preset": "preset", "histogram": "histogram", "gauge": "gauge", "freshness": "freshness",
         "cold_starts": "cold_start", "invocations": "cold_start", "throughput": "throughput",
         "average_sum": "average", "average_count": "average", "total_query": "query", "good_query": "query",
         "bad_query": "query", "good": "ratio", "bad": "ratio", "total": "ratio"}


def sli_kind(value: Any) -> str | None:
    """The union tag of the kind of indicator that ``value`` is, told by its keys; None when none of them is known."""
    if isinstance(value, BaseModel):
        return str(getattr(value, "union_tag", ""))
    if isinstance(value, dict):
        for key, tag in _KEYS.items():
            if key in value:
                return f"<{tag}>"
    return None


_Tagged = (
    Annotated[RatioSli, Tag("<ratio>")] | Annotated[HistogramSli, Tag("<histogram>")]
    | Annotated[GaugeSli, Tag("<gauge>")] | Annotated[FreshnessSli, Tag("<freshness>")]
    | Annotated[ColdStartSli, Tag("<cold_start>")] | Annotated[ThroughputSli, Tag("<throughput>")]
    | Annotated[AverageSli, Tag("<average>")] | Annotated[QuerySli, Tag("<query>")]
)
_BY_KEYS = Discriminator(
    sli_kind, custom_error_type="sli_kind",
    custom_error_message="names no indicator\nuse good/bad/total, histogram, gauge, freshness, cold_starts, "
    "throughput, average_sum, total_query or preset")
Measured = Annotated[_Tagged, _BY_KEYS]
"""An indicator written out, as presets hold it."""
Sli = Annotated[_Tagged | Annotated[PresetSli, Tag("<preset>")], _BY_KEYS]
"""An indicator as manifests hold it."""
