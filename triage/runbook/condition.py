"""``when``: the small language that says under which outcomes of earlier steps a step applies.

``cache failed``, ``shop answered no``, joined by ``and`` and ``or``; ``and`` binds closer. An answer of more than one
word stands in double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "skipped", "answered"]
OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "skipped", "answered")
_TOKEN = re.compile(r'\s*(?:"([^"]*)"|([^\s"]+))')
_EXAMPLE = "such as: cache failed, queue passed and shop answered no"


@dataclass(frozen=True, slots=True)
class Term:
    """One outcome of one step."""

    step: str
    outcome: Outcome
    answer: str = ""
    """Of ``answered``: which one."""

    def __str__(self) -> str:
        answer = f'"{self.answer}"' if not _is_word(self.answer) else self.answer
        return f"{self.step} {self.outcome}" + (f" {answer}" if self.outcome == "answered" else "")


@dataclass(frozen=True, slots=True)
class Condition:
    """Alternatives, each a list of terms that must all hold."""

    alternatives: tuple[tuple[Term, ...], ...]

    def terms(self) -> Iterator[Term]:
        """Every term, in the order of writing."""
        return (term for alternative in self.alternatives for term in alternative)

    def holds(self, happened: Callable[[Term], bool | None]) -> bool | None:
        """Whether it holds where ``happened`` says it of each term; None while that is not decided (Kleene)."""
        found = [_all([happened(term) for term in alternative]) for alternative in self.alternatives]
        return True if True in found else None if None in found else False

    def __str__(self) -> str:
        return " or ".join(" and ".join(str(term) for term in alternative) for alternative in self.alternatives)


def parse_condition(text: str) -> Condition:
    """Read a ``when``. Raises ValueError with what is wrong and, behind a line break, an example."""
    tokens = list(_tokens(text))
    alternatives: list[tuple[Term, ...]] = []
    terms: list[Term] = []
    place = 0
    while True:
        term, place = _term(text, tokens, place)
        terms.append(term)
        if place == len(tokens):
            break
        joint, quoted = tokens[place]
        if quoted or joint not in ("and", "or"):
            raise ValueError(f'has "{joint}" where and or or is expected: "{text}"\n{_EXAMPLE}')
        if joint == "or":
            alternatives.append(tuple(terms))
            terms = []
        place += 1
    return Condition((*alternatives, tuple(terms)))


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """(text, whether it stood in quotes)."""
    place = 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f'has a quote that is not closed: "{text}"\n{_EXAMPLE}')
        yield (match[1], True) if match[1] is not None else (match[2], False)
        place = match.end()


def _term(text: str, tokens: list[tuple[str, bool]], place: int) -> tuple[Term, int]:
    words = tokens[place:place + 3]
    outcome = next((known for known in OUTCOMES if len(words) > 1 and words[1] == (known, False)), None)
    if outcome is None or words[0][1]:
        raise ValueError(f'does not say which step {", ".join(OUTCOMES[:-1])} or {OUTCOMES[-1]}: "{text}"\n{_EXAMPLE}')
    if outcome != "answered":
        return Term(words[0][0], outcome), place + 2
    if len(words) < 3:
        raise ValueError(f'does not say what {words[0][0]} was answered: "{text}"\n{_EXAMPLE}')
    return Term(words[0][0], outcome, words[2][0]), place + 3


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def _is_word(text: str) -> bool:
    return bool(text) and '"' not in text and not re.search(r"\s", text)
