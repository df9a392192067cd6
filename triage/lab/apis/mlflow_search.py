"""How MLflow searches: filter strings, orders and page tokens, with its wording where it refuses them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from triage.lab.promql.regex import compiled
from triage.lab.registry import RegistryError

Thing = TypeVar("Thing")

_CLAUSE = re.compile(r"""
    \s*(?P<key>[A-Za-z_]\w*)(?:\.(?P<part>`[^`]+`|"[^"]+"|[\w.-]+))?
    \s*(?P<comparator>!=|>=|<=|<>|==|[=<>]|\b(?:LIKE|ILIKE|IN)\b)
    \s*(?P<value>'[^']*'|"[^"]*"|\([^)]*\)|[^\s'"();]+)\s*""", re.VERBOSE | re.IGNORECASE)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_ORDER = re.compile(r"\s*(?P<key>[a-z_]+)(?:\s+(?P<direction>\w+))?\s*")
_TEXT_COMPARATORS = ("=", "!=", "LIKE", "ILIKE")
_NUMBER_COMPARATORS: Mapping[str, Callable[[int, int], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b}
_PROMPT_TAG = "mlflow.prompt.is_prompt"
"""MLflow's clients exclude prompts from every search for models; only for this tag does ``!=`` take what lacks it."""


def invalid(message: str) -> RegistryError:
    """A request that MLflow does not understand."""
    return RegistryError("INVALID_PARAMETER_VALUE", message)


@dataclass(frozen=True)
class Searchable(Generic[Thing]):
    """What can be asked of one kind of thing."""

    texts: Mapping[str, Callable[[Thing], str]]
    tags: Callable[[Thing], Mapping[str, str]]
    orders: Mapping[str, Callable[[Thing], Any]]
    """What it can be ordered by, under every name of it."""
    ties: Sequence[str]
    """Clauses that apply after those of the request, so that pages never overlap."""
    unasked: Sequence[str] = ()
    """Clauses for a request without any."""
    numbers: Mapping[str, Callable[[Thing], int]] = field(default_factory=dict)
    listed: Sequence[str] = ()
    """Texts that may be compared with a list."""

    def search(self, things: Sequence[Thing], filter_text: str, order_by: Sequence[str]) -> list[Thing]:
        """Those that pass the filter, in order. Raises :class:`RegistryError`."""
        conditions = self._conditions(filter_text)
        found = [thing for thing in things if all(condition(thing) for condition in conditions)]
        # Sorting is stable: the last clause first.
        for key, descending in reversed(self._order(order_by)):
            found.sort(key=key, reverse=descending)
        return found

    def _conditions(self, text: str) -> list[Callable[[Thing], bool]]:
        if text and not text.strip():
            raise invalid(f"Invalid filter '{text}'. Could not be parsed.")
        conditions: list[Callable[[Thing], bool]] = []
        at = 0
        while at < len(text):
            clause = _CLAUSE.match(text, at)
            if not clause:
                raise invalid(f"Invalid clause(s) in filter string: {text[at:].strip()}")
            conditions.append(self._condition(clause))
            joined = _AND.match(text, clause.end())
            if not joined and clause.end() < len(text):
                raise invalid(f"Invalid clause(s) in filter string: {text[clause.end():].split()[0]}")
            at = joined.end() if joined else clause.end()
        return conditions

    def _condition(self, clause: re.Match[str]) -> Callable[[Thing], bool]:
        kind, part = clause["key"], clause["part"]
        comparator, value = clause["comparator"].upper(), clause["value"]
        if part is None or kind == "attribute":
            return self._of_attribute(part or kind, comparator, value)
        if kind not in ("tag", "tags"):
            raise invalid(f"Invalid entity type '{kind}'. Valid entity types are ('attribute', 'tag', 'tags')")
        return self._of_tag(part.strip('`"'), comparator, value)

    def _of_tag(self, key: str, comparator: str, value: str) -> Callable[[Thing], bool]:
        if value[0] not in "'\"":
            raise invalid(f"Expected a quoted string value for tag (e.g. 'my-value'). Got value {value}"
                          if value[0] == "(" or _is_number(value) else _unquoted(value))
        if comparator not in _TEXT_COMPARATORS:
            raise invalid(f"Invalid comparator for tag: {comparator}")
        compare = _text_comparison(comparator, value[1:-1])
        absent = key == _PROMPT_TAG and comparator == "!="

        def passes(thing: Thing) -> bool:
            tagged = self.tags(thing).get(key)
            return absent if tagged is None else compare(tagged)
        return passes

    def _of_attribute(self, key: str, comparator: str, value: str) -> Callable[[Thing], bool]:
        if key in self.numbers:
            return self._of_number(key, comparator, value)
        read = self.texts.get(key)
        if read is None:
            raise invalid(f"Invalid attribute key '{key}' specified. "
                          f"Valid keys are '{_keys([*self.texts, *self.numbers])}'")
        if value[0] == "(":
            names = self._list(key, value)
            if comparator != "IN":
                raise invalid(f"Invalid comparator for attribute: {comparator}")
            return lambda thing: read(thing) in names
        if value[0] not in "'\"":
            raise invalid("Expected a quoted string value or a list of quoted string values for attributes. "
                          f"Got value {value}" if _is_number(value) else _unquoted(value))
        if comparator not in _TEXT_COMPARATORS:
            raise invalid(f"Invalid comparator for attribute: {comparator}")
        compare = _text_comparison(comparator, value[1:-1])
        return lambda thing: compare(read(thing))

    def _of_number(self, key: str, comparator: str, value: str) -> Callable[[Thing], bool]:
        if value[0] == "(":
            self._list(key, value)
        compare = _NUMBER_COMPARATORS.get(comparator)
        if compare is None:
            raise invalid(f"Invalid comparator for attribute {key}: {comparator}")
        try:
            number = int(value.strip("'\""))
        except ValueError:
            raise invalid(f"Invalid value for numeric attribute '{key}': {value}") from None
        read = self.numbers[key]
        return lambda thing: compare(read(thing), number)

    def _list(self, key: str, value: str) -> frozenset[str]:
        if key not in self.listed:
            raise invalid(f"Only {list(self.listed)} attributes support comparison with a list of quoted string "
                          "values.")
        items = [item.strip() for item in value[1:-1].split(",")]
        if items == [""]:
            raise invalid("While parsing a list in the query, expected a non-empty list of string values, "
                          "but got empty list")
        if not all(re.fullmatch(r"'[^']*'|\"[^\"]*\"", item) for item in items):
            raise invalid("While parsing a list in the query, expected string value, punctuation, or whitespace, "
                          f"but got different type in list: ({', '.join(items)})")
        return frozenset(item[1:-1] for item in items)

    def _order(self, clauses: Sequence[str]) -> list[tuple[Callable[[Thing], Any], bool]]:
        asked = [self._order_clause(clause) for clause in clauses]
        names = [name for name, _ in asked]
        if len(set(names)) < len(names):
            raise RegistryError("INTERNAL_ERROR", f"`order_by` contains duplicate fields: {names}")
        return [(self.orders[name], descending)
                for name, descending in (*(asked or map(self._order_clause, self.unasked)),
                                         *map(self._order_clause, self.ties))]

    def _order_clause(self, clause: str) -> tuple[str, bool]:
        parsed = _ORDER.fullmatch(clause)
        if not parsed:
            raise invalid(f"Invalid order_by clause '{clause}'. Could not be parsed.")
        if parsed["key"] not in self.orders:
            raise invalid(f"Invalid order by key '{parsed['key']}' specified. "
                          f"Valid keys are '{_keys(list(self.orders))}'")
        direction = (parsed["direction"] or "ASC").upper()
        if direction not in ("ASC", "DESC"):
            raise invalid(f"Invalid ordering key in order_by clause '{clause}'.")
        return parsed["key"], direction == "DESC"


def page(found: Sequence[Thing], token: str, max_results: int) -> tuple[Sequence[Thing], str]:
    """One page and the token of the next, "" after the last. Raises :class:`RegistryError` for a bad token."""
    first = _offset(token) if token else 0
    end = first + max(max_results, 0)
    following = base64.b64encode(json.dumps({"offset": end}).encode()).decode() if end < len(found) else ""
    return found[first:end], following


def _offset(token: str) -> int:
    try:
        decoded = base64.b64decode(token)
    except (binascii.Error, ValueError):
        raise invalid("Invalid page token, could not base64-decode") from None
    try:
        parsed = json.loads(decoded)
    except ValueError:
        raise invalid(f"Invalid page token, decoded value={decoded!r}") from None
    offset = parsed.get("offset") if isinstance(parsed, dict) else None
    if not isinstance(offset, int) or offset < 0:
        raise invalid(f"Invalid page token, parsed value={parsed}")
    return offset


def _text_comparison(comparator: str, value: str) -> Callable[[str], bool]:
    if comparator == "=":
        return lambda text: text == value
    if comparator == "!=":
        return lambda text: text != value
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(character) or re.escape(character) for character in value)
    try:
        return compiled(f"(?i){expression}" if comparator == "ILIKE" else expression).matches
    except ValueError:
        raise invalid(f"Invalid pattern of {len(value)} characters: the lab cannot compare with it") from None


def _unquoted(value: str) -> str:
    return (f"Parameter value is either not quoted or unidentified quote types used for string value {value}. "
            "Use either single or double quotes.")


def _is_number(value: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None


def _keys(names: Sequence[str]) -> str:
    return "{" + ", ".join(f"'{name}'" for name in names) + "}"
