"""What is shown of an action while it is carried out and watched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.actions import building
from triage.actions.guards import check
from triage.actions.history import Outcome
from triage.actions.moment import Moment
from triage.actions.plan import Action
from triage.actions.steps import Prepared, Stage, Step
from triage.actions.system import Fate, Progress, Wish
from triage.actions.verifying import Recovery
from triage.tui.look import Look
from triage.tui.panels.course import Course, course

OF = building.circumstances()
PREPARED = Prepared("0" * 16, Wish(Action.ROLLBACK), OF.plan, check(OF), (), OF, Moment(building.NOW, 0.0))
WATCHING = Step(building.NOW, Stage.VERIFYING, "v7 serves; latency: not met yet", progress=Progress.REACHED,
                recovery=(Recovery("latency", False, "latency: not met yet"),), deadline=building.NOW + 600)


def said(*steps: Step) -> str:
    return "\n".join(row.text for row in course(Course(PREPARED, steps, now=building.NOW), Look(), 76))


@pytest.mark.parametrize(("progress", "told"), [
    (Progress.REACHED, "watching the readings, 10 min left\n"),
    (Progress.CANNOT_TELL, "watching the readings, 10 min left; its target: cannot tell\n"),
    (Progress.UNDER_WAY, "watching the readings, 10 min left; its target: under way\n")])
def test_while_readings_are_watched_a_target_that_is_not_seen_there_any_more_is_told(
        progress: Progress, told: str) -> None:
    assert told in said(replace(WATCHING, progress=progress))


def test_a_request_that_was_held_back_is_no_request_that_was_done() -> None:
    why = "it has changed since the plan was made"
    shown = said(
        Step(building.NOW, Stage.INTENT, "patch the template", request=0),
        Step(building.NOW, Stage.SENT, f"not sent: {why}", request=0, fate=Fate.NOT_SENT),
        Step(building.NOW, Stage.OUTCOME, f"not carried out, nothing was sent: {why}", outcome=Outcome.REFUSED))
    [row] = [row for row in shown.splitlines() if "sent 1 of 1" in row]
    assert row.startswith("✖ ")
    assert "REFUSED  not carried out, nothing was sent" in shown
