"""One expression for many models: every selector takes all of their label values, every sum is kept apart by them.

The syntax tree is the ``promql-parser`` library's, which cannot write what was changed: that is done here. Whatever
cannot be shared for certain (``absent``, ``scalar``, ``on (...)``, a pattern that is no list of values) is refused, and
then each model is asked by itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import promql_parser as ast

from triage.notebook.selector import Matcher, quote, regex_quote
from triage.quantities import format_duration

MARK = "triage own value "
"""With a number behind it: stands in a matcher for the value that is each model's own."""
_MARKED = re.compile(rf"{MARK}(\d+)")
_PLAIN = re.compile(r"(?:[^\\.+*?()|\[\]{}^$]|\\[^a-zA-Z0-9])*")
_UNSHARED = frozenset({"absent", "absent_over_time", "scalar", "vector", "info"})
_SCALARS = frozenset({"time", "pi"})
_AGAIN = frozenset({"sum", "min", "max"})
"""What may be done once more on our side to parts of what the server did it to."""
_OPERATORS = ((ast.MatchOp.Equal, "="), (ast.MatchOp.NotEqual, "!="), (ast.MatchOp.Re, "=~"), (ast.MatchOp.NotRe, "!~"))


class NotShared(ValueError):
    """The expression cannot be asked for several models at once."""

    def __init__(self, column: int | None = None) -> None:
        """``column``: it could if this value were the same of all; None when nothing would help."""
        super().__init__()
        self.column = column


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a matcher that takes the values of all models."""

    label: str
    column: int
    """Which of a model's own values belongs there."""
    several: bool
    """Whether each model's own value is a list of alternatives (``=~``)."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One expression with the places of the models' values; its answer is told apart by ``labels``."""

    pieces: tuple[str | Slot, ...]
    labels: tuple[str, ...]
    combined_by: str = ""
    """How a model's samples become one: its value may be several labels' values. "" when they stay as they are."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The places, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Slot))

    def text(self, values: Sequence[Sequence[str]], everything: Collection[str] = ()) -> str:
        """PromQL for the models with these ``values`` (by column). Labels in ``everything`` are not listed."""
        return "".join(piece if isinstance(piece, str) else self._matcher(piece, values, everything)
                       for piece in self.pieces)

    def _matcher(self, slot: Slot, values: Sequence[Sequence[str]], everything: Collection[str]) -> str:
        wanted = sorted({value for own in values for value in alternatives(slot, own)})
        if slot.label in everything and "" not in wanted:
            return str(Matcher(slot.label, "!=", ""))
        if len(wanted) == 1 and not slot.several:
            return str(Matcher(slot.label, "=", wanted[0]))
        return str(Matcher(slot.label, "=~", "|".join(map(regex_quote, wanted))))

    def keys(self, own: Sequence[str]) -> list[tuple[str, ...]]:
        """The values of ``labels`` that are a model's, by its own values."""
        by_label = {slot.label: alternatives(slot, own) for slot in self.slots}
        return list(product(*(by_label[label] for label in self.labels)))


def alternatives(slot: Slot, own: Sequence[str]) -> tuple[str, ...]:
    """The label values that a model's own value stands for. Raises :class:`NotShared` for a pattern."""
    value = own[slot.column]
    if not slot.several:
        return (value,)
    parts = value.split("|")
    if any(_PLAIN.fullmatch(part) is None for part in parts):
        raise NotShared(slot.column)
    return tuple(re.sub(r"\\(.)", r"\1", part) for part in parts)


def branches(marked: str) -> tuple[Branch, ...]:
    """The branches of an expression in which the own values are written as ``MARK`` and their column.

    A chain of ``or`` whose sides are told apart by different labels is several branches: of each model the later ones
    count where the earlier say nothing. Raises :class:`NotShared`.
    """
    try:
        tree = ast.parse(marked)
    except ValueError:
        raise NotShared from None
    sides = _sides(tree)
    try:
        return (_branch(tree),)
    except NotShared:
        if len(sides) == 1:
            raise
    return tuple(_branch(side) for side in sides)


