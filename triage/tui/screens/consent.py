"""``Consent``: what differs, in full, and a word to be typed before it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from triage.tui.line import Line, Role, line, wrap
from triage.tui.look import Look
from triage.tui.theme import Palette
from triage.tui.widgets.lines import Lines

_INSIDE = 70


class Consent(ModalScreen[bool], inherit_bindings=False):
    """True when the word was typed; False when it was left."""

    DEFAULT_CSS = """
    Consent { align: center middle; background: transparent; }
    Consent #box { width: 74; max-width: 100%; height: auto; max-height: 100%; border: round $border; padding: 0 1;
                   background: ansi_default; }
    Consent Input, Consent Input:focus { border: none; height: 1; padding: 0; background: ansi_default; width: 1fr; }
    Consent #said { height: auto; }
    Consent #keys { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "back", id="consent.cancel")]

    def __init__(self, title: str, said: Sequence[str], word: str, look: Look, palette: Palette) -> None:
        """``said``: paragraphs; ``word``: what has to be typed."""
        super().__init__()
        self._heading = title
        self._rows: list[Line] = [line((text, Role.PLAIN)) for each in said for text in wrap(look.say(each), _INSIDE)]
        self._word = word
        self._look = look
        self._palette = palette

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Lines(id="said")
            field = Input(placeholder=f"type {self._word} to go on", id="text", max_length=80)
            field.cursor_blink = False
            yield field
            yield Lines(id="keys")

    def on_mount(self) -> None:
        self.query_one("#box").border_title = self._heading
        said = self.query_one("#said", Lines)
        said.styles.height = len(self._rows)
        said.set_look(self._palette)
        said.set_lines(self._rows, self._look)
        self._hint(f"type {self._word}, then enter   esc back", Role.DIM)

    def _hint(self, text: str, role: Role) -> None:
        keys = self.query_one("#keys", Lines)
        keys.set_look(self._palette)
        keys.set_lines([line((self._look.say(text), role)).fitted(_INSIDE)], self._look)

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        """What was typed: only the word goes on."""
        if event.value.strip() == self._word:
            self.dismiss(True)
        else:
            self._hint(f"that is not {self._word}; esc leaves it as it is", Role.WARN)

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(False)
