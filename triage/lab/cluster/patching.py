"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902) on JSON values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any


class Malformed(Exception):
    """A document that is no patch at all."""


class DoesNotApply(Exception):
    """A patch that does not fit this document: a test failed, or a path leads nowhere."""


def merge(target: Any, patch: Any) -> Any:
    """``target`` after a merge patch (RFC 7396, section 2): null deletes, lists are replaced whole."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def _pointer(text: object) -> list[str]:
    """The tokens of a JSON pointer (RFC 6901)."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise Malformed(f"{text!r} is no JSON pointer: it starts with a slash")
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def _index(place: str, length: int) -> int:
    """Place in a list of ``length``. RFC 6901 allows no sign and no leading zero."""
    if not place.isascii() or not place.isdigit() or (place != "0" and place.startswith("0")):
        raise DoesNotApply(f"{place!r} is no index of a list")
    if int(place) >= length:
        raise DoesNotApply(f"index {place} is beyond the end of a list of {length}")
    return int(place)


def _lookup(document: Any, tokens: Sequence[str]) -> Any:
    for token in tokens:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list):
            document = document[_index(token, len(document))]
        else:
            raise DoesNotApply(f"there is no {token!r}")
    return document


def _add(document: Any, tokens: Sequence[str], value: Any) -> Any:
    if not tokens:
        return value
    parent, last = _lookup(document, tokens[:-1]), tokens[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent) + 1), value)
    else:
        raise DoesNotApply(f"nothing can be added at {last!r}")
    return document


def _remove(document: Any, tokens: Sequence[str]) -> Any:
    _lookup(document, tokens)
    if not tokens:
        return None
    parent, last = _lookup(document, tokens[:-1]), tokens[-1]
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[_index(last, len(parent))]
    return document


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON: ``true`` is not ``1``."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _test(document: Any, tokens: Sequence[str], value: Any) -> None:
    parent = _lookup(document, tokens[:-1])
    # Kubernetes' library takes a missing member for null, so that absence can be tested.
    missing = tokens and isinstance(parent, dict) and tokens[-1] not in parent
    if not _same(None if missing else _lookup(document, tokens), value):
        raise DoesNotApply("a test failed")


def json_patch(document: Any, operations: Any) -> Any:
    """``document`` after all ``operations``, or unchanged: a copy is patched.

    Raises :class:`Malformed` for what is no patch and :class:`DoesNotApply` for one that does not fit.
    """
    if not isinstance(operations, list):
        raise Malformed("a JSON patch is a list of operations")
    document = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise Malformed("an operation of a JSON patch is an object")
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: Mapping[str, Any]) -> Any:
    name, tokens = operation.get("op"), _pointer(operation.get("path"))
    if name in ("add", "replace", "test") and "value" not in operation:
        raise Malformed(f"{name} needs a value")
    value = copy.deepcopy(operation.get("value"))
    match name:
        case "test":
            _test(document, tokens, value)
            return document
        case "add":
            return _add(document, tokens, value)
        case "remove":
            return _remove(document, tokens)
        case "replace":
            return _add(_remove(document, tokens), tokens, value)
        case "move" | "copy":
            source = _pointer(operation.get("from"))
            moved = copy.deepcopy(_lookup(document, source))
            if name == "move":
                if tokens[:len(source)] == source and len(tokens) > len(source):
                    raise DoesNotApply("a value cannot move into itself")
                document = _remove(document, source)
            return _add(document, tokens, moved)
    raise Malformed(f"{name!r} is no operation of a JSON patch")
