"""``expect``: what a value must be for a check to pass, a limit or a verdict."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from triage.signals.reading import Verdict

_HOLDS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt,
                                                     ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
_LIMIT = re.compile(r"(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_PASSES = {"pass": frozenset({Verdict.PASS}), "not fail": frozenset({Verdict.PASS, Verdict.WARN})}
_JUDGED = frozenset({Verdict.PASS, Verdict.WARN, Verdict.FAIL})


@dataclass(frozen=True, slots=True)
class Limit:
    """A number on one side of another."""

    sign: str
    """``<``, ``<=``, ``>``, ``>=``, ``==`` or ``!=``."""
    value: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` is where it should be."""
        return _HOLDS[self.sign](value, self.value)

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Word:
    """A verdict: ``pass``, or ``not fail`` for what may also warn."""

    word: str

    def holds(self, verdict: Verdict) -> bool | None:
        """Whether the verdict is good enough; None while there is none to speak of (unknown, pending, too few)."""
        return verdict in _PASSES[self.word] if verdict in _JUDGED else None

    def __str__(self) -> str:
        return self.word


Criterion = Limit | Word


def parse_criterion(text: str) -> Criterion:
    """Read an ``expect``. Raises ValueError with what is wrong and, behind a line break, examples."""
    if text in _PASSES:
        return Word(text)
    match = _LIMIT.fullmatch(text.strip())
    if match is None or not math.isfinite(float(match[2])):
        raise ValueError(f'is no criterion: "{text}"\nwrite a limit such as "<= 20" or ">= 99.9", or pass, or not fail')
    return Limit(match[1], float(match[2]))
