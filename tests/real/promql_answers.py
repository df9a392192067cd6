"""One question to two evaluators, their answers in one form, and what is different between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from tests.real.promql_samples import EPOCH
from tests.real.remote_write import Column
from tests.real.truth import HOUR, MINUTE
from triage.lab.promql.engine import Engine, Matrix, QueryError, Scalar, Text, Vector
from triage.lab.promql.store import Store

RELATIVE = 1e-9
Key = tuple[tuple[str, str], ...]
Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class When:
    """At one time, or (with a step) at many; seconds relative to the epoch."""

    end: float
    start: float = 0.0
    step: float | None = None

    def __str__(self) -> str:
        if self.step is None:
            return f"at {self.end:+g} s"
        return f"from {self.start:+g} s to {self.end:+g} s every {self.step:g} s"


INSTANTS = (When(0.0), When(-1217.5), When(3 * MINUTE + 0.001))
"""On a sample, between samples, and after the last sample but within the lookback."""
RANGES = (When(0.0, -100 * MINUTE, 60.0), When(12 * MINUTE, -2 * HOUR - 7.25, 97.0))
"""On the samples; and beside them, until after everything has ended."""
EVERY = INSTANTS + RANGES


@dataclass(frozen=True, slots=True)
class Refused:
    """An error, as the ``errorType`` and ``error`` of Prometheus."""

    kind: str
    message: str

    def __str__(self) -> str:
        return f"refused: {self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class Found:
    """A value: series in the order of the answer, each with points of (Unix milliseconds, value)."""

    kind: str
    """``scalar``, ``string``, ``vector`` or ``matrix``."""
    series: tuple[tuple[Key, tuple[Point, ...]], ...]
    text: str = ""

    def __str__(self) -> str:
        rows = [f"{self.kind} of {len(self.series)} series {self.text}".rstrip()]
        for key, points in self.series[:12]:
            shown = " ".join(f"{value!r}@{time / 1000 - EPOCH:+g}" for time, value in points[:8])
            labels = ",".join(f"{name}={value!r}" for name, value in key)
            rows.append(f"  {{{labels}}} {len(points)}: {shown}{' ...' if len(points) > 8 else ''}")
        return "\n".join(rows + (["  ..."] if len(self.series) > 12 else []))


Reply = Refused | Found


def ask_prometheus(client: httpx.Client, expression: str, when: When) -> Reply:
    """What a real Prometheus says."""
    question = {"query": expression}
    if when.step is None:
        answer = client.get("/api/v1/query", params=question | {"time": f"{EPOCH + when.end:.3f}"})
    else:
        answer = client.get("/api/v1/query_range", params=question | {
            "start": f"{EPOCH + when.start:.3f}", "end": f"{EPOCH + when.end:.3f}", "step": str(when.step)})
    body = answer.json()
    if body["status"] != "success":
        return Refused(body["errorType"], body["error"])
    kind, result = body["data"]["resultType"], body["data"]["result"]
    if kind == "string":
        return Found(kind, (), result[1])
    if kind == "scalar":
        return Found(kind, (((), _points([result])),))
    return Found(kind, tuple((_key(item["metric"]), _points(item["values"] if "values" in item else [item["value"]]))
                             for item in result))


def ask_lab(engine: Engine, expression: str, when: When) -> Reply:
    """What the lab says."""
    try:
        if when.step is None:
            value = engine.instant(expression, EPOCH + when.end).value
        else:
            value = engine.range(expression, EPOCH + when.start, EPOCH + when.end, when.step).value
    except QueryError as error:
        return Refused(error.kind, error.message)
    if isinstance(value, Text):
        return Found("string", (), value.value)
    if isinstance(value, Scalar):
        return Found("scalar", (((), ((_milliseconds(value.at), value.value),)),))
    if isinstance(value, Vector):
        at = _milliseconds(value.at)
        return Found("vector", tuple((_key(labels), ((at, float(v)),)) for labels, v in value.samples))
    assert isinstance(value, Matrix)
    return Found("matrix", tuple(
        (_key(labels), tuple((_milliseconds(t), float(v)) for t, v in zip(times, values, strict=True)))
        for labels, times, values in value.series))


def difference(expected: Reply, got: Reply, *, ordered: bool = False, worded: bool = True,
               relative: float = RELATIVE, absolute: float = 0.0) -> str | None:
    """How two answers differ in one line, or None.

    ``ordered``: the order of the series counts too. ``worded``: so does the message of an error of evaluation; how a
    parser words what it cannot read is its own business.
    """
    if isinstance(expected, Refused) or isinstance(got, Refused):
        if not (isinstance(expected, Refused) and isinstance(got, Refused)):
            return "only one of them refuses"
        if expected.kind != got.kind:
            return "other kind of error"
        heard = expected.kind == "bad_data" or expected.message == got.message or not worded
        return None if heard else "other message"
    if (expected.kind, expected.text) != (got.kind, got.text):
        return "other type of value"
    theirs, ours = dict(expected.series), dict(got.series)
    if len(theirs) != len(expected.series) or len(ours) != len(got.series):
        return "one labelset stands twice"
    if theirs.keys() != ours.keys():
        return f"missing {sorted(theirs.keys() - ours.keys())[:3]}, too many {sorted(ours.keys() - theirs.keys())[:3]}"
    for key, points in theirs.items():
        if [t for t, _ in points] != [t for t, _ in ours[key]]:
            return f"other times in {key}"
        for (time, wanted), (_, value) in zip(points, ours[key], strict=True):
            if not same(wanted, value, relative, absolute):
                return f"{value!r} instead of {wanted!r} at {time / 1000 - EPOCH:+g} s in {key}"
    if ordered and [k for k, _ in expected.series] != [k for k, _ in got.series]:
        return "other order"
    return None


def same(one: float, other: float, relative: float = RELATIVE, absolute: float = 0.0) -> bool:
    """Equal to ``relative``; NaN equals NaN."""
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=relative, abs_tol=absolute)


def store_of(columns: Iterable[Column]) -> Store:
    """The lab's store with ``columns``."""
    store = Store()
    for column in columns:
        if len(column.times_ms):
            store.append(column.labels, column.times_ms, column.values)
    return store


def report(expression: str, when: When, expected: Reply, got: Reply, what: str) -> str:
    """Everything about a difference."""
    return f"{what}\n{expression}\n{when}\n--- Prometheus: {expected}\n--- the lab: {got}"


def _key(labels: Mapping[str, str]) -> Key:
    return tuple(sorted(labels.items()))


def _points(pairs: Iterable[tuple[float, str]]) -> tuple[Point, ...]:
    return tuple((_milliseconds(time), float(value)) for time, value in pairs)


def _milliseconds(seconds: float) -> int:
    return round(float(seconds) * 1000)
