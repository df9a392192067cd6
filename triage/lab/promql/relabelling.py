"""``label_replace`` and ``label_join``: new labels from old ones."""

from __future__ import annotations

import re
from collections.abc import Sequence

from triage.lab.promql.arguments import Argument, rows, text
from triage.lab.promql.context import Context
from triage.lab.promql.errors import failed
from triage.lab.promql.matching import LabelSet, replaced
from triage.lab.promql.ranking import is_label_name
from triage.lab.promql.regex import Match, compiled
from triage.lab.promql.values import Rows

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_NUMBER = re.compile(r"0|[1-9]\d*", re.ASCII)


def label_replace(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Where the regular expression matches all of the source label, set the target to the template's text."""
    vector = rows(arguments[0])
    target, template, source, pattern = (text(argument) for argument in arguments[1:])
    try:
        matcher = compiled(pattern, dot_all=context.dot_all)
    except ValueError:
        raise failed(f"invalid regular expression in label_replace(): {pattern}") from None
    _check_name(target, "destination", "label_replace", context)

    def changed(key: LabelSet) -> LabelSet:
        found = matcher.match(next((value for name, value in key if name == source), ""))
        return key if found is None else replaced(key, target, _expanded(template, found))

    return vector.renamed([changed(key) for key in vector.keys])


def _expanded(template: str, match: Match) -> str:
    """Go's ``regexp.Expand``: ``$1``, ``$name``, ``${name}`` and ``$$``; what the expression does not name is empty."""

    def variable(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name = found[2] or found[3]
        return match.group(int(name) if _NUMBER.fullmatch(name) else name)

    return _VARIABLE.sub(variable, template) if "$" in template else template


def label_join(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Set the target to the values of the source labels, with the separator between them."""
    vector = rows(arguments[0])
    target, separator, *sources = (text(argument) for argument in arguments[1:])
    for source in sources:
        _check_name(source, "source", "label_join", context)
    _check_name(target, "destination", "label_join", context)

    def joined(key: LabelSet) -> LabelSet:
        values = dict(key)
        return replaced(key, target, separator.join(values.get(source, "") for source in sources))

    return vector.renamed([joined(key) for key in vector.keys])


def _check_name(name: str, role: str, function: str, context: Context) -> None:
    if not is_label_name(name, context.semantics):
        raise failed(f"invalid {role} label name in {function}(): {name}")
