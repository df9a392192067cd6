"""Retrain triggers in reports: which hold, for how long, and who must approve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from triage.report.characters import Characters
from triage.report.times import iso
from triage.signals.model import ModelState
from triage.signals.reading import Verdict
from triage.signals.retrain import TriggerState


def retrain_json(model: ModelState) -> list[dict[str, Any]]:
    """``retrain`` of ``triage.status/v1``; [] without triggers, or before they were judged."""
    return [{"condition": t.condition, "state": str(t.state), "subjects": list(t.subjects),
             "sustained_seconds": t.sustained_seconds, "since": iso(t.since), "approval": t.approval,
             "sentence": t.sentence} for t in model.retrain]


def retrain_parts(model: ModelState, at: float, chars: Characters,
                  styles: Mapping[Verdict, str]) -> Iterator[RenderableType]:
    """A line for each trigger that is not quiet."""
    for number, trigger in enumerate(t for t in model.retrain if t.state is not TriggerState.QUIET):
        style = styles.get(Verdict.WARN, "") if trigger.state is TriggerState.ASKED else ""
        yield Text.assemble(("retrain   " if not number else " " * 10, "dim"), (chars.say(trigger.sentence), style))
