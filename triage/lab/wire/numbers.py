"""Floating point numbers as Go writes and reads them: in samples, labels, templates, messages and alerts."""

from __future__ import annotations

import re
from decimal import Decimal

_UNDERSCORE = re.compile(r"(?<=[0-9a-fx])_(?=[0-9a-f])", re.IGNORECASE)
_READABLE = re.compile(r"[+-]?(?:inf|infinity|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|"
                       r"(?P<hex>0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?\d+))", re.IGNORECASE | re.ASCII)
_SPECIAL = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def sample_text(value: float) -> str:
    """The value of a sample in JSON: the fewest digits, an exponent only below 1e-6 and from 1e21 on."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text:
        return _SPECIAL.get(text, text)
    return exponent_text(value) if not 1e-6 <= abs(value) < 1e21 else plain_text(value)


def plain_text(value: float) -> str:
    """A scalar in JSON, a label of ``count_values``: the fewest digits and never an exponent."""
    text = repr(value)
    return _SPECIAL.get(text) or format(Decimal(text.removesuffix(".0")), "f")


def exponent_text(value: float) -> str:
    """The value of an alert: the fewest digits and always an exponent, ``1.5e+00``."""
    text = repr(value)
    if text in _SPECIAL:
        return _SPECIAL[text]
    sign, digits, exponent = Decimal(text).as_tuple()
    plain = "".join(map(str, digits))
    significant = plain.rstrip("0") or "0"
    power = len(plain) - 1 + int(exponent) if significant != "0" else 0
    fraction = f".{significant[1:]}" if len(significant) > 1 else ""
    return f"{'-' if sign else ''}{significant[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def template_text(value: float) -> str:
    """A number in a template or a message (``%v``): the fewest digits, an exponent below 1e-4 and from a million on."""
    text = repr(value)
    if text in _SPECIAL:
        return _SPECIAL[text]
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return sample_text(value)
    return exponent_text(value)


def read_number(text: str) -> float:
    """What ``strconv.ParseFloat`` makes of a text. Raises ValueError when it is no number to Go."""
    digits = _UNDERSCORE.sub("", text)
    found = _READABLE.fullmatch(digits)
    if found is None:
        raise ValueError(f"{text!r} is no number")
    return float.fromhex(digits) if found["hex"] else float(digits)
