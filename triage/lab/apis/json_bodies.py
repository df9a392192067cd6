"""JSON that clients send, read as strictly as Go's servers read it: what passes can be stored and written again."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

_INT64 = range(-(2**63), 2**63)
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json(body: bytes) -> Any:
    """The value of ``body``. Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD.

    Raises ValueError for what is no JSON, for what is nested deeper than the stack, and for numbers that are none in
    Go: NaN, infinities and whatever a float64 cannot hold. Whole numbers beyond an int64 are floats.
    """
    try:
        return _whole(json.loads(body.decode("utf-8", "replace"), parse_constant=_no_number, parse_float=_finite,
                                 parse_int=_integer))
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        # Python takes the escape of half a pair for a character, which no answer could be encoded with.
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {text:.40} does not fit into a float64")
    return value


def _integer(text: str) -> int | float:
    value = _finite(text)
    # Only here is int() sure to be quick: Python refuses thousands of digits.
    return int(text) if abs(value) < 2**64 and int(text) in _INT64 else value
