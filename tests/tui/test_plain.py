"""The state as text for others: nothing is cut, and it names since when, and who answers for the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots
from triage.live.snapshot import Snapshot
from triage.signals.reading import Quality, Reading
from triage.tui.look import Look
from triage.tui.plain import as_text
from triage.tui.view import View

LONG = "the label server answered that it will be back when the quarterly batch has been reconciled, " * 5


def text(snapshot: Snapshot, width: int = 80, *, ascii_only: bool = False) -> str:
    look = Look(ascii=ascii_only)
    return as_text(View(snapshot, snapshot.models[0], None, snapshots.NOW, 3600.0, None, None, look, width, 24))


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_sentences_names_and_notes_are_never_cut(width: int) -> None:
    shown = snapshots.canary_failing()
    model = shown.models[0]
    latency, success, schema, accuracy = model.slos
    waits = replace(accuracy, now=Reading(None, "", Quality.PENDING, note=LONG.strip()))
    named = replace(success, name="success-of-everything-that-was-asked-in-the-name-of-a-customer")
    reasons = (replace(model.reasons[0], text=LONG.strip()), replace(model.reasons[1], text=LONG.strip() * 2))
    said = text(snapshots.with_model(shown, slos=(latency, named, schema, waits), reasons=reasons,
                                     notes=(LONG.strip(),)), width)
    assert "…" not in said.replace(" … ", "")
    assert said.count(LONG.strip()) == 5
    assert named.name in said


def test_it_is_the_same_on_every_screen() -> None:
    assert text(snapshots.canary_failing(), 40) == text(snapshots.canary_failing(), 200)


def test_it_says_since_when_in_utc_and_who_owns_the_model() -> None:
    said = text(snapshots.canary_failing())
    assert "v8 canary 10 % since 2026-11-23 14:10:00 UTC" in said
    assert "CanaryLatency page firing since 2026-11-23 14:19:00 UTC (14 min) v8" in said
    assert "owners payments-ml, platform-sre" in said


def test_without_alerts_it_says_how_that_is_known() -> None:
    assert "ALERTS  none firing, pending or silenced" in text(snapshots.healthy())


@pytest.mark.parametrize("state", snapshots.ALL)
def test_in_ascii_it_has_no_other_letters(state: str) -> None:
    shown = snapshots.ALL[state]()
    if shown.models:
        assert text(shown, ascii_only=True).isascii()
