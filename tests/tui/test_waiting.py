"""What the first line says while questions are under way: what is known, and what is asked; never more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots
from triage.live.snapshot import Snapshot
from triage.signals.model import Reason
from triage.signals.reading import Quality, Reading, Urgency, Verdict
from triage.tui.look import Look
from triage.tui.panels import top
from triage.tui.view import View


def first_line(snapshot: Snapshot) -> str:
    view = View(snapshot, snapshot.models[0], None, snapshots.NOW, 3600.0, None, None, Look(), 200, 40)
    return top.verdict(view, 200, 1)[0].text.strip()


def test_what_is_met_already_and_which_windows_are_asked_is_told() -> None:
    assert first_line(snapshots.half_answered()) == (
        "… WAITING  2 of 3 objectives met so far; the 24h, 3d and 30d windows are asked")


def test_an_objective_without_any_answer_is_named() -> None:
    half = snapshots.half_answered()
    latency, success, *rest = half.models[0].slos
    unread = replace(latency, verdict=Verdict.UNKNOWN, now=Reading(None, "ratio", Quality.WAITING))
    assert first_line(snapshots.with_model(half, slos=(unread, replace(success, asked=(86400.0,)), *rest))) == (
        "… WAITING  1 of 3 objectives met so far; latency and the 24h window are asked")


@pytest.mark.parametrize("quality", [Quality.ERROR, Quality.STALE, Quality.PARTIAL, Quality.SUSPECT])
def test_anything_else_that_is_wrong_is_no_waiting(quality: Quality) -> None:
    half = snapshots.half_answered()
    latency, success, *rest = half.models[0].slos
    wrong = replace(success, burns=(replace(success.burns[0], quality=quality), *success.burns[1:]))
    assert first_line(snapshots.with_model(half, slos=(latency, wrong, *rest))).startswith("? UNKNOWN")


def test_a_source_that_does_not_answer_is_no_waiting() -> None:
    half = snapshots.half_answered()
    gone = Reason(Verdict.UNKNOWN, Urgency.NONE, "source", "prometheus", "Prometheus does not answer")
    assert first_line(snapshots.with_model(half, reasons=(gone, *half.models[0].reasons))).startswith("? UNKNOWN")


def test_a_failure_that_is_known_waits_for_nothing() -> None:
    half = snapshots.with_model(snapshots.half_answered(), verdict=Verdict.FAIL, urgency=Urgency.PAGE)
    assert first_line(half).startswith("✖ FAIL, page")
