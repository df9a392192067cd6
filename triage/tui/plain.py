"""The model's state as plain text, for a chat or a ticket: every number with its n and its age."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from triage.signals import wording
from triage.tui.look import Look
from triage.tui.panels import alerts, slos, top
from triage.tui.view import TOP, View

_WIDEST = 100


def as_text(view: View) -> str:
    """The state of the model that is shown, in lines no wider than the screen and 100 cells; "" before there is one.

    Of a model whose notebook cannot be used, every error of that.
    """
    if view.snapshot is not None and view.broken is not None:
        errors = (f"  {error}" for error in view.broken.errors)
        where = f"{view.broken.name} in {view.snapshot.context}, {_moment(view.now)}"
        return "\n".join([where, f"UNKNOWN  its model notebook cannot be used: {view.broken.path}", *errors]) + "\n"
    if view.snapshot is None or view.model is None:
        return ""
    model = view.model
    width = max(40, min(_WIDEST, view.width - 2))
    # The same words as on a wide screen without selection.
    wide = replace(view, height=60, look=Look(ascii=view.look.ascii), selected=TOP, alert_note=None)
    age = "no data yet" if model.data_at is None else f"data {wording.age(view.now - model.data_at)} old"
    marker = f" {view.marker}" if view.marker else ""
    rows = [
        f"{model.name} in {view.snapshot.context}{marker}, {_moment(view.now)}, {age}",
        *(r.text for r in top.verdict(wide, width, 9)),
        *(r.text for r in top.source_lines(wide, width)),
        " versions "
        + (
            ", ".join(
                f"{v.version} {v.arm} {'-' if v.share.value is None else wording.share(v.share.value)}".replace(
                    "  ", " "
                )
                for v in model.versions.items
            )
            or "none seen"
        ),
    ]
    rows += [r.text for r in top.reasons(wide, width, 40)]
    rows += ["", *(r.text for r in slos.slos(wide, width, 200))]
    grouped = [r.text for r in slos.groups(wide, width, 40)]
    rows += ["", *grouped] if grouped else []
    rows += ["", *(r.text for r in alerts.alerts(wide, width, 200))]
    rows += [r.text for r in alerts.notes(wide, width, 20)]
    return "\n".join(row.rstrip() for row in rows) + "\n"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
