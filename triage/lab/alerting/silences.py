"""Silences by Alertmanager's rules: created, changed, expired, and remembered for a while. Times in Unix seconds."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from triage.lab.alerting.matchers import AlertMatcher, is_label_name

RETENTION_SECONDS = 120 * 3600.0
"""How long an expired silence is remembered (``--data.retention``)."""


class SilenceState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class SilenceRefused(ValueError):
    """A silence cannot be stored; the text is what Alertmanager says."""


class UnknownSilence(LookupError):
    """There is no silence with this id."""


@dataclass(frozen=True, slots=True)
class SilenceDraft:
    """What a client asks for."""

    matchers: tuple[AlertMatcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str


@dataclass(frozen=True, slots=True)
class Silence(SilenceDraft):
    """A silence that is stored."""

    id: str
    updated_at: float

    def state(self, now: float) -> SilenceState:
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now < self.ends_at else SilenceState.EXPIRED

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(matcher.matches(labels) for matcher in self.matchers)


class Silences:
    """All silences. ``seed`` decides their ids, so that two labs with one seed tell the same story."""

    def __init__(self, seed: int = 0) -> None:
        self._draw = random.Random(seed)
        self._held: dict[str, Silence] = {}

    def put(self, draft: SilenceDraft, now: float, *, replaces: str = "") -> str:
        """Store a silence and give its id.

        With the id of one that is stored, that one is changed: its comment and its end freely, and its beginning while
        it is pending. For other changes it is expired and a new one is stored. Raises :class:`UnknownSilence` and
        :class:`SilenceRefused`.
        """
        _check(draft, now)
        before = self.get(replaces) if replaces else None
        _check_matchers(draft)
        if before is not None and _may_become(before, draft, now):
            self._store(draft, before.id, now)
            return before.id
        if before is not None:
            self.expire(before.id, now)
        new = str(uuid.UUID(int=self._draw.getrandbits(128), version=4))
        self._store(replace(draft, starts_at=max(draft.starts_at, now)), new, now)
        return new

    def expire(self, silence_id: str, now: float) -> None:
        """End it now; one that has ended stays as it is. Raises :class:`UnknownSilence`."""
        silence = self.get(silence_id)
        state = silence.state(now)
        if state is SilenceState.EXPIRED:
            return
        starts_at = now if state is SilenceState.PENDING else silence.starts_at
        self._held[silence_id] = replace(silence, starts_at=starts_at, ends_at=now, updated_at=now)

    def get(self, silence_id: str) -> Silence:
        """Raises :class:`UnknownSilence`."""
        try:
            return self._held[silence_id]
        except KeyError:
            raise UnknownSilence("silence not found") from None

    def listed(self, now: float) -> list[Silence]:
        """Active ones first, the next to end first; then pending, the next to begin first; then expired, latest first.

        Expired ones are forgotten after five days.
        """
        for silence in list(self._held.values()):
            if silence.ends_at + RETENTION_SECONDS < now:
                del self._held[silence.id]

        def order(silence: Silence) -> tuple[int, float]:
            state = silence.state(now)
            if state is SilenceState.ACTIVE:
                return 0, silence.ends_at
            return (1, silence.starts_at) if state is SilenceState.PENDING else (2, -silence.ends_at)
        return sorted(self._held.values(), key=order)

    def silencing(self, labels: Mapping[str, str], now: float) -> list[str]:
        """Ids of the active silences that match an alert, ascending."""
        return sorted(silence.id for silence in self._held.values()
                      if silence.state(now) is SilenceState.ACTIVE and silence.matches(labels))

    def _store(self, draft: SilenceDraft, silence_id: str, now: float) -> None:
        self._held[silence_id] = Silence(draft.matchers, draft.starts_at, draft.ends_at, draft.created_by,
                                         draft.comment, silence_id, now)


def _check(draft: SilenceDraft, now: float) -> None:
    if draft.starts_at >= draft.ends_at:
        raise SilenceRefused("Failed to create silence: start time must be before end time")
    if draft.ends_at < now:
        raise SilenceRefused("Failed to create silence: end time can't be in the past")


def _check_matchers(draft: SilenceDraft) -> None:
    for number, matcher in enumerate(draft.matchers):
        if not is_label_name(matcher.name):
            raise SilenceRefused(f'silence invalid: invalid label matcher {number}: invalid label name '
                                 f'"{matcher.name}"')
    if all(matcher.accepts("") for matcher in draft.matchers):
        raise SilenceRefused("silence invalid: at least one matcher must not match the empty string")


def _may_become(before: Silence, draft: SilenceDraft, now: float) -> bool:
    if set(before.matchers) != set(draft.matchers):
        return False
    state = before.state(now)
    if state is SilenceState.ACTIVE:
        # Clients read times to the millisecond; whole seconds are compared.
        return int(draft.starts_at) == int(before.starts_at) and draft.ends_at >= now
    return state is SilenceState.PENDING and draft.starts_at >= now
