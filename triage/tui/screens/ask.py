"""``Ask``: one line of text from the person in front of the terminal."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from triage.tui.line import Role, line, wrap
from triage.tui.look import Look
from triage.tui.theme import Palette
from triage.tui.widgets.lines import Lines

_LONGEST = 200
_CELLS = 56
"""Between the borders of the box."""


class _Field(Input):
    """Takes enter at its turn among the keys: by itself Textual takes it after those that were typed behind it, and
    a key that was meant for the screen below would become a part of the text."""

    _taken = False

    async def on_key(self, event: Key) -> None:
        """End the text at enter."""
        if self._taken or event.key == "enter":
            event.stop()
            event.prevent_default()
            if not self._taken:
                self._taken = True
                await self.action_submit()


class Ask(ModalScreen[str | None], inherit_bindings=False):
    """A dialog with one input; letters belong to the input. Gives the text, None when it was left."""

    DEFAULT_CSS = """
    Ask { align: center middle; background: transparent; }
    Ask #box { width: 60; max-width: 100%; height: auto; max-height: 100%; border: round $border; padding: 0 1;
               background: ansi_default; }
    Ask #box.ascii { border: ascii $border; }
    Ask Input, Ask Input:focus { border: none; height: 1; padding: 0; background: ansi_default; width: 1fr; }
    Ask #whole { height: 0; }
    Ask #keys { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "back", id="ask.cancel")]

    def __init__(self, title: str, placeholder: str, text: str, look: Look, palette: Palette,
                 keys: str = "enter look  empty: all  esc back") -> None:
        super().__init__()
        self._keys = keys
        self._heading = title
        self._placeholder = placeholder
        self._text = text
        self._look = look
        self._palette = palette

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            field = _Field(self._text, placeholder=self._placeholder, id="text", max_length=_LONGEST)
            field.cursor_blink = False
            yield field
            yield Lines(id="whole")
            yield Lines(id="keys")

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.set_class(self._look.ascii, "ascii")
        box.border_title = self._heading
        for part in self.query(Lines):
            part.set_look(self._palette)
        self.query_one("#keys", Lines).set_lines([line((self._keys, Role.DIM)).fitted(_CELLS)], self._look)
        self._show_whole(self._text)

    @on(Input.Changed)
    def changed(self, event: Input.Changed) -> None:
        """Of a text that is longer than its field, all of it stands below."""
        self._show_whole(event.value)

    def _show_whole(self, text: str) -> None:
        rows = wrap(self._look.say(text), _CELLS) if len(text) >= _CELLS else []
        whole = self.query_one("#whole", Lines)
        whole.styles.height = len(rows)
        whole.set_lines([line((row, Role.DIM)) for row in rows], self._look)

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        """What was typed."""
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
