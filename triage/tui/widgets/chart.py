"""``ChartBox``: a chart that is drawn again only when something in it changed."""

from __future__ import annotations

from triage.tui.look import Look
from triage.tui.panels.charts import Chart
from triage.tui.widgets.lines import Lines


class ChartBox(Lines):
    """Shows one chart; equal charts cost a comparison, changed ones the rows that differ."""

    DEFAULT_CSS = "ChartBox { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: tuple[Chart, int, int, Look] | None = None

    def show(self, chart: Chart, width: int, height: int, look: Look) -> None:
        """Draw ``chart`` into ``width`` by ``height`` cells."""
        wanted = (chart, width, height, look)
        if wanted != self._drawn:
            self._drawn = wanted
            self.set_lines(chart.lines(width, height, look), look)
