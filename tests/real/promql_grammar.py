"""Expressions made by hypothesis over the samples of :mod:`tests.real.promql_samples`.

Numbers are *exact* (whole or short binary fractions, the same in whatever order they were added) or *rough* (quotients,
roots, rates). What jumps (comparisons, rounding, remainders) is asked of exact numbers only: of rough ones, two right
evaluators may say different things because they differ in the last bit.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.real.promql_answers import When
from tests.real.promql_samples import EPOCH

_METRICS = ("temperature", "level", "capacity", "left", "right", "requests_total", "errors_total", "alive", "gappy",
            "vanishing", "sparse", "young_total", "sawtooth_total", "latency_seconds_bucket", "memory_bytes", "owner",
            "build_info", "deploy_info", "early", "nothing", "single", "pair",
            'odd{kind=~"nan|inf|minus_inf|mixed|zero|sometimes_nan"}', '{__name__=~"left|right"}')
_MATCHERS = ('{job="api"}', '{job!="api"}', '{instance=~"a|b"}', '{instance!~"a|b"}', '{code=~"5..|2.."}',
             '{job=~".*",instance!=""}', '{room=~".+a.+"}', '{id!="2"}', '{how=~"f.*|r.*"}', '{le="+Inf"}',
             '{n=~"[1-4]"}')
_LABELS = ("job", "instance", "code", "room", "kind", "id", "group", "le", "n", "parity", "version", "missing")
_SPANS = ("15s", "1m", "2m30s", "5m", "17m", "1h")
_SHIFTS = ("", "", "", " offset 1m", " offset 20m", " offset -90s", f" @ {EPOCH - 600:.0f}", " @ start()", " @ end()",
           f" @ {EPOCH - 1801.5} offset 3m")
_SUBQUERIES = ("[5m:1m]", "[10m:97s]", "[1m:15s]", "[20m:5m]", "[3m:]")
_EXACT_RANGES = ("count_over_time", "min_over_time", "max_over_time", "sum_over_time", "last_over_time",
                 "present_over_time", "changes", "resets", "absent_over_time", "idelta")
_ROUGH_RANGES = ("rate", "increase", "irate", "delta", "deriv", "avg_over_time", "stddev_over_time", "stdvar_over_time")
_EXACT_AGGREGATIONS = ("sum", "min", "max", "count", "group")
_ROUGH_AGGREGATIONS = ("avg", "stddev", "stdvar")
_JUMPS = ("floor", "ceil", "round", "sgn")
_TIMES = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
_SMOOTH = ("abs", "exp", "ln", "log2", "log10", "sqrt", "atan", "tanh", "deg")
_HISTOGRAMS = ("latency_seconds_bucket", "rate(latency_seconds_bucket[5m])", "broken_bucket",
               "sum by (le, job) (increase(latency_seconds_bucket[10m]))")
_COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """An expression of any type that a query may have."""
    return draw(st.one_of(vectors(3), vectors(2), vectors(2), scalars(2)))


def moments() -> st.SearchStrategy[When]:
    """At one time or at up to 60, between two hours before the last sample and ten minutes after it."""
    ends = st.integers(-14_400, 1_200).map(lambda halves: halves / 2)
    return st.one_of(
        ends.map(When),
        st.builds(lambda end, step, points: When(end, end - points * step, step), ends,
                  st.sampled_from((15.0, 60.0, 47.0, 300.0)), st.integers(0, 60)))


@st.composite
def numbers(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(("0", "1", "2", "-1", "0.5", "21.5", "100", "-0.25", "NaN", "Inf", "-Inf", "7")))


@st.composite
def scalars(draw: st.DrawFn, depth: int) -> str:
    """Exact numbers."""
    if depth <= 0:
        return draw(numbers())
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return f"scalar({draw(vectors(depth - 1, exact=True))})"
    if kind == 1:
        return f"({draw(scalars(depth - 1))} {draw(st.sampled_from('+-*'))} {draw(scalars(depth - 1))})"
    if kind == 2:
        return f"({draw(scalars(depth - 1))} {draw(st.sampled_from(_COMPARISONS))} bool {draw(scalars(depth - 1))})"
    if kind == 3:
        return "time()"
    return draw(numbers())


@st.composite
def selectors(draw: st.DrawFn) -> str:
    metric = draw(st.sampled_from(_METRICS))
    return metric if "{" in metric else metric + draw(st.one_of(st.just(""), st.sampled_from(_MATCHERS)))


@st.composite
def ranges(draw: st.DrawFn, depth: int, exact: bool) -> str:
    if depth > 0 and draw(st.integers(0, 2)) == 0:
        what, span = f"({draw(vectors(depth - 1, exact=exact))})", draw(st.sampled_from(_SUBQUERIES))
    else:
        what, span = draw(selectors()), f"[{draw(st.sampled_from(_SPANS))}]"
    return what + span + draw(st.sampled_from(_SHIFTS))


def grouped(word: str) -> st.SearchStrategy[str]:
    """``word`` with some labels in brackets."""
    return st.lists(st.sampled_from(_LABELS), max_size=3, unique=True).map(lambda found: f"{word} ({', '.join(found)})")


@st.composite
def matchings(draw: st.DrawFn, *, one_to_one: bool = False) -> str:
    how = draw(st.one_of(st.just(""), grouped("on"), grouped("ignoring")))
    if not how or one_to_one:
        return how
    return how + draw(st.one_of(st.just(""), st.just(""), grouped(" group_left"), grouped(" group_right")))


@st.composite
def vectors(draw: st.DrawFn, depth: int, exact: bool = False) -> str:
    """An expression whose value is an instant vector."""
    if depth <= 0:
        return draw(selectors()) + draw(st.sampled_from(_SHIFTS))
    whole = vectors(depth - 1, exact=True)
    inner = vectors(depth - 1, exact=exact)
    by = draw(st.one_of(st.just(""), grouped("by"), grouped("without")))
    kind = draw(st.integers(0, 13 if exact else 21))
    if kind == 0:
        return f"vector({draw(scalars(depth - 1))})"
    if kind in (1, 2):
        return f"{draw(st.sampled_from(_EXACT_RANGES))}({draw(ranges(depth - 1, True))})"
    if kind in (3, 4):
        return f"{draw(st.sampled_from(_EXACT_AGGREGATIONS))} {by} ({draw(whole)})"
    if kind == 5:
        operator, matching = draw(st.sampled_from("+-*")), draw(matchings())
        return f"({draw(whole)} {operator} {matching} {draw(whole)})"
    if kind == 6:
        operator, word = draw(st.sampled_from(_COMPARISONS)), draw(st.sampled_from(("", "bool")))
        return f"({draw(whole)} {operator} {word} {draw(matchings())} {draw(whole)})"
    if kind == 7:
        sides = [draw(whole), draw(scalars(depth - 1))]
        if draw(st.booleans()):
            sides.reverse()
        operator = draw(st.sampled_from(("+", "-", "*", "%", *_COMPARISONS, *(f"{c} bool" for c in _COMPARISONS))))
        return f"({sides[0]} {operator} {sides[1]})"
    if kind in (8, 9):
        operator, matching = draw(st.sampled_from(("and", "or", "unless"))), draw(matchings(one_to_one=True))
        return f"({draw(inner)} {operator} {matching} {draw(inner)})"
    if kind == 10:
        return draw(st.sampled_from((
            f"{draw(st.sampled_from(_JUMPS))}({draw(whole)})", f"round({draw(whole)}, {draw(numbers())})",
            f"clamp({draw(whole)}, {draw(numbers())}, {draw(scalars(depth - 1))})",
            f"clamp_min({draw(whole)}, {draw(numbers())})",
            f"{draw(st.sampled_from(_TIMES))}(timestamp({draw(selectors())}))",
            f"{draw(st.sampled_from(('topk', 'bottomk')))} {by} ({draw(st.integers(0, 4))}, memory_bytes)")))
    if kind == 11:
        name, target = draw(st.sampled_from(_LABELS)), draw(st.sampled_from(_LABELS))
        template = draw(st.sampled_from(("$1", "x-$1", "", "const", "${1}$1")))
        if draw(st.integers(0, 3)) == 0:
            return f'label_join({draw(inner)}, "{target}", "-", "{name}", "job", "{target}")'
        return f'label_replace({draw(inner)}, "{target}", "{template}", "{name}", "(.*)")'
    if kind == 12:
        one = draw(st.sampled_from((f"timestamp({draw(selectors())})", f"absent({draw(whole)})", f"-{draw(inner)}")))
        return f"({one})"
    if kind == 13:
        return f'count_values {by} ("value", {draw(whole)})'
    if kind in (14, 15):
        return f"{draw(st.sampled_from(_ROUGH_RANGES))}({draw(ranges(depth - 1, True))})"
    if kind == 16:
        return f"{draw(st.sampled_from(_ROUGH_AGGREGATIONS))} {by} ({draw(whole)})"
    if kind == 17:
        return f"quantile {by} ({draw(st.sampled_from(('0', '0.5', '0.9', '1', '2', 'NaN')))}, {draw(whole)})"
    if kind == 18:
        return f"{draw(st.sampled_from(_SMOOTH))}({draw(whole)})"
    if kind == 19:
        operator, matching = draw(st.sampled_from(("/", "^", "atan2"))), draw(matchings())
        return f"({draw(whole)} {operator} {matching} {draw(whole)})"
    if kind == 20:
        q, histogram = draw(st.sampled_from(("0.5", "0.99", "0", "1"))), draw(st.sampled_from(_HISTOGRAMS))
        return f"histogram_quantile({q}, {histogram})"
    return f"quantile_over_time({draw(st.sampled_from(('0.1', '0.5', '1')))}, {draw(ranges(depth - 1, True))})"
