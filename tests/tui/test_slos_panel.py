"""The objectives on the on-call screen: what a row says when its figures are doubtful or old."""

from __future__ import annotations

from dataclasses import replace

from tests.tui import snapshots
from triage.signals.model import SloState
from triage.signals.reading import Quality
from triage.tui.look import Look
from triage.tui.panels.slos import slos
from triage.tui.view import View


def row(slo: SloState) -> str:
    snapshot = snapshots.with_model(snapshots.too_few(), slos=(slo,))
    view = View(snapshot, snapshot.models[0], None, snapshots.NOW, 3600.0, None, None, Look(), 120, 40)
    return slos(view, 85, 2)[1].text.rstrip()


def test_a_budget_of_too_few_events_is_no_figure_when_the_source_is_silent_either() -> None:
    [young] = [s for s in snapshots.too_few().models[0].slos if s.budget and s.budget.quality is Quality.LOW_N]
    assert row(young).endswith("too few")
    old = replace(young, now=replace(young.now, quality=Quality.STALE, sampled_at=snapshots.NOW - 252))
    assert row(old).endswith("too few) 4 min")
