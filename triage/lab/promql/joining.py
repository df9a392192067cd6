"""Matching the series of two vectors one to one or many to one, with Prometheus' errors for what is ambiguous."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from triage.lab.promql.errors import failed
from triage.lab.promql.matching import METRIC_NAME, LabelSet, dropping, keeping, replaced, shown
from triage.lab.promql.values import Mask, Rows

if TYPE_CHECKING:
    from triage.lab.promql.binary import Matching

_NOT_ONE_TO_ONE = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
_NOT_UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"


def join(matching: Matching, left: Rows, right: Rows) -> Rows:
    """Arithmetic and comparisons between two vectors (Prometheus promql/engine.go, VectorBinop).

    A step at which either side is empty answers nothing and has no errors.
    """
    many, one = (right, left) if matching.many == "right" else (left, right)
    steps = left.values.shape[1]
    asked: Mask = np.any(left.present, axis=0) & np.any(right.present, axis=0)
    if not np.any(asked):
        return Rows.empty(steps)
    signature = matching.signature()
    partners: dict[LabelSet, list[int]] = {}
    for number, key in enumerate(one.keys):
        partners.setdefault(signature(key), []).append(number)
    for numbers in partners.values():
        if len(numbers) > 1:
            _refuse_duplicates(matching, one, numbers, asked)
    named = _naming(matching)
    keys: list[LabelSet] = []
    owners: list[LabelSet] = []
    many_rows: list[int] = []
    one_rows: list[int] = []
    for number, key in enumerate(many.keys):
        own = signature(key)
        for partner in partners.get(own, ()):
            keys.append(named(key, one.keys[partner]))
            owners.append(own)
            many_rows.append(number)
            one_rows.append(partner)
    if not keys:
        return Rows.empty(steps)
    many_values, one_values = many.values[many_rows], one.values[one_rows]
    left_values, right_values = (one_values, many_values) if matching.many == "right" else (many_values, one_values)
    values, kept = matching.apply(left_values, right_values)
    present = many.present[many_rows] & one.present[one_rows]
    if kept is not None:
        present &= kept
    _refuse_ambiguous(matching, keys, owners, present)
    found = Rows.known(keys, values, present)
    return found.renamed(found.keys)


def _refuse_duplicates(matching: Matching, one: Rows, numbers: list[int], asked: Mask) -> None:
    crowded = (one.present[numbers].sum(axis=0) > 1) & asked
    if not crowded.any():
        return
    step = int(np.argmax(crowded))
    first, second = [one.keys[number] for number in numbers if one.present[number, step]][:2]
    shared = (keeping(matching.labels) if matching.on else dropping((*matching.labels, METRIC_NAME)))(second)
    side = "left" if matching.many == "right" else "right"
    raise failed(f"found duplicate series for the match group {shown(shared)} on the {side} hand-side of the "
                 f"operation: [{shown(second)}, {shown(first)}];many-to-many matching not allowed: matching labels "
                 "must be unique on one side")


def _refuse_ambiguous(matching: Matching, keys: list[LabelSet], owners: list[LabelSet], present: Mask) -> None:
    """Two series of the many side that would answer under the same signature or the same labels."""
    places: dict[tuple[LabelSet, LabelSet], list[int]] = {}
    for number, (owner, key) in enumerate(zip(owners, keys, strict=True)):
        places.setdefault((owner, key if matching.many else ()), []).append(number)
    for numbers in places.values():
        if len(numbers) > 1 and np.any(present[numbers].sum(axis=0) > 1):
            raise failed(_NOT_UNIQUE if matching.many else _NOT_ONE_TO_ONE)


def _naming(matching: Matching) -> Callable[[LabelSet, LabelSet], LabelSet]:
    """The labels of an answer from those of its two sides (Prometheus promql/engine.go, resultMetric)."""
    drop_name = dropping((METRIC_NAME,))
    narrowed = keeping(matching.labels) if matching.on else dropping(matching.labels)

    def named(many: LabelSet, one: LabelSet) -> LabelSet:
        key = drop_name(many) if matching.drops_name else many
        if not matching.many:
            return narrowed(key)
        taken = dict(one)
        for label in matching.include:
            key = replaced(key, label, taken.get(label, ""))
        return drop_name(key) if matching.boolean else key
    return named
