"""The model's state as plain text, for a chat or a ticket: every number with its n and its age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.reading import Urgency
from triage.tui.look import Look
from triage.tui.panels import alerts, canary, drift, slos, top
from triage.tui.view import TOP, View

if TYPE_CHECKING:
    from triage.signals.model import AlertGroup, VersionState

_TABLE_CELLS = 100
"""Of the table of objectives; sentences are as long as they are."""


def as_text(view: View) -> str:
    """The state of the model that is shown, nothing of it cut off; "" before there is one.

    For other people at other times: when a version or an alert began is told in UTC. Of a model whose notebook cannot
    be used, every error of that.
    """
    if view.snapshot is not None and view.broken is not None:
        errors = (f"  {error}" for error in view.broken.errors)
        where = f"{view.broken.name} in {view.snapshot.context}, {_moment(view.now)}"
        return "\n".join([where, f"UNKNOWN  its model notebook cannot be used: {view.broken.path}", *errors]) + "\n"
    if view.snapshot is None or view.model is None:
        return ""
    model = view.model
    # The same words as on a screen that is wide enough for all of them, without selection.
    width = slos.UNCUT
    wide = replace(view, width=width, height=60, look=Look(ascii=view.look.ascii), selected=TOP, alert_note=None)
    age = "no data yet" if model.data_at is None else f"data {wording.age(view.now - model.data_at)} old"
    marker = f" {view.marker}" if view.marker else ""
    rows = [
        f"{model.name} in {view.snapshot.context}{marker}, {_moment(view.now)}, {age}",
        *(r.text for r in top.verdict(wide, width, 9)),
        *(r.text for r in top.source_lines(wide, width)),
        f" versions {', '.join(_version(v) for v in model.versions.items) or 'none seen'}",
        f" owners {', '.join(model.owners) or '-'}",
    ]
    rows += [r.text for r in top.reasons(wide, width, 40)]
    rows += ["", *(r.text for r in slos.slos(wide, _TABLE_CELLS, 200, uncut=True))]
    grouped = [r.text for r in slos.groups(wide, width, 40)]
    rows += ["", *grouped] if grouped else []
    compared = [r.text for r in canary.canary(wide, width, 60)]
    rows += ["", *compared] if compared else []
    watched = [r.text for r in drift.drift(wide, width, 200)]
    rows += ["", *watched] if watched else []
    rows += ["", *_alerts(wide, model.alerts)]
    rows += [r.text for r in alerts.notes(wide, width, 20)]
    return "\n".join(view.look.say(row).rstrip() for row in rows) + "\n"


def _version(version: VersionState) -> str:
    share = "-" if version.share.value is None else wording.share(version.share.value)
    began = "" if version.first_seen is None else f"since {_moment(version.first_seen)}"
    return " ".join(word for word in (version.version, version.arm, share, began) if word)


def _alerts(view: View, groups: tuple[AlertGroup, ...]) -> Iterator[str]:
    if not groups:
        yield from (r.text for r in alerts.alerts(view, slos.UNCUT, 1))
        return
    yield "   ALERTS"
    for group in groups:
        urgency = "" if group.urgency is Urgency.NONE else f" {group.urgency}"
        of = "".join(f" {word}" for word in (group.version, group.deployment) if word)
        many = f", {len(group.alerts)} alerts" if len(group.alerts) > 1 else ""
        until = f", until {_moment(group.silenced_until)}" if group.silenced_until is not None else ""
        yield (f" {view.look.glyph(alerts.verdict_of(group, view.now))} {group.name}{urgency} {group.state} since "
               f"{_moment(group.since)} ({wording.coarse_age(max(0.0, view.now - group.since))})"
               f"{of}{many}{until}")


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
