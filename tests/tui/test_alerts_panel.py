"""The alerts on the on-call screen: until when one is silenced, and that it is about to be heard again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots
from triage.facts.alerts import AlertState
from triage.signals import wording
from triage.signals.model import AlertGroup
from triage.signals.reading import Urgency
from triage.tui.line import Role
from triage.tui.look import Look
from triage.tui.panels.alerts import alerts
from triage.tui.view import View

NOW = snapshots.NOW


def silenced(left_seconds: float | None, name: str = "ErrorBudgetBurn") -> AlertGroup:
    """An alert that is silenced for so long yet."""
    until = None if left_seconds is None else NOW + left_seconds
    one = replace(snapshots.alert(name), state=AlertState.SILENCED, silenced_by=("5c1",), silenced_until=until)
    return AlertGroup(name, "v8", "", Urgency.NONE, (one,))


def panel(*groups: AlertGroup, width: int = 80, rows: int = 6) -> list[str]:
    snapshot = snapshots.with_model(snapshots.healthy(), alerts=groups)
    view = View(snapshot, snapshot.models[0], None, NOW, 3600.0, None, None, Look(), width, 24)
    return [each.text.rstrip() for each in alerts(view, width, rows)]


def test_a_silenced_alert_says_until_when() -> None:
    head, row = panel(silenced(1800))
    assert head.strip() == "ALERTS"
    assert row.endswith(f"until {wording.clock_time(NOW + 1800, NOW)}  v8")


def test_five_minutes_before_it_is_heard_again_the_heading_and_its_row_warn() -> None:
    head, row = panel(silenced(290))
    assert head.strip().startswith("ALERTS  the silence of ErrorBudgetBurn ends in 4 min: a s makes it longer")
    assert row.endswith(f"until {wording.clock_time(NOW + 290, NOW)}, 4 min  v8")


def test_of_several_that_end_the_first_is_said_whichever_rows_are_shown() -> None:
    head, *_ = panel(*(silenced(240 - number, f"A{number}") for number in range(9)), rows=3, width=120)
    assert "9 silences end, the first in 3 min" in head


@pytest.mark.parametrize("left", [None, 301.0])
def test_before_that_nothing_warns(left: float | None) -> None:
    assert "ends" not in panel(silenced(left))[0]


def test_on_one_row_it_is_said_too() -> None:
    [only] = panel(silenced(60), rows=1)
    assert f"until {wording.clock_time(NOW + 60, NOW)}, 1 min" in only


def test_what_fires_though_a_silence_ends_soon_is_shown_as_firing() -> None:
    loud = snapshots.alert("ErrorBudgetBurn")
    quiet = silenced(60).alerts[0]
    head, row = panel(AlertGroup("ErrorBudgetBurn", "v8", "", Urgency.PAGE, (loud, quiet)))
    assert "ends" not in head
    assert "firing" in row


def test_the_warning_is_in_the_colour_of_one() -> None:
    snapshot = snapshots.with_model(snapshots.healthy(), alerts=(silenced(60),))
    view = View(snapshot, snapshot.models[0], None, NOW, 3600.0, None, None, Look(), 120, 40)
    head = alerts(view, 120, 4)[0]
    assert [role for text, role in head.spans if "ends in" in text] == [Role.WARN]
