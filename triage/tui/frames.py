"""``FrameMemory``: what the terminal already shows, so that a repaint sends only what differs.

Textual paints the whole screen several times when a screen or a dialog opens; over a thin link that is what one waits
for. Textual's compositor is private; what depends on it is in this module and in ``link``.
"""

from __future__ import annotations

from typing import cast

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip


class Rows(CompositorUpdate):
    """Some places of the screen, as they go to the terminal."""

    def __init__(self, sequence: str) -> None:
        self._sequence = sequence

    def render_segments(self, console: Console) -> str:
        """The sequence, made before."""
        return self._sequence


class FrameMemory:
    """Pieces of rows as they were last sent, by their place."""

    def __init__(self) -> None:
        self._pieces: dict[int, dict[int, tuple[int, str]]] = {}
        """Row → first cell → (first cell behind it, sequence)."""
        self._region: Region | None = None
        self._cursor: tuple[int, int] | None = None

    def forget(self) -> None:
        """The terminal's content is not known: the next full repaint is sent in full."""
        self._pieces.clear()

    def reduce(self, update: RenderableType | None, console: Console) -> RenderableType | None:
        """The same picture with fewer bytes; None when there is nothing to send."""
        self._cursor = None
        if isinstance(update, ChopsUpdate):
            out = self._partial(update, console)
        elif isinstance(update, LayoutUpdate):
            out = self._full(update, console)
        else:
            if update is not None:
                self.forget()
            return update
        return cast(RenderableType, Rows(out)) if out else None

    def _full(self, update: LayoutUpdate, console: Console) -> str:
        if update.region != self._region:
            self.forget()
            self._region = update.region
        out = []
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                out.append(self._piece(y, x, strip, console))
                x += strip.cell_length
        return "".join(out)

    def _partial(self, update: ChopsUpdate, console: Console) -> str:
        out = []
        for y, start, end in update.spans:
            for behind, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x < end and behind > start:
                    out.append(self._piece(y, x, strip.crop(0, min(behind, end) - x), console))
        return "".join(out)

    def _piece(self, y: int, x: int, strip: Strip, console: Console) -> str:
        """One run of cells, "" when it stands there already. A piece that touches it is no longer known."""
        end, sequence = x + strip.cell_length, strip.render(console)
        known = self._pieces.setdefault(y, {})
        if end == x or known.get(x) == (end, sequence):
            return ""
        for other in [o for o, (behind, _) in known.items() if o < end and behind > x]:
            del known[other]
        known[x] = (end, sequence)
        move = "" if self._cursor == (x, y) else Control.move_to(x, y).segment.text
        self._cursor = (end, y)
        return move + sequence
