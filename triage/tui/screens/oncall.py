"""The on-call screen: verdict first, then the evidence, most important first."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from triage.tui.keymap import ON_CALL
from triage.tui.layout import Need, Place, allot
from triage.tui.line import Line, Role, line, wrap
from triage.tui.panels import alerts, canary, charts, drift, runbook, slos, timeline, top
from triage.tui.screens.base import RETRY_CELLS, TriageScreen
from triage.tui.view import RUNBOOK_FROM, View
from triage.tui.widgets.chart import ChartBox
from triage.tui.widgets.lines import Lines

RUNBOOK_CELLS = 35
TALL = 32
"""Rows from which trends are charts; under that they are one row each."""
SECTIONS = ("slos", "reasons", "latency", "errors", "sparks", "groups", "canary", "drift", "alerts", "steps", "broken",
            "notes")
PRIORITY = ("slos", "alerts", "steps", "broken", "reasons", "canary", "drift", "sparks", "latency", "errors", "groups",
            "notes")
LEAST = (24, 7)
"""Cells and rows under which only the verdict is shown."""


class OnCall(TriageScreen, inherit_bindings=False):
    """What the engineer on call looks at."""

    DEFAULT_CSS = """
    OnCall #verdict { height: 1; }
    OnCall #retry { width: 0; height: 1; }
    OnCall #sources { height: 0; }
    OnCall #rule { height: 1; }
    OnCall #body { height: 1fr; width: 1fr; background: ansi_default; }
    OnCall #left { width: 1fr; height: 1fr; background: ansi_default; }
    OnCall #runbook { width: 0; height: 1fr; }
    OnCall #left Lines { height: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(ON_CALL)

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[str, Place] = {}

    def compose(self) -> ComposeResult:
        yield from self.compose_header()
        with Horizontal(id="say"):
            yield Lines(id="verdict")
            yield Lines(id="retry")
        yield Lines(id="sources")
        yield Lines(id="rule")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                for name in SECTIONS:
                    yield ChartBox(id=name) if name in ("latency", "errors") else Lines(id=name)
            yield Lines(id="runbook")
        yield Lines(id="footer")

    def update_from(self, view: View) -> None:
        """Show the view: the rows of each part first, then what stands in them."""
        width, height = view.width, view.height
        if width < LEAST[0] or height < LEAST[1]:
            self._tiny(view, width, height)
            return
        self.update_header(view)
        retry = top.retry(view)
        retry_cells = RETRY_CELLS if retry.spans and width >= 60 else 0
        self.set_width("retry", retry_cells)
        self.lines("retry").set_lines([line(" " * max(0, retry_cells - retry.width - 1), retry)], view.look)
        said = top.verdict(view, width - retry_cells, 2 if height >= 16 else 1)
        silent = top.source_lines(view, width)[:2 if height >= 16 else 0]
        self._height("say", len(said))
        self._rows("verdict", said, view)
        self._rows("sources", silent, view)
        self._rows("rule", [top.rule(view, width)], view)
        self._body(view, width, height - 3 - len(said) - len(silent))

    def _body(self, view: View, width: int, rows: int) -> None:
        side = RUNBOOK_CELLS if width >= RUNBOOK_FROM and rows >= 12 else 0
        left = width - side
        self.set_width("runbook", side)
        if side:
            below = timeline.column(view, side, rows // 3)
            self.lines("runbook").set_lines([*runbook.column(view, side, rows - len(below)), *below], view.look)
        latency, errors = charts.chart(view, "latency", left - 1), charts.chart(view, "errors", left - 1)
        needs = self._needs(view, left, latency, errors)
        strip = 0 if side else runbook.strip_rows(view)
        needs.append(Need("steps", 1, strip, strip, spaced=view.height >= TALL))
        places = allot(rows, needs, PRIORITY)
        for name, place in places.items():
            self._place(name, place)
        for name, chart in (("latency", latency), ("errors", errors)):
            box = self.query_one(f"#{name}", ChartBox)
            box.show(chart, left - 1, places[name].rows, view.look)
        for name, content in (
                ("slos", slos.slos(view, left, places["slos"].rows)),
                ("reasons", top.reasons(view, left, places["reasons"].rows)),
                ("sparks", charts.sparks(view, left, places["sparks"].rows)),
                ("groups", slos.groups(view, left, places["groups"].rows)),
                ("canary", canary.canary(view, left, places["canary"].rows)),
                ("drift", drift.drift(view, left, places["drift"].rows)),
                ("alerts", alerts.alerts(view, left, places["alerts"].rows)),
                ("steps", runbook.strip(view, left, places["steps"].rows)),
                ("broken", alerts.broken(view, left, places["broken"].rows)),
                ("notes", alerts.notes(view, left, places["notes"].rows))):
            self.lines(name).set_lines(content[:places[name].rows], view.look)

    def _needs(self, view: View, left: int, latency: charts.Chart, errors: charts.Chart) -> list[Need]:
        model = view.model
        tall = view.height >= TALL and left >= 50
        count = len(model.slos) if model is not None else 0
        groups = sum(bool(s.by_label) for s in model.slos) if model is not None else 0
        alert_rows = len(model.alerts) + 1 if model is not None and model.alerts else 1
        further = len(model.reasons) - 1 if model is not None else 0
        wrong = len(top.errors(view, left))
        broken = len(view.snapshot.broken) if view.snapshot is not None else 0
        notes = len(model.notes) if model is not None else 0
        sparks = 0 if tall or view.broken is not None else len(charts.sparks(view, left, 9))
        drawn = [(c, len(c.heading)) for c in (latency, errors)]
        compared = canary.wants(view, left)
        # Beside a comparison the charts say less: its table has the numbers of both versions.
        beside = compared[0] > 1
        (latency_head, errors_head) = ((3 if beside and number else head + 5 - number - beside)
                                       if chart.plot is not None else 1 for number, (chart, head) in enumerate(drawn))
        return [
            Need("slos", min(4, count + 1), count + 1 if count <= 12 else 13, count + 1 if count else 1, spaced=False),
            Need("reasons", 2, wrong or (1 + min(further, 4) if further else 0), wrong or 1 + further),
            Need("latency", 1, latency_head if tall else 0, 22 if latency.plot is not None else 1),
            Need("errors", 1, errors_head if tall else 0, 16 if errors.plot is not None else 1),
            Need("sparks", 1, sparks, sparks),
            Need("groups", 1, min(groups, 3), groups),
            Need("canary", 1, *compared),
            Need("drift", 1, *drift.wants(view), spaced=view.height >= TALL),
            Need("alerts", 1, min(alert_rows, 7), alert_rows),
            Need("broken", min(1, broken), min(broken, 3), broken),
            Need("notes", 1, min(notes, 3), notes, spaced=False),
        ]

    def _rows(self, name: str, content: tuple[Line, ...] | list[Line], view: View) -> None:
        self._height(name, len(content))
        self.lines(name).set_lines(content, view.look)

    def _height(self, name: str, rows: int) -> None:
        widget = self.query_one(f"#{name}")
        height = widget.styles.height
        if height is None or height.value != rows:
            widget.styles.height = rows

    def _place(self, name: str, place: Place) -> None:
        if self._places.get(name) == place:
            return
        self._places[name] = place
        widget = self.lines(name)
        widget.styles.height = place.rows
        widget.styles.margin = (place.space, 0, 0, 0)

    def update_footer(self, view: View, message: str = "") -> None:
        """The keys; on a terminal too small for them, how small it is."""
        small = view.width < LEAST[0] or view.height < LEAST[1]
        super().update_footer(view, f"{view.width}x{view.height} is small: 60x16 shows more" if small else message)

    def asks(self, view: View) -> list[tuple[str, str]]:
        """An incident, where the verdict calls for one and none is open."""
        return [("5", "open an incident")] if view.board is not None and view.board.wanted else []

    def _tiny(self, view: View, width: int, height: int) -> None:
        """Only the verdict, in as many rows as there are."""
        self.set_width("age", 0)
        self.set_width("badges", 0)
        self.set_width("retry", 0)
        self.set_width("runbook", 0)
        where = line((view.marker, Role.PRODUCTION), " " if view.marker else "",
                     view.model.name if view.model is not None else "triage")
        self.lines("where").set_lines([where.fitted(width)], view.look)
        said = " ".join(row.text.strip() for row in top.verdict(view, 400, 1))
        role = top.verdict(view, 400, 1)[0].spans[1][1]
        body = wrap(view.look.say(said), max(1, width))[:max(0, height - 2)]
        shown = [line((text, Role.PLAIN if number else role)).fitted(width) for number, text in enumerate(body)]
        self._height("say", len(shown))
        self._rows("verdict", shown, view)
        self._rows("sources", [], view)
        self._rows("rule", [], view)
        for name in SECTIONS:
            self._place(name, Place(0, 0))
