"""Floating point numbers as Go writes them: in samples, in templates, in alerts."""

from __future__ import annotations

from decimal import Decimal

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
    """A scalar in JSON: the fewest digits and never an exponent."""
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
    """A number in a template: the fewest digits, an exponent below 1e-4 and from a million on."""
    text = repr(value)
    if text in _SPECIAL:
        return _SPECIAL[text]
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return sample_text(value)
    return exponent_text(value)
