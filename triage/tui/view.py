"""``View``: one frozen picture of what the screen is to show; panels are functions of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from triage.signals.drift_reading import moved
from triage.signals.reading import Verdict
from triage.tui.look import Look

if TYPE_CHECKING:
    from triage.incident.session import Board
    from triage.live.snapshot import BrokenNotebook, Snapshot
    from triage.runbook.session import Sheet
    from triage.signals.drift_reading import Moved
    from triage.signals.model import AlertGroup, ModelState, SloState

RANGES = (900.0, 1800.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0)
"""Time ranges of the charts, in seconds."""
WIDE = 100
"""Cells from which the table is shown in full."""
RUNBOOK_FROM = 118
"""Cells from which the runbook has its own column."""

ItemKind = Literal["verdict", "slo", "reason", "canary", "drift", "alert", "broken", "step"]


class Item(NamedTuple):
    """Something that can be selected and opened."""

    kind: ItemKind
    key: str
    """Name that stays the same from one snapshot to the next."""


TOP = Item("verdict", "")


@dataclass(frozen=True, slots=True)
class View:
    """What is shown, and as of when."""

    snapshot: Snapshot | None
    """None: nothing has arrived yet."""
    model: ModelState | None
    wanted: str | None
    """Model that was asked for; None: the feed chooses."""
    now: float
    """Unix seconds that ages are counted to."""
    range_seconds: float
    end: float | None
    """Unix time at which the charts end; None: they follow the present."""
    paused_at: float | None
    """Unix time at which the picture was stopped; None: it follows the facts."""
    look: Look
    width: int = 80
    height: int = 24
    """Of the terminal, in cells."""
    selected: Item = TOP
    alert_note: tuple[Verdict, str] | None = None
    """What became of the alert that was asked for, and the glyph it is shown with."""
    banner: str = ""
    """What the whole program works on when that is not the real world; "" otherwise. Known before any snapshot."""
    sheet: Sheet | None = None
    """The runbook of the model; None before it was looked at."""
    write: bool = False
    """Whether actions may change something."""
    unknown: tuple[str, ...] = ()
    """Actions on the model of which nobody knows how they ended, each a sentence."""
    board: Board | None = None
    """The incident of the model; None before it was looked for."""
    under_way: tuple[tuple[str, str], ...] = ()
    """(what is being done to the model now, the keys that show it or "") for each action, here and elsewhere."""
    held_back: bool = False
    """Whether actions were to change something, and a kill switch is on."""

    @property
    def marker(self) -> str:
        """The word that stands on every screen so that nobody takes one environment for another; "" for none."""
        if self.banner:
            return self.banner
        return "PRODUCTION" if self.snapshot is not None and self.snapshot.production else ""

    @property
    def is_silent(self) -> bool:
        """Whether Prometheus is known not to answer: no figure of its is called present then."""
        return self.snapshot is not None and any(s.name == "prometheus" and s.state == "down"
                                                 for s in self.snapshot.sources)

    @property
    def broken(self) -> BrokenNotebook | None:
        """The notebook of the model that was asked for, when it cannot be used; else None."""
        if self.snapshot is None or self.model is not None:
            return None
        return next((item for item in self.snapshot.broken if item.name == self.wanted), None)

    @property
    def width_is_wide(self) -> bool:
        """Whether there is room for the full wording."""
        return self.width >= WIDE

    def items(self) -> tuple[Item, ...]:
        """What can be selected, in the order of the screen; the verdict first."""
        items = [TOP]
        if self.model is not None:
            items += [Item("slo", slo.name) for slo in arranged_slos(self.model)]
            items += [Item("reason", reason_key(n, self.model)) for n in range(1, len(self.model.reasons))]
            if self.model.canary is not None and self.model.canary.state is not None:
                items += [Item("canary", metric.name) for metric in self.model.canary.state.metrics]
            if self.model.drift is not None:
                items += [Item("drift", drift_key(item)) for item in moved(self.model.drift, self.model.versions)]
            items += [Item("alert", alert_key(group)) for group in self.model.alerts]
        if self.snapshot is not None:
            items += [Item("broken", notebook.path) for notebook in self.snapshot.broken]
        if self.sheet is not None and self.width >= RUNBOOK_FROM and (self.sheet.why or self.sheet.begun):
            items += [Item("step", standing.step.id) for standing in self.sheet.standings]
        return tuple(dict.fromkeys(items))

    def chosen(self) -> Item:
        """The selected item, the verdict when it is gone."""
        return self.selected if self.selected in self.items() else TOP


def reason_key(number: int, model: ModelState) -> str:
    """Key of one reason: what it is about, numbered where several are about the same."""
    reason = model.reasons[number]
    same = sum(r.rule == reason.rule and r.subject == reason.subject for r in model.reasons[:number])
    return f"{reason.rule}\n{reason.subject}\n{same}"


def alert_key(group: AlertGroup) -> str:
    """Key of one group of alerts."""
    return f"{group.name}\n{group.version}\n{group.deployment}"


def drift_key(item: Moved) -> str:
    """Key of one watched feature."""
    return f"{item.feature.feature}\n{'prediction' if item.feature.is_prediction else 'feature'}"


_SEVERITY = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1, Verdict.WARN: 2, Verdict.LOW_N: 3, Verdict.PENDING: 4,
             Verdict.PASS: 5, Verdict.NOT_JUDGED: 6}
FEW_SLOS = 8
"""Up to so many objectives keep the notebook's order; more are sorted, worst first."""


def arranged_slos(model: ModelState) -> Sequence[SloState]:
    """Objectives in the order of the screen."""
    if len(model.slos) <= FEW_SLOS:
        return model.slos
    return sorted(model.slos, key=lambda slo: (_SEVERITY[slo.verdict], not slo.required))


def window_of(total: int, selected: int | None, rows: int) -> range:
    """Which of ``total`` rows are shown in ``rows``, keeping ``selected`` in sight."""
    if rows <= 0:
        return range(0)
    start = 0 if selected is None else min(max(0, selected - rows // 2), max(0, total - rows))
    return range(start, min(total, start + rows))
