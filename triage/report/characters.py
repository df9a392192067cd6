"""``Characters``: what a report is drawn with, Unicode or ASCII only."""

from __future__ import annotations

from dataclasses import dataclass

from triage.signals.reading import Verdict
from triage.signals.wording import ASCII_GLYPHS, GLYPHS

_SPELT = str.maketrans({"≥": ">=", "≤": "<=", "µ": "u", "…": "...", "–": "-", "—": "-", "·": ".", "→": "->", "×": "x",
                        "’": "'", "‘": "'", "“": '"', "”": '"', "✔": "+", "✖": "x", "≈": "="})


@dataclass(frozen=True, slots=True)
class Characters:
    """The characters in use."""

    ascii: bool = False

    def say(self, text: str) -> str:
        """``text`` in characters that can be shown; in ASCII, foreign letters become ``?``."""
        if not self.ascii or text.isascii():
            return text
        return text.translate(_SPELT).encode("ascii", "replace").decode("ascii")

    def glyph(self, verdict: Verdict) -> str:
        """One cell that stands for the verdict; a word always stands with it."""
        return (ASCII_GLYPHS if self.ascii else GLYPHS)[verdict]
