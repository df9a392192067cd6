"""Operators between two values: arithmetic, comparisons and sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import promql_parser as ast

from triage.lab.promql.context import Semantics
from triage.lab.promql.errors import bad_query
from triage.lab.promql.joining import join
from triage.lab.promql.matching import METRIC_NAME, LabelSet, dropping, keeping
from triage.lab.promql.store import Values
from triage.lab.promql.values import Mask, Numbers, Rows, Value

Operation = Callable[[Values, Values], Any]

ARITHMETIC: dict[str, Operation] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power, "atan2": np.arctan2,
}
"""``%`` takes the sign of its left side, as in Go; a division by zero is infinite or NaN."""
COMPARISONS: dict[str, Operation] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}


@dataclass(frozen=True, slots=True)
class Matching:
    """An operator and how the series of its two sides find each other."""

    operator: str
    boolean: bool = False
    """A comparison that answers 0 or 1 and does not filter."""
    on: bool = False
    """Whether ``labels`` are those that must agree (``on``), or those that need not (``ignoring``)."""
    labels: tuple[str, ...] = ()
    many: str = ""
    """Which side may have several series for one of the other: ``left``, ``right`` or neither."""
    include: tuple[str, ...] = ()
    """Labels that the many side takes over from the one side."""
    drops_name: bool = False
    """Whether the answer is no longer the metric that it was."""

    @classmethod
    def of(cls, node: ast.BinaryExpr, semantics: Semantics) -> Matching:
        """What the parser found. Raises QueryError for what the lab does not support."""
        operator, modifier = str(node.op), node.modifier
        # Prometheus 2 forgot one of its operators.
        drops_name = operator in ARITHMETIC and not (operator == "atan2" and semantics is Semantics.V2)
        if modifier is None:
            return cls(operator, drops_name=drops_name)
        fill = modifier.fill_values
        if fill.lhs is not None or fill.rhs is not None:
            raise bad_query("parse error: fill modifiers are not supported by the lab")
        many = ("left" if modifier.card == ast.VectorMatchCardinality.ManyToOne
                else "right" if modifier.card == ast.VectorMatchCardinality.OneToMany else "")
        labels = modifier.matching
        return cls(operator, modifier.return_bool,
                   labels is not None and labels.type == ast.LabelModifierType.Include,
                   tuple(labels.labels) if labels is not None else (),
                   many, tuple(modifier.group_labels or ()), drops_name or modifier.return_bool)

    def signature(self) -> Callable[[LabelSet], LabelSet]:
        """What must be equal of two series for them to match."""
        return keeping(self.labels) if self.on else dropping((*self.labels, METRIC_NAME))

    def apply(self, left: Values, right: Values) -> tuple[Values, Mask | None]:
        """(values, where a sample stays; None: everywhere). A comparison that filters gives the left side."""
        if self.operator in ARITHMETIC:
            return ARITHMETIC[self.operator](left, right), None
        kept = COMPARISONS[self.operator](left, right)
        if self.boolean:
            return kept.astype(np.float64), None
        return np.broadcast_to(left, kept.shape), kept


def combine(matching: Matching, left: Value, right: Value) -> Value:
    """The value of ``left operator right``."""
    if isinstance(left, Numbers) and isinstance(right, Numbers):
        return Numbers(matching.apply(left.values, right.values)[0])
    if isinstance(left, Rows) and isinstance(right, Numbers):
        values, kept = matching.apply(left.values, right.values[None, :])
        return _one_sided(matching, left, values, kept)
    if isinstance(left, Numbers) and isinstance(right, Rows):
        values, kept = matching.apply(left.values[None, :], right.values)
        return _one_sided(matching, right, right.values if kept is not None else values, kept)
    if not isinstance(left, Rows) or not isinstance(right, Rows):
        raise bad_query("parse error: binary expression must contain only scalar and instant vector types")
    if matching.operator == "and":
        return left.only(_shared(matching, left, right))
    if matching.operator == "unless":
        return left.only(~_shared(matching, left, right))
    if matching.operator == "or":
        return union([left, right], matching)
    return join(matching, left, right)


def _one_sided(matching: Matching, vector: Rows, values: Values, kept: Mask | None) -> Rows:
    found = vector.with_values(values) if kept is None else vector.only(kept)
    return found.unnamed() if matching.drops_name else found


def _shared(matching: Matching, left: Rows, right: Rows) -> Mask:
    """Where the other side has a sample with the same signature."""
    signature = matching.signature()
    there: dict[LabelSet, Mask] = {}
    for key, present in zip(right.keys, right.present, strict=True):
        own = signature(key)
        there[own] = there[own] | present if own in there else present
    nowhere = np.zeros(left.values.shape[1], dtype=np.bool_)
    shared = [there.get(signature(key), nowhere) for key in left.keys]
    return np.stack(shared) if shared else np.zeros(left.values.shape, dtype=np.bool_)


def union(operands: Sequence[Rows], matching: Matching) -> Rows:
    """``a or b or c``: each further operand adds what none before it has, step by step."""
    signature = matching.signature()
    taken: dict[LabelSet, Mask] = {}
    keys: list[LabelSet] = []
    values: list[Values] = []
    masks: list[Mask] = []
    for operand in operands:
        signatures = [signature(key) for key in operand.keys]
        added: list[tuple[LabelSet, Mask]] = []
        for own, key, row, present in zip(signatures, operand.keys, operand.values, operand.present, strict=True):
            before = taken.get(own)
            free = present if before is None else present & ~before
            if before is None or free.any():
                keys.append(key)
                values.append(row)
                masks.append(free)
                added.append((own, free))
        for own, free in added:
            taken[own] = taken[own] | free if own in taken else free
    if not keys:
        return Rows.empty(operands[0].values.shape[1])
    present = np.stack(masks)
    return Rows(keys, np.where(present, np.stack(values), np.nan), present).renamed(keys)
