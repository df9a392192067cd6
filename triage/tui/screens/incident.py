"""The incident: the commander's view, with the timeline; settle what is believed, hand it over, close it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import BindingType

from triage.tui.incident_dialogs import Dialogs
from triage.tui.keymap import INCIDENT
from triage.tui.panels import incident as panel
from triage.tui.screens.base import Host
from triage.tui.screens.under_verdict import TwoColumns
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.tui.incident_link import IncidentLink


class IncidentHost(Host):
    """The program, as this screen sees it."""

    incident: IncidentLink

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""

    def copy_text(self, text: str) -> None:
        """Send ``text`` to the clipboard, and show it."""


class IncidentScreen(TwoColumns, inherit_bindings=False):
    """Shows the incident of the model; the verdict stays in sight above it."""

    BINDINGS: ClassVar[list[BindingType]] = list(INCIDENT)

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._chosen: panel.Pick | None = None

    @property
    def _host(self) -> IncidentHost:
        return cast(IncidentHost, self.app)

    @property
    def _dialogs(self) -> Dialogs:
        return Dialogs(self.app, self._host.incident, self._view)

    def on_mount(self) -> None:
        """Who looks at it takes part in it. (Textual calls the same of the class above, too.)"""
        self._host.incident.join()

    def update_from(self, view: View) -> None:
        """Show the incident; where there is room its timeline stands beside it."""
        self._view = view
        self.update_verdict(view)
        width, rows = view.width, max(0, view.height - 4)
        board = view.board
        chosen = self._chosen if self._chosen in panel.picks(board) else None
        side = panel.side_cells(width) if board is not None and board.incident is not None else 0
        self.set_width("right", side)
        if side and board is not None:
            self.lines("right").set_lines(panel.beside(view, board, chosen, side, rows), view.look)
        self.lines("left").set_lines(panel.commander(view, board, chosen, width - side - (1 if side else 0), rows,
                                                     with_timeline=not side), view.look)

    def action_move(self, step: int) -> None:
        """Select another thing; from none the first step goes to the first, or to the newest row."""
        view = self._view
        found = panel.picks(view.board) if view is not None else ()
        if view is None or not found:
            return
        if self._chosen not in found:
            self._chosen = found[0] if step > 0 and step < len(found) else found[-1]
        else:
            self._chosen = found[min(len(found) - 1, max(0, found.index(self._chosen) + step))]
        self.update_from(view)

    def action_open_incident(self) -> None:
        """Open an incident, or the next one after one that was closed."""
        self._dialogs.open()

    def action_enter(self) -> None:
        """What is selected: settle it, accept it, put it otherwise, or read it."""
        if self._chosen is None:
            self._host.say("j and k select something first")
        else:
            self._dialogs.enter(self._chosen)

    def action_role(self) -> None:
        """Who has which role."""
        self._dialogs.role()

    def action_time(self) -> None:
        """A named time, by hand."""
        self._dialogs.time()

    def action_told(self) -> None:
        """A status update was given."""
        self._dialogs.told()

    def action_hand_off(self) -> None:
        """Give the incident to somebody, or accept it."""
        self._dialogs.hand_off()

    def action_end(self) -> None:
        """Close the incident."""
        self._dialogs.end()

    def action_export(self) -> None:
        """Write the draft of the postmortem."""
        self._host.incident.export()

    def action_close(self) -> None:
        """Nothing selected, then back to where it was opened."""
        if self._chosen is not None and self._view is not None:
            self._chosen = None
            self.update_from(self._view)
        else:
            self.dismiss(None)

    def as_text(self, view: View) -> str:
        """The status update for those who wait."""
        from triage.incident.update import status_update
        if view.board is None or view.board.incident is None:
            return super().as_text(view)
        return status_update(view.board.incident, view.snapshot, view.model, view.now)
