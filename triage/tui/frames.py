"""``FrameMemory``: what the terminal already shows, so that a full repaint sends only the rows that differ.

Textual paints the whole screen several times when a screen or a dialog opens; over a thin link that is what one waits
for. Textual's compositor is private; what depends on it is in this module and in ``link``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip


class Rows(CompositorUpdate):
    """Some rows of the screen, as they go to the terminal."""

    def __init__(self, sequence: str) -> None:
        self._sequence = sequence

    def render_segments(self, console: Console) -> str:
        """The sequence, made before."""
        return self._sequence


class FrameMemory:
    """Rows by number as they were last sent; a row that was changed in part is forgotten."""

    def __init__(self) -> None:
        self._rows: dict[int, str] = {}
        self._region: Region | None = None

    def forget(self) -> None:
        """The terminal's content is not known: the next full repaint is sent in full."""
        self._rows.clear()

    def reduce(self, update: RenderableType | None, console: Console) -> RenderableType | None:
        """The same picture with fewer bytes; None when there is nothing to send."""
        if isinstance(update, ChopsUpdate):
            out = self._partial(update, console)
        elif isinstance(update, LayoutUpdate):
            out = self._full(update, console)
        else:
            if update is not None:
                self.forget()
            return update
        # A new line moves nothing here: every row begins with its own position.
        return cast(RenderableType, Rows(out)) if out else None

    def _full(self, update: LayoutUpdate, console: Console) -> str:
        if update.region != self._region:
            self.forget()
            self._region = update.region
        return "".join(self._row(update.region.x, y, strips, console)
                       for y, strips in enumerate(update.strips, update.region.y))

    def _partial(self, update: ChopsUpdate, console: Console) -> str:
        out = []
        for span in update.spans:
            y, start, end = span
            strips = list(update.chops[y].values())
            whole = [s for s in strips if s is not None]
            if start == 0 and end >= update.chop_ends[y][-1] and len(whole) == len(strips):
                out.append(self._row(0, y, whole, console))
            else:
                self._rows.pop(y, None)
                out.append(ChopsUpdate(update.chops, [span], update.chop_ends).render_segments(console))
        return "".join(out)

    def _row(self, x: int, y: int, strips: Iterable[Strip], console: Console) -> str:
        row = "".join(strip.render(console) for strip in strips)
        if self._rows.get(y) == row:
            return ""
        self._rows[y] = row
        return Control.move_to(x, y).segment.text + row
