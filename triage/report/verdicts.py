"""The verdict of ``triage check``, and its exit code."""

from __future__ import annotations

from collections.abc import Collection

from triage.live.snapshot import Snapshot
from triage.signals.reading import Verdict

CODES = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.FAIL: 2, Verdict.UNKNOWN: 3}
ALL = frozenset({"warn", "fail", "unknown"})
"""Verdicts that end ``check`` with a code other than 0 by default."""


def verdict_of(snapshot: Snapshot, model: str) -> Verdict:
    """The verdict of ``model``; unknown when its notebook is broken or nothing was said about it."""
    found = snapshot.model(model)
    return Verdict.UNKNOWN if found is None or found.verdict not in CODES else found.verdict


def exit_code(verdict: Verdict, fail_on: Collection[str] = ALL) -> int:
    """0 pass, 1 warn, 2 fail, 3 unknown; 0 for verdicts that are not in ``fail_on``."""
    return CODES[verdict] if str(verdict) in fail_on else 0
