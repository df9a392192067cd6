"""``Look``: which characters the screen speaks with, decided by the terminal or the user. No colours here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from triage.signals.reading import Verdict
from triage.signals.wording import ASCII_GLYPHS, GLYPHS
from triage.tui.line import VERDICT_ROLES, Line, Role

ChartMode = Literal["braille", "block", "ascii"]

_SPELT = str.maketrans({"≥": ">=", "≤": "<=", "µ": "u", "…": "...", "–": "-", "—": "-", "·": ".", "→": "->", "×": "x",
                        "’": "'", "‘": "'", "“": '"', "”": '"', "─": "-", "│": "|", "▸": ">", "▲": "^", "┄": "-",
                        "┊": ":", "╌": "-", "┈": ".", "▇": "#", "░": ".", "✔": "+", "✖": "x", "↑": "^", "↓": "v",
                        "≈": "="})


@dataclass(frozen=True, slots=True)
class Look:
    """The characters in use."""

    ascii: bool = False
    chart: ChartMode = "braille"

    def say(self, text: str) -> str:
        """``text`` in characters that the terminal shows; in ASCII, foreign letters become ``?``."""
        if not self.ascii or text.isascii():
            return text
        spelt = text.translate(_SPELT)
        return spelt if spelt.isascii() else "".join(c if c.isascii() else "?" * cell_len(c) for c in spelt)

    def pick(self, character: str, plain: str) -> str:
        """``character``, or ``plain`` where only ASCII is shown."""
        return plain if self.ascii else character

    def glyph(self, verdict: Verdict) -> str:
        """One cell that stands for the verdict; a word always stands with it."""
        return (ASCII_GLYPHS if self.ascii else GLYPHS)[verdict]

    def mark(self, verdict: Verdict) -> Line:
        """The glyph in its role and a space."""
        return Line(((self.glyph(verdict), VERDICT_ROLES[verdict]), (" ", Role.PLAIN)))

    @property
    def ellipsis(self) -> str:
        return self.pick("…", "..")

    def bar(self, share: float, cells: int) -> Line:
        """``share`` (clamped to 0 … 1 for drawing only) of a bar; more than nothing shows at least one cell."""
        full = min(cells, max(0, round(share * cells)))
        if share > 0 and full == 0:
            full = 1
        if share < 1 and full == cells:
            full = cells - 1
        return Line(tuple(s for s in ((self.pick("▇", "#") * full, Role.PLAIN),
                                      (self.pick("░", ".") * (cells - full), Role.RULE)) if s[0]))


def detect(glyphs: str = "auto", chart: str = "auto", environ: Mapping[str, str] = os.environ) -> Look:
    """The look for ``glyphs`` (``auto``, ``unicode``, ``ascii``) and ``chart`` (``auto`` or a chart mode).

    ``auto`` is ASCII on the Linux console and where the output's encoding is not UTF-8.
    """
    encoding = (getattr(sys.__stdout__, "encoding", None) or "utf-8").lower().replace("-", "")
    plain = glyphs == "ascii" or (glyphs == "auto" and (environ.get("TERM") in ("linux", "dumb", "vt100", "vt220")
                                                        or encoding != "utf8"))
    modes: dict[str, ChartMode] = {"braille": "braille", "block": "block", "ascii": "ascii"}
    return Look(plain, "ascii" if plain else modes.get(chart, "braille"))
