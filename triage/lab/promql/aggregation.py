"""Aggregation operators: many series into one per group, and the choice of some of each group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import promql_parser as ast
from numpy.typing import NDArray

from triage.lab.promql import ranking
from triage.lab.promql.arguments import numbers, text
from triage.lab.promql.context import Context, Semantics
from triage.lab.promql.errors import bad_query, failed
from triage.lab.promql.matching import METRIC_NAME, LabelSet, dropping, keeping, quoted
from triage.lab.promql.numerics import grouped_sum
from triage.lab.promql.store import Values
from triage.lab.promql.values import Rows, Value


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which labels make a group: these (``by``), or all but these and the name (``without``)."""

    labels: tuple[str, ...] = ()
    without: bool = False

    @classmethod
    def of(cls, node: ast.AggregateExpr) -> Grouping:
        if node.modifier is None:
            return cls()
        return cls(tuple(node.modifier.labels), node.modifier.type == ast.AggModifierType.Without)

    def key(self) -> Callable[[LabelSet], LabelSet]:
        """The labels of a series' group."""
        return dropping((*self.labels, METRIC_NAME)) if self.without else keeping(self.labels)


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows in order of their groups; groups in order of their first row."""

    keys: list[LabelSet]
    starts: NDArray[np.intp]
    """Where each group begins in ``values``."""
    of_row: NDArray[np.intp]
    order: NDArray[np.intp]
    """Which row of the vector each row of ``values`` is."""
    values: Values
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Rows, grouping: Grouping) -> Groups:
        key = grouping.key()
        places: dict[LabelSet, int] = {}
        numbers_of = np.array([places.setdefault(key(own), len(places)) for own in rows.keys], dtype=np.intp)
        order = np.argsort(numbers_of, kind="stable")
        of_row = numbers_of[order]
        starts = np.searchsorted(of_row, np.arange(len(places)))
        return cls(list(places), starts, of_row, order, rows.values[order], rows.present[order])

    def slices(self) -> list[tuple[LabelSet, slice]]:
        """Each group and its rows."""
        ends = [*self.starts[1:].tolist(), len(self.values)]
        return [(key, slice(a, b)) for key, a, b in zip(self.keys, self.starts.tolist(), ends, strict=True)]

    def counts(self) -> Values:
        """Samples by group and step."""
        return np.add.reduceat(self.present.astype(np.float64), self.starts, axis=0)


def aggregate(operator: str, rows: Rows, grouping: Grouping, parameter: Value | None, context: Context) -> Rows:
    """The value of ``operator by (...) (parameter, rows)``."""
    if operator not in _REDUCTIONS and operator not in _WITH_PARAMETER:
        raise bad_query(f'parse error: aggregation "{operator}" is not supported by the lab')
    if operator == "count_values" and parameter is not None:
        label = text(parameter)
        if not ranking.is_label_name(label, context.semantics):
            raise failed(f"invalid label name {quoted(label)}")
        if not grouping.without:
            grouping = Grouping((*grouping.labels, label))
        return ranking.count_values(rows, grouping.key(), label)
    if not rows.keys:
        return Rows.empty(len(context.steps_ms))
    groups = Groups.of(rows, grouping)
    if parameter is None:
        counts = groups.counts()
        return Rows.known(groups.keys, _REDUCTIONS[operator](groups, counts, context.semantics), counts > 0)
    if operator == "quantile":
        return _quantile(groups, numbers(parameter), context)
    if operator == "limit_ratio":
        keep = rows.present & ranking.sampled(rows.keys, ranking.ratio(numbers(parameter), context.notes))
        return Rows.known(rows.keys, np.where(keep, rows.values, np.nan), keep)
    ranks = [(part, ranking.arrivals(groups.present[part]) if operator == "limitk" else
              ranking.ranks(groups.values[part], groups.present[part], largest=operator == "topk"))
             for _, part in groups.slices()]
    return _chosen(rows, groups, ranks, ranking.limit(numbers(parameter), context.semantics))


def _quantile(groups: Groups, q: Values, context: Context) -> Rows:
    ranking.warn_of_quantiles(q, context.notes)
    found = [ranking.quantile(q, groups.values[part], groups.present[part]) for _, part in groups.slices()]
    return Rows.known(groups.keys, np.stack(found), groups.counts() > 0)


def _chosen(rows: Rows, groups: Groups, ranks: list[tuple[slice, NDArray[np.intp]]], most: Values) -> Rows:
    """The rows whose rank in their group is below ``most``; in order of rank when there is only one step."""
    keep = np.zeros(rows.present.shape, dtype=np.bool_)
    order: list[int] = []
    for part, rank in ranks:
        own = groups.order[part]
        keep[own] = (rank < most) & groups.present[part]
        order.extend(own[np.argsort(rank[:, 0], kind="stable")].tolist() if rank.shape[1] == 1 else own.tolist())
    chosen = Rows(rows.keys, np.where(keep, rows.values, np.nan), keep).in_order(order)
    return Rows.known(chosen.keys, chosen.values, chosen.present)


def _sum(groups: Groups, counts: Values, semantics: Semantics) -> Values:
    """Prometheus 2 adds one after the other, Prometheus 3 keeps what each addition loses."""
    values = np.where(groups.present, groups.values, 0.0)
    if semantics is Semantics.V2:
        return np.stack([np.cumsum(values[part], axis=0)[-1] for _, part in groups.slices()])
    return grouped_sum(values, groups.starts)


def _average(groups: Groups, counts: Values, semantics: Semantics) -> Values:
    values = np.where(groups.present, groups.values, 0.0)
    mean = grouped_sum(values, groups.starts) / counts
    if np.isfinite(mean).all():
        return mean
    # A sum of finite numbers can be too large for a float where their mean is not.
    shares = grouped_sum(values / np.maximum(counts, 1)[groups.of_row], groups.starts)
    largest = np.fmax.reduceat(np.abs(values), groups.starts, axis=0)
    return np.where(np.isfinite(largest) & ~np.isnan(mean), shares, mean)


def _variance(groups: Groups, counts: Values, semantics: Semantics) -> Values:
    """Of the population. One sample has none, not even an infinite one in Prometheus 2."""
    least, most = (limit.reduceat(groups.values, groups.starts, axis=0) for limit in (np.fmin, np.fmax))
    # The mean of equals may be rounded beyond them, and they would seem to vary.
    mean = np.clip(_average(groups, counts, semantics), least, most)
    away = groups.values - mean[groups.of_row]
    found = grouped_sum(np.where(groups.present, away * away, 0.0), groups.starts) / counts
    return np.where(counts == 1, 0.0, found) if semantics is Semantics.V2 else found


EXPERIMENTAL = frozenset({"limitk", "limit_ratio"})
"""What Prometheus 3 answers only with the feature ``promql-experimental-functions``."""
_WITH_PARAMETER = frozenset({"topk", "bottomk", "quantile", "count_values"}) | EXPERIMENTAL
_REDUCTIONS: dict[str, Callable[[Groups, Values, Semantics], Values]] = {
    "sum": _sum,
    "avg": _average,
    # NaN only where nothing else is: a sample that is not there is NaN too.
    "min": lambda groups, counts, semantics: np.fmin.reduceat(groups.values, groups.starts, axis=0),
    "max": lambda groups, counts, semantics: np.fmax.reduceat(groups.values, groups.starts, axis=0),
    "count": lambda groups, counts, semantics: counts,
    "group": lambda groups, counts, semantics: np.ones_like(counts),
    "stdvar": _variance,
    "stddev": lambda groups, counts, semantics: np.sqrt(_variance(groups, counts, semantics)),
}
