"""Templates of labels and annotations: the part of Prometheus' template language that alert rules really use.

Supported are ``{{ $value }}`` and ``{{ $labels.name }}`` with ``humanize``, ``humanizePercentage``,
``humanizeDuration`` and ``printf``, piped or called. Anything else is refused when rules are loaded, where a real
server would answer something that this one could only guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import cast

from triage.lab.wire.numbers import template_text

Term = Callable[[Mapping[str, str], float], "str | float"]
"""Evaluates to a text or a number, from the labels and the value of an alert."""

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r'\s*(?:(\$value\b)|\$labels\.([A-Za-z_]\w*)|("(?:[^"\\]|\\.)*")|(\|)|([A-Za-z]\w*))', re.ASCII)
_VERB = re.compile(r"%(?:%|(?P<flags>[-+ 0]*)(?P<width>\d*)(?P<precision>\.\d+)?(?P<verb>[a-zA-Z]))")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_SUPPORTED = ("{{ $value }} and {{ $labels.name }}, with humanize, humanizePercentage, humanizeDuration and printf of "
              "%f %e %g %v %s")


class TemplateError(ValueError):
    """A template uses what is not supported; the text says what and what is."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places for an alert's labels and value."""

    text: str
    parts: tuple[str | Term, ...]

    @property
    def uses_value(self) -> bool:
        """Whether it can change while the labels stay."""
        return "$value" in self.text

    def render(self, labels: Mapping[str, str], value: float) -> str:
        """The text for one alert. A label that it does not have is ""."""
        return "".join(part if isinstance(part, str) else _written(part(labels, value)) for part in self.parts)


def parse_template(text: str) -> Template:
    """Raises :class:`TemplateError`."""
    parts: list[str | Term] = []
    end = 0
    for action in _ACTION.finditer(text):
        parts += [text[end:action.start()], _pipeline(action[1], action[0])]
        end = action.end()
    if "{{" in text[end:]:
        raise TemplateError(f"an action is not closed in {text[end:]!r}: close it with }}}}")
    return Template(text, tuple(part for part in (*parts, text[end:]) if part != ""))


def humanize(value: float) -> str:
    """A number with a metric prefix and four digits: ``1.235M``, ``50m``."""
    return _prefixed(value, "")


def humanize_percentage(value: float) -> str:
    """A share as a percentage with four digits: ``5%``."""
    return f"{_float('.4g', value * 100)}%"


