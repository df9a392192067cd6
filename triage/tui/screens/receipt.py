"""An action as it happens, until it has recovered or somebody has to be called; then its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from triage.tui.line import Role, line
from triage.tui.panels.course import course
from triage.tui.screens.box import Box
from triage.tui.theme import Palette
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.tui.action_link import ActionLink

_KEYS = {"down": 1, "j": 1, "up": -1, "k": -1}


class Receipt(Box[None], inherit_bindings=False):
    """Closing it stops nothing: the action is watched on."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "back", id="receipt.cancel")]

    def __init__(self, link: ActionLink, action_id: str) -> None:
        super().__init__()
        self._link, self.action_id = link, action_id
        self._follows = True
        """Whether the newest rows are shown, as they come."""

    def on_mount(self) -> None:
        """Filled at once."""
        self._link.paint()

    def update_from(self, view: View, palette: Palette) -> None:
        shown = self._link.course(self.action_id)
        plan = shown.prepared.plan
        verb, _, rest = plan.title.partition(" ")
        keys = "esc closes it" if shown.is_over else "esc closes this; it is carried out and watched on, see a w"
        rows = course(shown, view.look, self.inside(view))
        if self._follows:
            self.scroll_to_end(rows)
        self.put(view, palette, f"{verb.upper()} {rest}", rows, None,
                 line((keys, Role.DIM)).fitted(self.inside(view), view.look.ellipsis), f"plan {plan.short}")

    def on_key(self, event: events.Key) -> None:
        """Scroll where not all fits."""
        if event.key in _KEYS:
            event.stop()
            self.scroll_rows(_KEYS[event.key])
            self._follows = self.is_at_end
            self._link.paint()

    def action_cancel(self) -> None:
        """Close it."""
        self.dismiss(None)
