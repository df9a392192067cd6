"""The action menu: a letter is an action; what is not possible says why."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from triage.tui.line import Role, line
from triage.tui.panels.menu import LETTERS, WORDS, menu
from triage.tui.screens.ask import Ask
from triage.tui.screens.box import Box
from triage.tui.theme import Palette
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.tui.action_link import ActionLink

FIGURES = {"scale": ("replicas=6", "how many replicas"),
           "silence": ("alert=NAME duration=1h", "which alert, and for how long"),
           "expire-silence": ("silence=ID", "which silence")}
"""(example, question) of the actions that need more than their name."""


class ActMenu(Box[None], inherit_bindings=False):
    """Closes with a letter, or with esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "back", id="act.cancel")]

    def __init__(self, link: ActionLink) -> None:
        super().__init__()
        self._link = link
        self._full = False
        self._view: View | None = None
        self._palette: Palette | None = None

    def on_mount(self) -> None:
        """Filled at once: its letters can be pressed before the systems have answered."""
        self._link.paint()

    def update_from(self, view: View, palette: Palette) -> None:
        self._view, self._palette = view, palette
        mark = "WRITE" if self._link.state.writes else "READ-ONLY: an action is planned, not carried out"
        name = view.model.name if view.model is not None else ""
        rows, is_cut = menu(replace(self._link.menu(), full=self._full), view.look, self.inside(view),
                            self.most_rows(view, asks=False))
        full = "   d less" if self._full else "   d all in full" if is_cut else ""
        self.put(view, palette, f"ACT on {name}", rows, None,
                 line((f"a letter opens its plan, nothing is sent yet{full}   esc back", Role.DIM)).fitted(
                     self.inside(view), view.look.ellipsis), mark)

    def on_key(self, event: events.Key) -> None:
        """A letter of the menu."""
        key = event.character or ""
        if event.key in ("down", "up", "pagedown", "pageup"):
            self.scroll_rows({"down": 1, "up": -1, "pagedown": self.page_rows, "pageup": -self.page_rows}[event.key])
            self._link.paint()
        elif key == "d":
            self._full = not self._full
            self._link.paint()
        elif key in LETTERS:
            self._choose(LETTERS[key])
        elif key == "x":
            self.dismiss(None)
            self._link.run_cell()
        elif key == "p":
            self._approve()
        elif key == "w":
            self.dismiss(None)
            self._link.watch()
        elif key == "v" and self._link.menu().open_ends:
            self.dismiss(None)
            self._link.find_out()
        else:
            return
        event.stop()

    def _choose(self, action: str) -> None:
        if action not in FIGURES or self._view is None or self._palette is None:
            self.dismiss(None)
            self._link.choose(action)
            return
        example, question = FIGURES[action]

        def take(text: str | None) -> None:
            if text is None:
                return
            self.dismiss(None)
            self._link.choose(action, parameters=figures_of(text))
        self.app.push_screen(Ask(f"{WORDS[action]}: {question}", example, "", self._view.look, self._palette,
                                 "NAME=VALUE, then enter  esc back"), take)

    def _approve(self) -> None:
        if self._view is None or self._palette is None:
            return

        def take(text: str | None) -> None:
            if text:
                self.dismiss(None)
                self._link.approve(text)
        self.app.push_screen(Ask("approve a plan: the file that was shared", "promote-3f9ac21e.json", "",
                                 self._view.look, self._palette, "enter reads it  esc back"), take)

    def action_cancel(self) -> None:
        """Back."""
        self.dismiss(None)


def figures_of(text: str) -> dict[str, str]:
    """``alert=High latency duration=1h``: a value ends where the next figure begins, and may hold spaces."""
    names = "|".join(name for name, *_ in (word.split("=") for example, _ in FIGURES.values()
                                           for word in example.split()))
    words = re.split(rf"\s+(?=(?:{names}|matchers|incident)=)", text.strip())
    return {name: value.strip() for name, _, value in (word.partition("=") for word in words)}
