"""The verdict of ``triage check``, its reason, and its exit code."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from triage.live.snapshot import Snapshot
from triage.signals import canary_words
from triage.signals.model import ModelState
from triage.signals.reading import Verdict

CODES = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.FAIL: 2, Verdict.UNKNOWN: 3}
ALL = frozenset({"warn", "fail", "unknown"})
"""Verdicts that end ``check`` with a code other than 0 by default."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What ``check`` makes of a model."""

    verdict: Verdict
    reason: str
    """Of the verdict, as a sentence."""
    candidate: str | None = None
    """The version that had to be on trial; None when none had to."""
    beyond: bool = False
    """Whether it is about more than the health of the model: its canary, or the candidate."""
    waits: bool = False
    """Whether time alone can decide it: the canary has had too little traffic yet."""


def judge(snapshot: Snapshot, model: str, candidate: str | None = None) -> Judgement:
    """The verdict on ``model``: a canary that nothing is decided about makes it unknown where it would pass or warn.

    So does another version on trial than ``candidate``. A model that fails, fails.
    """
    found, verdict = snapshot.model(model), verdict_of(snapshot, model)
    if found is None:
        broken = [error for item in snapshot.broken if item.name == model for error in item.errors]
        return Judgement(verdict, broken[0] if broken else "nothing is known about it", candidate)
    own = found.reasons[0].text if found.reasons else ""
    stranger = _not_on_trial(found, candidate)
    if verdict is Verdict.FAIL and stranger:
        return Judgement(verdict, f"{own}; {stranger}", candidate, beyond=True)
    if verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        # Where facts are missing, the versions may be, too.
        return Judgement(verdict, own, candidate)
    if stranger:
        return Judgement(Verdict.UNKNOWN, stranger, candidate, beyond=True)
    undecided = canary_words.undecided(found, snapshot.at)
    if undecided:
        return Judgement(Verdict.UNKNOWN, undecided, candidate, beyond=True,
                         waits=canary_words.is_insufficient(found, snapshot.at))
    return Judgement(verdict, own, candidate)


def _not_on_trial(model: ModelState, candidate: str | None) -> str:
    """That another version is on trial than the one named, or none; "" when all is as named."""
    trial = canary_words.on_trial(model)
    if candidate is None or (trial is not None and trial.version == candidate):
        return ""
    if trial is not None:
        return f"the version on trial is {trial.version}, not {candidate}"
    stable = model.versions.arm("stable")
    if stable is not None and stable.version == candidate:
        return f"{candidate} is not on trial: it is the stable version"
    return f"{candidate} is not on trial: no version is"


def verdict_of(snapshot: Snapshot, model: str) -> Verdict:
    """The health of ``model``; unknown when its notebook is broken or nothing was said about it."""
    found = snapshot.model(model)
    return Verdict.UNKNOWN if found is None or found.verdict not in CODES else found.verdict


def exit_code(verdict: Verdict, fail_on: Collection[str] = ALL) -> int:
    """0 pass, 1 warn, 2 fail, 3 unknown; 0 for verdicts that are not in ``fail_on``."""
    return CODES[verdict] if str(verdict) in fail_on else 0
