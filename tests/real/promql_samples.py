"""The samples that both evaluators get: every kind of trouble a series can be in, and the worlds of the stage.

All times are relative to a fixed epoch, so that ranges end exactly on samples and dates have known parts. Values are
whole numbers or short binary fractions wherever nothing else is wanted: then sums are exact in any order, and what
differs between two evaluators differs in meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.real import worlds
from tests.real.history import Grid
from tests.real.remote_write import STALE, Column
from tests.real.truth import DAY, HOUR, MINUTE, Line, gauge

EPOCH = 1_700_000_040.0
"""14 November 2023, 22:14:00 UTC: a whole minute, and long past on every machine."""
SPAN = 4 * HOUR
"""How far back the samples of the table go."""
STEP = 15.0
PAST = Grid(30 * DAY + HOUR, ((DAY, 1800.0), (HOUR, 120.0), (0.0, 30.0)))
"""When the worlds were scraped: coarse, because their questions reach back a month."""

Array = NDArray[np.float64]
_INF, _NAN = float("inf"), float("nan")


def columns() -> list[Column]:
    """Every series."""
    return [*_counters(), *_gauges(), *_gaps(), *_histograms(), *_broken_histograms(), *_joins(), *_dates(), *_worlds()]


def grid(start: float = -SPAN, end: float = 0.0, step: float = STEP, offset: float = 0.0, jitter_ms: int = 0) -> Array:
    """Times from ``start`` to ``end`` seconds, both inclusive where ``step`` fits, late by up to ``jitter_ms``."""
    times = np.arange(start, end + 1e-9, step) + offset
    if jitter_ms:
        late = np.random.default_rng(len(times)).integers(0, jitter_ms, len(times))
        times = times + late / 1000
    return times


def column(name: str, labels: Mapping[str, str], times: Array,
           values: NDArray[np.floating[Any]] | Sequence[float] | float) -> Column:
    """A series; ``times`` in seconds from the epoch."""
    stamps = np.round((times + EPOCH) * 1000).astype(np.int64)
    each = np.broadcast_to(np.asarray(values, np.float64), len(times)).copy()
    return Column({"__name__": name, **labels}, stamps, each)


def counted(times: Array, mean: float, seed: int, *, resets: Sequence[float] = (), base: float = 0.0) -> Array:
    """A counter of whole events that falls to a small number at each of ``resets``."""
    steps = np.random.default_rng(seed).poisson(mean, len(times)).astype(np.float64)
    total = base + np.cumsum(steps)
    for reset in resets:
        later = times >= reset
        if later.any():
            total[later] -= total[later][0] - steps[later][0]
    return total


def _counters() -> Iterator[Column]:
    instances = {("api", "a"): grid(), ("api", "b"): grid(offset=3.217, end=-4.0, jitter_ms=40),
                 ("web", "c"): grid(offset=7.5, end=-8.0), ("web", "d"): grid(step=60.0)}
    resets = {"b": (-50 * MINUTE, -20 * MINUTE), "c": (-2 * HOUR,)}
    means = {"200": 30.0, "404": 3.0, "500": 0.4}
    seed = 0
    for (job, instance), times in instances.items():
        labels = {"job": job, "instance": instance}
        for code, mean in means.items():
            seed += 1
            if (instance, code) != ("d", "404"):
                values = counted(times, mean, seed, resets=resets.get(instance, ()), base=1000.0 * seed)
                yield column("requests_total", {**labels, "code": code}, times, values)
        yield column("started_total", labels, times, counted(times, 0.01, seed, base=1.0))
    for job, instance in (("api", "a"), ("api", "b"), ("web", "c"), ("web", "e")):
        times = grid(offset=1.0, end=-2.0)
        yield column("errors_total", {"job": job, "instance": instance}, times, counted(times, 0.7, ord(instance)))
    # Just born: where extrapolation would go below zero.
    young = grid(start=-9 * MINUTE)
    yield column("young_total", {"from": "zero"}, young, np.arange(len(young), dtype=np.float64))
    yield column("young_total", {"from": "few"}, young, 5.0 + 3 * np.arange(len(young)))
    yield column("young_total", {"from": "many"}, young, 1e6 + np.arange(len(young)))
    yield column("big_total", {}, grid(), 9e15 + 2 * np.arange(len(grid())))
    yield column("flat_total", {}, grid(), 7.0)
    yield column("sawtooth_total", {}, grid(), np.arange(len(grid())) % 7 * 5.0)
    yield column("sawtooth_total", {"to": "above"}, grid(), np.arange(len(grid())) % 5 * 4.0 + 100)


def _gauges() -> Iterator[Column]:
    times = grid()
    turn = np.arange(len(times))
    for room, values in {"attic": 25 + turn % 41 / 4, "cellar": -8 + turn % 23 / 8, "lab": 20 + (turn % 97 - 48) / 2,
                         "hall": np.full(len(times), 21.5)}.items():
        yield column("temperature", {"room": room, "floor": "1" if room in ("lab", "hall") else "0"}, times, values)
    for instance, base in (("a", 4096.0), ("b", 65536.0), ("c", 1024.0)):
        for kind, factor in (("heap", 1), ("stack", 3)):
            walk = np.cumsum(np.random.default_rng(ord(instance) * factor).integers(-64, 65, len(times)))
            yield column("memory_bytes", {"job": "web" if instance == "c" else "api", "instance": instance,
                                          "kind": kind}, times, base * factor + 8 * walk)
    yield column("disk_free", {"disk": "full"}, times, 90_000.0 - 7 * turn)
    yield column("disk_free", {"disk": "noisy"}, times, 50_000.0 - 3 * turn + 100 * (turn % 5))
    for n, level in enumerate((1.0, 2.0, 2.0, 3.0, 3.0, 3.0, -1.0, 0.5), start=1):
        yield column("level", {"n": str(n), "parity": "odd" if n % 2 else "even"}, times, level)
    yield column("alive", {"instance": "a"}, times, (turn // 9 % 3 != 1).astype(np.float64))
    yield column("alive", {"instance": "b"}, times, 1.0)
    yield column("job:requests:rate5m", {"job": "api"}, times, 2.25 + turn % 3)
    yield column("job:requests:rate5m", {"job": "web"}, times, 1.125)
    for quantile, value in (("0.5", 0.125), ("0.9", 0.5), ("0.99", 2.0)):
        yield column("rpc_seconds", {"quantile": quantile}, times, value + turn % 4 / 16)
    odd = {"nan": [_NAN], "sometimes_nan": [1.0, _NAN, 2.0, 3.0], "inf": [_INF], "minus_inf": [-_INF],
           "mixed": [1.0, _INF, -_INF, _NAN, 0.0, -0.0], "zero": [0.0], "negative_zero": [-0.0], "huge": [1.5e308],
           "tiny": [2.5e-308], "inf_then_finite": [_INF] * 30 + [4.0] * 30, "nan_first": [_NAN] + [2.0] * 40}
    for kind, cycle in odd.items():
        yield column("odd", {"kind": kind}, times, np.resize(np.array(cycle), len(times)))
    yield column("strange", {"text": "ünï ☃", "quote": '"', "backslash": "a\\b", "newline": "a\nb"}, times, 1.0)
    yield column("strange", {"text": "{}", "quote": "'", "backslash": "\\d+", "newline": "ab"}, times, 2.0)
    yield column("strange", {"dots": "a.b.c", "number": "007"}, times, 3.0)


def _gaps() -> Iterator[Column]:
    times = grid()
    for minutes in (4, 5, 6, 20):
        # A sample at -60 min, then none until the gap has passed.
        gap = (times > -HOUR) & (times < -HOUR + minutes * MINUTE)
        yield column("gappy", {"gap": f"{minutes}m"}, times[~gap], np.arange(len(times), dtype=np.float64)[~gap])
    for seconds in (299, 300, 301):
        sparse = grid(step=float(seconds))
        yield column("sparse", {"every": f"{seconds}s"}, sparse, np.arange(len(sparse), dtype=np.float64))
    yield column("single", {}, np.array([-2 * MINUTE]), 42.0)
    yield column("pair", {}, np.array([-2 * MINUTE, -MINUTE]), [10.0, 13.0])
    yield column("pair", {"falls": "yes"}, np.array([-2 * MINUTE, -MINUTE]), [10.0, 4.0])
    yield column("pair", {"close": "yes"}, np.array([-MINUTE, -MINUTE + 0.001]), [10.0, 20.0])
    yield column("late", {}, grid(start=-3 * MINUTE), 3.0)
    early = grid(end=-7 * MINUTE)
    yield column("early", {}, early, np.arange(len(early), dtype=np.float64))
    for how, gone in {"marked": (-30 * MINUTE,), "returns": (-90 * MINUTE, -30 * MINUTE), "just": (0.0,),
                      "twice": (-40 * MINUTE, -40 * MINUTE + STEP)}.items():
        values = np.arange(len(times), dtype=np.float64)
        for moment in gone:
            values[times == moment] = STALE
        keep = times <= gone[-1] if how in ("marked", "just") else np.ones(len(times), bool)
        yield column("vanishing", {"how": how}, times[keep], values[keep])
    flapping = np.arange(len(times), dtype=np.float64)
    flapping[::3] = STALE
    yield column("vanishing", {"how": "flaps"}, times, flapping)
    yield column("vanishing", {"how": "silence"}, times[times <= -30 * MINUTE], 1.0)
    yield column("ghost", {}, times[-40:], STALE)


def _histograms() -> Iterator[Column]:
    bounds = ("0.125", "0.25", "0.5", "1", "2.5", "+Inf")
    for job, instance, seed in (("api", "a", 1), ("api", "b", 2), ("web", "c", 3)):
        times = grid(offset=0.5, end=-1.0)
        within = np.zeros(len(times))
        for index, bound in enumerate(bounds):
            resets = (-HOUR,) if instance == "b" else ()
            within = within + counted(times, 4.0 if index < 4 else 0.5, 100 * seed + index, resets=resets)
            yield column("latency_seconds_bucket", {"job": job, "instance": instance, "le": bound}, times, within)
        yield column("latency_seconds_count", {"job": job, "instance": instance}, times, within)
        yield column("latency_seconds_sum", {"job": job, "instance": instance}, times, within / 2)


BROKEN: Mapping[str, Mapping[str, float]] = {
    "no_inf": {"1": 10, "2": 20},
    "only_inf": {"+Inf": 5},
    "one_bound": {"1": 6, "+Inf": 10},
    "falling": {"1": 10, "2": 8, "4": 20, "8": 15, "+Inf": 22},
    "barely_falling": {"1": 10, "2": 10 - 1e-13, "4": 20, "+Inf": 20},
    "unreadable": {"1": 4, "abc": 100, "2": 8, "+Inf": 16},
    "empty": {"1": 0, "2": 0, "+Inf": 0},
    "nan": {"1": 4, "2": _NAN, "+Inf": 8},
    "all_nan": {"1": _NAN, "2": _NAN, "+Inf": _NAN},
    "negative": {"-2": 3, "-1": 5, "0": 9, "1": 12, "+Inf": 16},
    "negative_first": {"-4": 8, "+Inf": 16},
    "twice": {"1": 4, "1.0": 5, "2": 12, "+Inf": 16},
    "spelt": {"1e0": 4, "0x1p+1": 8, "+inf": 16},
    "infinity": {"1": 4, "Infinity": 16},
    "underscore": {"1": 4, "1_0": 8, "+Inf": 16},
    "spaced": {"1": 4, " 2": 8, "+Inf": 16},
    "nan_bound": {"1": 4, "NaN": 8, "+Inf": 16},
    "zero_bound": {"0": 4, "1": 8, "+Inf": 16},
    "all_above": {"1": 0, "2": 0, "+Inf": 8},
    "minus_inf": {"-Inf": 2, "1": 4, "+Inf": 8},
}
"""Histograms with something wrong, by flaw: observations at or under each bound, as it is spelt."""


def _broken_histograms() -> Iterator[Column]:
    times = grid(start=-30 * MINUTE)
    for flaw, buckets in BROKEN.items():
        for bound, within in buckets.items():
            yield column("broken_bucket", {"flaw": flaw, "le": bound}, times, within)
            yield column("broken_total_bucket", {"flaw": flaw, "le": bound}, times,
                         np.nan_to_num(within) * np.arange(len(times)))
    yield column("broken_bucket", {"flaw": "no_le"}, times, 7.0)
    yield column("broken_bucket", {"flaw": "mixed"}, times, 7.0)
    yield column("broken_bucket", {"flaw": "mixed", "le": "+Inf"}, times, 9.0)


def _joins() -> Iterator[Column]:
    times = grid()
    for instance, version in (("a", "v1"), ("b", "v2"), ("c", "v2"), ("d", "v1")):
        yield column("build_info", {"instance": instance, "version": version}, times, 1.0)
    moved = times <= -30 * MINUTE
    values = np.ones(int(moved.sum()))
    values[-1] = STALE
    yield column("deploy_info", {"instance": "a", "version": "v1"}, times[moved], values)
    yield column("deploy_info", {"instance": "a", "version": "v2"}, times[times >= -30 * MINUTE], 1.0)
    yield column("deploy_info", {"instance": "b", "version": "v1"}, times, 1.0)
    for job, rows in (("api", 400.0), ("web", 50.0), ("batch", 9.0)):
        yield column("capacity", {"job": job}, times, rows)
        yield column("owner", {"job": job, "team": "t" + job, "code": "owner"}, times, 1.0)
    for side in ("left", "right"):
        for number, group in enumerate(("x", "x", "y"), start=1):
            yield column(side, {"group": group, "id": str(number)}, times, number + (0.5 if side == "right" else 0.0))


def _dates() -> Iterator[Column]:
    known = {"epoch": 0.0, "before": -1.0, "leap_day": 1_709_208_000.0, "century": 4_107_542_399.0,
             "new_year": 1_704_067_199.5, "fraction": 1_700_000_040.75, "sunday": 1_700_352_000.0}
    for when, value in known.items():
        yield column("date_seconds", {"when": when}, grid(start=-HOUR), value)


def _worlds() -> Iterator[Column]:
    world = worlds.WORLDS["failing+known"]()
    times = PAST.times()
    for target in world.targets:
        scraped = {"job": target.job, "instance": target.instance}
        up = gauge("up", {}, lambda at, until=target.up_until: np.where(at <= until, 1.0, 0.0))  # type: ignore[misc]
        for line in (*target.lines, up):
            until = target.up_until if line is not up else _INF
            yield _line(line, scraped, times[times <= until])
    for line in world.recorded:
        yield _line(line, {}, times)


def _line(line: Line, more: Mapping[str, str], times: Array) -> Column:
    seen = times[(times >= line.begin) & (times <= line.end)]
    whole = replace(line, labels={**line.labels, **more})
    return column(line.name, whole.labels, seen, line.value(seen) + (EPOCH if line.unix_time else 0.0))
