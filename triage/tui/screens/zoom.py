"""``Zoom``: one panel on the full screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from textual.binding import BindingType
from textual.widget import Widget

from triage.signals.canary_words import on_trial
from triage.tui.keymap import ZOOMED
from triage.tui.panels import alerts, canary, charts, slos
from triage.tui.screens.under_verdict import UnderVerdict
from triage.tui.view import View
from triage.tui.widgets.chart import ChartBox
from triage.tui.widgets.lines import Lines

Panel = Literal["latency", "errors", "slos", "canary", "alerts"]
PANELS: tuple[Panel, ...] = ("latency", "errors", "slos", "canary", "alerts")


def panels(view: View | None) -> tuple[Panel, ...]:
    """Those that have something to show: a comparison only with a version on trial."""
    compared = view is not None and view.model is not None and on_trial(view.model) is not None
    return tuple(panel for panel in PANELS if panel != "canary" or compared)


def panel_for(view: View) -> Panel:
    """The panel that belongs to what is selected."""
    chosen = view.chosen()
    if chosen.kind == "alert":
        return "alerts"
    if chosen.kind == "canary":
        return "canary"
    if chosen.kind == "slo" and view.model is not None:
        units = {t.unit for t in view.model.trends if t.slo == chosen.key}
        return "latency" if "s" in units else "errors" if "ratio" in units else "slos"
    return "latency"


class Zoom(UnderVerdict, inherit_bindings=False):
    """The verdict stays in sight above the panel."""

    DEFAULT_CSS = """
    Zoom #chart, Zoom #table { height: 1fr; }
    Zoom .-hidden { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(ZOOMED)

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.panel: Panel = panel
        self._view: View | None = None

    def compose_body(self) -> Iterable[Widget]:
        """The chart and the table, of which one is seen."""
        drawn = self.panel in ("latency", "errors")
        return ChartBox(id="chart", classes="" if drawn else "-hidden"), Lines(
            id="table", classes="-hidden" if drawn else "")

    def update_from(self, view: View) -> None:
        """Show the panel in all the room there is."""
        self._view = view
        self.update_verdict(view)
        width, rows = view.width, max(1, view.height - 4)
        if self.panel == "latency" or self.panel == "errors":
            built = charts.chart(view, self.panel, width - 1)
            self.query_one("#chart", ChartBox).show(built, width - 1, rows, view.look)
        elif self.panel == "slos":
            self.lines("table").set_lines(slos.slos(view, width, rows), view.look)
        elif self.panel == "canary":
            self.lines("table").set_lines(canary.canary(view, width, rows), view.look)
        else:
            self.lines("table").set_lines(alerts.alerts(view, width, max(2, rows)), view.look)

    def action_next_panel(self) -> None:
        """The next panel."""
        there = panels(self._view)
        self.panel = there[(there.index(self.panel) + 1) % len(there)] if self.panel in there else there[0]
        drawn = self.panel in ("latency", "errors")
        self.lines("chart").set_class(not drawn, "-hidden")
        self.lines("table").set_class(drawn, "-hidden")
        if self._view is not None:
            self.update_from(self._view)

    def action_close(self) -> None:
        """Back to the whole screen."""
        self.dismiss(None)