def _sides(node: ast.Expr) -> list[ast.Expr]:
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    if isinstance(node, ast.BinaryExpr) and str(node.op) == "or" and _plainly_matched(node):
        return [*_sides(node.lhs), *_sides(node.rhs)]
    return [node]


@dataclass(slots=True)
class _Written:
    pieces: list[str | Slot]
    own: frozenset[str] | None
    """Labels that tell the models apart; None for a number."""
    kept: frozenset[str] = frozenset()
    """Those of them that the expression of a single model gives, too."""


def _branch(tree: ast.Expr) -> Branch:
    while isinstance(tree, ast.ParenExpr):
        tree = tree.expr
    combined_by = ""
    if isinstance(tree, ast.AggregateExpr) and str(tree.op) in _AGAIN and _is_plain(tree.expr):
        combined_by = str(tree.op)
    written = _write(tree, combined_by=combined_by)
    if not written.own:
        raise NotShared
    slots = [piece for piece in written.pieces if isinstance(piece, Slot)]
    needed = any(slot.several and slot.label not in _by(tree) for slot in slots)
    return Branch(_joined(written.pieces), tuple(sorted(written.own)), combined_by if needed else "")


def _is_plain(node: ast.Expr) -> bool:
    """Whether every series counts by itself, so that it does not matter in how many groups they are."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    if isinstance(node, ast.Call):
        return all(_is_plain(arg) for arg in node.args)
    return isinstance(node, ast.VectorSelector | ast.MatrixSelector | ast.NumberLiteral)


def _by(node: ast.Expr) -> tuple[str, ...]:
    if isinstance(node, ast.AggregateExpr) and node.modifier is not None:
        return tuple(node.modifier.labels)
    return ()


def _write(node: ast.Expr, *, combined_by: str = "") -> _Written:
    match node:
        case ast.NumberLiteral():
            return _Written([_number(node.val)], None)
        case ast.StringLiteral():
            marked = _MARKED.search(node.val)
            if marked is not None:
                raise NotShared(int(marked[1]))
            return _Written([quote(node.val)], None)
        case ast.ParenExpr():
            inner = _write(node.expr)
            return _around("(", inner, ")")
        case ast.UnaryExpr():
            return _around("-", _write(node.expr), "")
        case ast.VectorSelector():
            return _selector(node)
        case ast.MatrixSelector():
            return _around("", _selector(node.vector_selector, f"[{_span(node.range)}]"), "")
        case ast.SubqueryExpr():
            if node.at is not None:
                raise NotShared
            return _around("", _write(node.expr), f"[{_span(node.range)}:{_span(node.step)}]{_offset(node.offset)}")
        case ast.AggregateExpr():
            return _aggregate(node, combined_by)
        case ast.Call():
            return _call(node)
        case ast.BinaryExpr():
            return _binary(node)
    raise NotShared


def _selector(node: ast.VectorSelector, span: str = "") -> _Written:
    if node.at is not None or node.matchers.or_matchers:
        raise NotShared
    pieces: list[str | Slot] = [node.name or "", "{"]
    own: set[str] = set()
    for number, matcher in enumerate(node.matchers.matchers):
        operator = next(text for member, text in _OPERATORS if member == matcher.op)
        pieces.append("," if number else "")
        marked = _MARKED.search(matcher.value)
        if marked is None:
            pieces.append(str(Matcher(matcher.name, operator, matcher.value)))
            continue
        column = int(marked[1])
        if operator not in ("=", "=~") or matcher.name in own or matcher.name == "__name__":
            raise NotShared(column)
        own.add(matcher.name)
        pieces.append(Slot(matcher.name, column, operator == "=~"))
    if not own:
        raise NotShared
    labels = frozenset(own)
    return _Written([*pieces, f"}}{span}{_offset(node.offset)}"], labels, labels)


def _aggregate(node: ast.AggregateExpr, combined_by: str) -> _Written:
    inner = _write(node.expr)
    if inner.own is None:
        raise NotShared
    listed = _by(node)
    without = node.modifier is not None and node.modifier.type == ast.AggModifierType.Without
    several = {piece.label: piece for piece in inner.pieces if isinstance(piece, Slot) and piece.several}
    lost = [slot for label, slot in several.items() if (label in listed) == without]
    if lost and not combined_by:
        raise NotShared(lost[0].column)
    if without and inner.own & set(listed):
        raise NotShared
    parameter: list[str | Slot] = []
    if node.param is not None:
        of = _write(node.param)
        if of.own is not None:
            raise NotShared
        parameter = [*of.pieces, ", "]
    if without:
        grouping, kept = f"without ({', '.join(listed)})", inner.kept
    else:
        grouping = f"by ({', '.join(dict.fromkeys((*listed, *sorted(inner.own))))})"
        kept = inner.kept & set(listed)
    if str(node.op) in ("topk", "bottomk"):
        kept = inner.kept
    return _Written([f"{node.op} {grouping} (", *parameter, *inner.pieces, ")"], inner.own, kept)


def _call(node: ast.Call) -> _Written:
    name = node.func.name
    if name in _UNSHARED:
        raise NotShared
    if name in _SCALARS and not node.args:
        return _Written([f"{name}()"], None)
    arguments = [_write(argument) for argument in node.args]
    vectors = [argument for argument in arguments if argument.own is not None]
    if len(vectors) != 1:
        raise NotShared
    if name in ("label_replace", "label_join") and _text(node.args[1]) in (vectors[0].own or ()):
        raise NotShared
    pieces: list[str | Slot] = [f"{name}("]
    for number, argument in enumerate(arguments):
        pieces += [", "] if number else []
        pieces += argument.pieces
    return _Written([*pieces, ")"], vectors[0].own, vectors[0].kept)


def _text(node: ast.Expr) -> str:
    return node.val if isinstance(node, ast.StringLiteral) else ""


def _binary(node: ast.BinaryExpr) -> _Written:
    left, right = _write(node.lhs), _write(node.rhs)
    if not _plainly_matched(node):
        raise NotShared
    if left.own is not None and right.own is not None and (left.own, left.kept) != (right.own, right.kept):
        raise NotShared
    bool_ = " bool" if node.modifier is not None and node.modifier.return_bool else ""
    vector = left if left.own is not None else right
    return _Written([*left.pieces, f" {node.op}{bool_} ", *right.pieces], vector.own, vector.kept)


def _plainly_matched(node: ast.BinaryExpr) -> bool:
    """Whether series are matched on all their labels, one to one."""
    modifier = node.modifier
    if modifier is None:
        return True
    fill = modifier.fill_values
    return (modifier.matching is None and not modifier.group_labels and fill.lhs is None and fill.rhs is None
            and modifier.card in (ast.VectorMatchCardinality.OneToOne, ast.VectorMatchCardinality.ManyToMany))


def _around(before: str, inner: _Written, after: str) -> _Written:
    return _Written([before, *inner.pieces, after], inner.own, inner.kept)


def _joined(pieces: Sequence[str | Slot]) -> tuple[str | Slot, ...]:
    out: list[str | Slot] = []
    for piece in pieces:
        if isinstance(piece, str) and out and isinstance(out[-1], str):
            out[-1] += piece
        elif piece != "":
            out.append(piece)
    return tuple(out)


def _number(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "Inf" if value > 0 else "-Inf"
    return repr(value)


def _span(span: timedelta | None) -> str:
    return "" if span is None else format_duration(span.total_seconds())


def _offset(offset: timedelta | None) -> str:
    if not offset:
        return ""
    seconds = offset.total_seconds()
    return f" offset {'-' if seconds < 0 else ''}{format_duration(abs(seconds))}"

