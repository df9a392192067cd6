"""Numbers as Go writes and reads them, in labels and messages."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_UNDERSCORE = re.compile(r"(?<=[0-9a-fx])_(?=[0-9a-f])", re.IGNORECASE)
_READABLE = re.compile(r"[+-]?(?:inf|infinity|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|"
                       r"(?P<hex>0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?\d+))", re.IGNORECASE | re.ASCII)


def read_number(text: str) -> float:
    """What ``strconv.ParseFloat`` makes of a text. Raises ValueError when it is no number to Go."""
    digits = _UNDERSCORE.sub("", text)
    found = _READABLE.fullmatch(digits)
    if found is None:
        raise ValueError(f"{text!r} is no number")
    return float.fromhex(digits) if found["hex"] else float(digits)


def in_full(value: float) -> str:
    """A number without an exponent (``strconv.FormatFloat(v, 'f', -1, 64)``): the value label of ``count_values``."""
    if not math.isfinite(value):
        return _not_finite(value)
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_short(value: float) -> str:
    """A number in a message (``%v`` and ``%g``): an exponent from 1e+06 and below 1e-04."""
    if not math.isfinite(value):
        return _not_finite(value)
    exponent = Decimal(repr(value)).adjusted() if value else 0
    if -4 <= exponent < 6:
        return in_full(value)
    digits = "".join(map(str, Decimal(repr(value)).as_tuple().digits)).rstrip("0") or "0"
    sign = "-" if value < 0 else ""
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"
