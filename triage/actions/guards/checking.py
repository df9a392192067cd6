"""What a guard is, and the rule that every one of them is judged by.

A guard finds that all is well, that something should be known, that the action must not happen, or that it cannot
tell. What *cannot tell* means is not the guard's to decide: it stops everything but the safe direction (pause, abort,
roll back, and bring a rollback on), which goes on once whoever acts has typed that it was read. Only permission, target
identity, lease and journal stop the safe direction too.

What was typed counts for what was read, and not for what the same guard finds later. Ages and counts in a sentence
move on meanwhile; what kind of finding it is does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from triage.actions.circumstances import Circumstances
from triage.actions.plan import Action

EVERY = frozenset(Action)


class Verdict(StrEnum):
    """What a guard found. The value is the word on screen and in JSON."""

    OK = "ok"
    WARN = "warn"
    BLOCKED = "blocked"
    CANNOT_TELL = "cannot tell"


class Strength(StrEnum):
    """How much a guard may stop."""

    ABSOLUTE = "absolute"
    """It stops whatever it cannot tell, and nothing overrides it: permission, target identity, lease, journal."""
    FIRM = "firm"
    """What it blocks nothing overrides; what it cannot tell is acknowledged in the safe direction."""
    BREAKABLE = "breakable"
    """What it blocks may be overridden by breaking glass, with a reason."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a guard saw."""

    verdict: Verdict
    sentence: str
    ask: bool = False
    """Of a warning: it has to be acknowledged and not only shown."""
    kinds: frozenset[str] = frozenset()
    """What was found, without its numbers; empty where the verdict says as much."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A guard's answer for one plan."""

    name: str
    verdict: Verdict
    sentence: str
    acknowledgement: str = ""
    """The word to type before the action may go on; "" when nothing has to be acknowledged."""
    breakable: bool = False
    """Whether breaking glass overrides it."""
    kinds: frozenset[str] = frozenset()
    """What was found, without its numbers."""

    @property
    def stops(self) -> bool:
        """Whether the action may not go on, whatever is typed."""
        return self.verdict is Verdict.BLOCKED or (self.verdict is Verdict.CANNOT_TELL and not self.acknowledgement)

    def was_read(self, shown: Iterable[Checked]) -> bool:
        """Whether all that it found stood among the answers ``shown``, so that what was typed then is about it."""
        return any(each.name == self.name and self.kinds <= each.kinds and (each.stops or not self.stops)
                   for each in shown)


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard."""

    name: str
    """As it is shown; one word, and what is typed to acknowledge it."""
    strength: Strength
    actions: frozenset[Action]
    """The actions it is about."""
    look: Callable[[Circumstances], Found]

    def check(self, circumstances: Circumstances) -> Checked:
        """What it finds, judged by the rule."""
        found = self.look(circumstances)
        unseen = found.verdict is Verdict.CANNOT_TELL
        asks = (unseen and self.strength is not Strength.ABSOLUTE and circumstances.is_safe) or (
            found.verdict is Verdict.WARN and found.ask)
        return Checked(self.name, found.verdict, found.sentence, self.name if asks else "",
                       self.strength is Strength.BREAKABLE, found.kinds or frozenset({found.verdict.value}))


def ok(sentence: str) -> Found:
    """All is well."""
    return Found(Verdict.OK, sentence)


def warn(sentence: str, *kinds: str, ask: bool = False) -> Found:
    """Something should be known, or acknowledged."""
    return Found(Verdict.WARN, sentence, ask, frozenset(kinds))


def blocked(sentence: str, *kinds: str) -> Found:
    """It must not happen."""
    return Found(Verdict.BLOCKED, sentence, kinds=frozenset(kinds))


def cannot_tell(sentence: str, *kinds: str) -> Found:
    """What would have to be known is not."""
    return Found(Verdict.CANNOT_TELL, sentence, kinds=frozenset(kinds))


def run(guards: Iterable[Guard], circumstances: Circumstances) -> tuple[Checked, ...]:
    """The answer of each guard that is about the plan's action, in order."""
    return tuple(guard.check(circumstances) for guard in guards if circumstances.plan.action in guard.actions)
