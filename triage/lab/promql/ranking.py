"""Order statistics: quantiles, the largest and smallest of a group, and how often each value occurs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.context import Notes, Semantics
from triage.lab.promql.errors import failed
from triage.lab.promql.matching import LabelSet, replaced
from triage.lab.promql.store import Values
from triage.lab.promql.values import Mask, Rows
from triage.lab.wire.numbers import plain_text, template_text

_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_INT64 = 2.0**63


def warn_of_quantiles(q: Values, notes: Notes) -> None:
    """Annotate the answer where ``q`` is outside 0 to 1."""
    outside = q[~((q >= 0) & (q <= 1))]
    # numpy imports its masked arrays with the first unique(), which costs a twelfth of a second.
    for wrong in np.unique(outside) if len(outside) else ():
        notes.warn(f"quantile value should be between 0 and 1, got {template_text(float(wrong))}")


def quantile(q: Values, values: Values, present: Mask) -> Values:
    """The q-quantile of each column (Prometheus promql/quantile.go, quantile): NaN counts as the smallest value.

    ``q``: one for each column; -Inf below 0, +Inf above 1. NaN where no sample is present.
    """
    ranked = np.sort(np.where(present, values, np.nan), axis=0)
    count = present.sum(axis=0)
    # numpy sorts NaN to the end, together with what is not present; in Prometheus' order they come first.
    unknown = (present & np.isnan(values)).sum(axis=0)
    rank = np.clip(q, 0, 1) * (count - 1)
    below = np.clip(np.floor(rank), 0, None)
    weight = rank - np.floor(rank)

    def at(index: Values) -> Values:
        place = np.nan_to_num(index - unknown).astype(np.intp)
        picked = np.take_along_axis(ranked, np.clip(place, 0, len(ranked) - 1)[None, :], axis=0)[0]
        return np.where(place < 0, np.nan, picked)

    found = at(below) * (1 - weight) + at(np.minimum(count - 1, below + 1)) * weight
    found = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, found))
    return np.where((count == 0) | np.isnan(q), np.nan, found)


def ranks(values: Values, present: Mask, *, largest: bool) -> NDArray[np.intp]:
    """Place of each sample in its column, from 0: the largest (or smallest) first, then NaN, then what is missing.

    Equals keep the order of the rows; Prometheus leaves it open.
    """
    ascending = -values if largest else values
    order = np.lexsort((ascending, np.isnan(values), ~present), axis=0)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.broadcast_to(np.arange(len(values))[:, None], order.shape), axis=0)
    return places


def arrivals(present: Mask) -> NDArray[np.intp]:
    """Place of each sample among those that are present in its column, from 0, in the order of the rows."""
    places: NDArray[np.intp] = present.cumsum(axis=0, dtype=np.intp) - 1
    return places


def ratio(parameter: Values, notes: Notes) -> Values:
    """The parameter of ``limit_ratio``, -1 to 1. Raises QueryError for NaN; what is beyond is noted."""
    if np.isnan(parameter).any():
        raise failed("Ratio value is NaN")
    for wrong, most in ((float(parameter.max()), 1), (float(parameter.min()), -1)):
        if abs(wrong) > 1 and wrong * most > 0:
            notes.warn(f"ratio value should be between -1 and 1, got {template_text(wrong)}, capping to {most}")
    return np.clip(parameter, -1, 1)


def sampled(keys: Sequence[LabelSet], share: Values) -> Mask:
    """Which series are in a sample of this ``share`` (T,): (S, T). A negative share is the rest beside 1 + share.

    A series' place depends on its labels and on nothing else. Prometheus hashes them too (promql/engine.go,
    HashRatioSampler) and promises no particular series, so neither does this.
    """
    digests = [blake2b("\xff".join(map("\xff".join, key)).encode(), digest_size=8).digest() for key in keys]
    places = np.array([int.from_bytes(digest) >> 11 for digest in digests], dtype=np.float64)[:, None] / 2.0**53
    return np.where(share >= 0, places < share, places >= 1 + share)


def limit(parameter: Values, semantics: Semantics) -> Values:
    """How many series each step may have, from the parameter of ``topk`` or ``limitk``.

    Raises QueryError when it is no integer.
    """
    wrong = ~((parameter <= _INT64) & (parameter >= -_INT64))
    if wrong.any():
        first = float(parameter[wrong][0])
        if math.isnan(first) and semantics is Semantics.V3:
            raise failed("Parameter value is NaN")
        way = "underflows" if first < 0 and semantics is Semantics.V3 else "overflows"
        raise failed(f"Scalar value {template_text(first)} {way} int64")
    return np.trunc(parameter)


def is_label_name(name: str, semantics: Semantics) -> bool:
    """Prometheus 3 takes any text for a label's name, Prometheus 2 only letters, digits and ``_``."""
    return bool(name) if semantics is Semantics.V3 else _CLASSIC_NAME.fullmatch(name) is not None


def count_values(rows: Rows, group: Callable[[LabelSet], LabelSet], label: str) -> Rows:
    """How many series of each group have which value; the value becomes a label before the groups are made."""
    steps = rows.values.shape[1]
    counts: dict[LabelSet, Values] = {}
    for key, row, present in zip(rows.keys, rows.values, rows.present, strict=True):
        # By their bits, since 0 and -0 are written differently.
        known, which = np.unique(row[present].view(np.int64), return_inverse=True)
        for number, value in enumerate(known.view(np.float64).tolist()):
            own = group(replaced(key, label, plain_text(value)))
            if own not in counts:
                counts[own] = np.zeros(steps)
            counts[own][np.flatnonzero(present)[which == number]] += 1
    if not counts:
        return Rows.empty(steps)
    values = np.stack(list(counts.values()))
    return Rows.known(list(counts), values, values > 0)