def humanize_duration(seconds: float) -> str:
    """Seconds as days, hours, minutes and whole seconds; below a minute with four digits: ``1h 1m 1s``, ``50ms``."""
    if not isfinite(seconds):
        return _float(".4g", seconds)
    if abs(seconds) < 60:
        return f"{_prefixed(seconds, 's')}s" if 0 < abs(seconds) < 1 else f"{seconds:.4g}s"
    sign, whole = "-" if seconds < 0 else "", int(abs(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hour}h {minute}m {second}s"
    return f"{sign}{hour}h {minute}m {second}s" if hour else f"{sign}{minute}m {second}s"


def _prefixed(value: float, unit: str) -> str:
    if value == 0 or not isfinite(value):
        return _float(".4g", value)
    scaled, prefix = value, ""
    if abs(value) >= 1:
        for larger in "kMGTPEZY":
            if abs(scaled) < 1000:
                break
            scaled, prefix = scaled / 1000, larger
    else:
        for smaller in "munpfazy":
            if abs(scaled) >= 1:
                break
            scaled, prefix = scaled * 1000, smaller
    return f"{scaled:.4g}{prefix}"


def _pipeline(source: str, action: str) -> Term:
    stages: list[list[tuple[str, str]]] = [[]]
    position = 0
    while source[position:].strip():
        token = _TOKEN.match(source, position)
        if not token:
            raise TemplateError(f"{action} is not supported: write {_SUPPORTED}")
        position = token.end()
        kinds = ("value", "label", "text", "pipe", "function")
        kind, spelt = next((kind, text) for kind, text in zip(kinds, token.groups(), strict=True) if text is not None)
        if kind == "pipe":
            stages.append([])
        else:
            stages[-1].append((kind, spelt))
    term: tuple[Term, type] | None = None
    for stage in stages:
        term = _stage(stage, term, action)
    if term is None:
        raise TemplateError(f"{action} is empty: write {_SUPPORTED}")
    return term[0]


def _stage(words: list[tuple[str, str]], piped: tuple[Term, type] | None, action: str) -> tuple[Term, type]:
    """One stage of a pipeline: what it evaluates to, and whether that is a number or a text."""
    if not words:
        raise TemplateError(f"{action} has an empty stage: write {_SUPPORTED}")
    kind, spelt = words[0]
    arguments = [_operand(word, action) for word in (words[1:] if kind == "function" else words)]
    if kind != "function":
        if piped or len(arguments) != 1:
            raise TemplateError(f"{action} puts an operand where a function belongs: write {_SUPPORTED}")
        return arguments[0]
    if piped:
        arguments.append(piped)
    if spelt == "printf":
        if len(words) < 2 or words[1][0] != "text":
            raise TemplateError(f'{action}: printf wants a quoted format first, as in printf "%.2f" $value')
        return _printf(_unquoted(words[1][1], action), arguments[1:], action), str
    function = {"humanize": humanize, "humanizePercentage": humanize_percentage,
                "humanizeDuration": humanize_duration}.get(spelt)
    if function is None:
        raise TemplateError(f"{action}: the function {spelt} is not supported: write {_SUPPORTED}")
    if len(arguments) != 1 or arguments[0][1] is not float:
        raise TemplateError(f"{action}: {spelt} wants one number, as in $value | {spelt}")
    number = arguments[0][0]
    return (lambda labels, value: function(cast("float", number(labels, value)))), str


def _operand(word: tuple[str, str], action: str) -> tuple[Term, type]:
    kind, spelt = word
    if kind == "value":
        return (lambda labels, value: value), float
    if kind == "label":
        return (lambda labels, value: labels.get(spelt, "")), str
    if kind == "text":
        text = _unquoted(spelt, action)
        return (lambda labels, value: text), str
    raise TemplateError(f"{action}: {spelt} stands where a value belongs: write {_SUPPORTED}")


def _printf(layout: str, arguments: list[tuple[Term, type]], action: str) -> Term:
    if "%" in _VERB.sub("", layout):
        raise TemplateError(f"{action}: the format {layout!r} is not supported: use %f, %e, %g, %v or %s")
    verbs = [verb for verb in _VERB.finditer(layout) if verb[0] != "%%"]
    if len(verbs) != len(arguments):
        raise TemplateError(f"{action}: the format {layout!r} wants {len(verbs)} values and gets {len(arguments)}")
    for verb, (_, kind) in zip(verbs, arguments, strict=True):
        if verb["verb"] not in (("f", "e", "g", "v") if kind is float else ("s", "v")):
            wanted = "a number: use %f, %e, %g or %v" if kind is float else "a text: use %s or %v"
            raise TemplateError(f"{action}: {verb[0]} does not fit, the value is {wanted}")

    def write(labels: Mapping[str, str], value: float) -> str:
        terms = iter(arguments)
        return _VERB.sub(lambda verb: "%" if verb[0] == "%%" else _verb(verb, next(terms)[0](labels, value)), layout)
    return write


def _verb(verb: re.Match[str], term: str | float) -> str:
    flags, width, precision = verb["flags"], verb["width"], verb["precision"] or ""
    if isinstance(term, str):
        text = term[:int(precision[1:])] if precision else term
    elif verb["verb"] == "v" or (verb["verb"] == "g" and not precision):
        text = template_text(term)
    elif isfinite(term):
        return f"%{flags}{width}{precision}{verb['verb']}" % term
    else:
        text = template_text(term)
    return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))


def _float(layout: str, value: float) -> str:
    return format(value, layout) if isfinite(value) else template_text(value)


def _written(term: str | float) -> str:
    return term if isinstance(term, str) else template_text(term)


def _unquoted(quoted: str, action: str) -> str:
    def unescape(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise TemplateError(f"{action}: the escape {found[0]} is not supported: use \\\" \\\\ \\n or \\t")
        return _ESCAPES[found[1]]
    return re.sub(r"\\(.)", unescape, quoted[1:-1], flags=re.DOTALL)
