"""Themes: what roles look like. The terminal's own background and foreground; colour only for what is exceptional.

Colours are indices of the 256-colour palette, whose values terminals agree on and whose sequences are half as long as
those of 24-bit colours; the 16-colour theme uses the terminal's own colours by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from triage.tui.line import Role


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme."""

    name: str
    title: str
    dark: bool
    styles: Mapping[Role, Style]
    """Every role; a null style is the terminal's own."""
    accent: str
    """For borders of dialogs, in Textual's spelling."""

    def textual(self) -> Theme:
        """The same for Textual's own widgets in dialogs."""
        quiet = "ansi_default"
        base = BUILTIN_THEMES["ansi-dark" if self.dark else "ansi-light"].variables
        return Theme(
            self.name,
            primary=self.accent,
            secondary=self.accent,
            warning=self.accent,
            error=self.accent,
            success=self.accent,
            accent=self.accent,
            foreground=quiet,
            background=quiet,
            surface=quiet,
            panel=quiet,
            boost=quiet,
            dark=self.dark,
            ansi=True,
            variables={
                **base,
                "border": self.accent,
                "border-blurred": quiet,
                "block-cursor-foreground": quiet,
                "block-cursor-background": quiet,
                "block-cursor-text-style": "bold reverse",
                "input-selection-background": quiet,
                "input-selection-foreground": quiet,
                "scrollbar": quiet,
                "scrollbar-background": quiet,
            },
        )


def _styles(**roles: str) -> dict[Role, Style]:
    return {role: Style.parse(roles.get(role.value, "")) for role in Role}


DARK = Palette("triage-dark", "Dark", True, _styles(
    strong="bold", dim="color(245)", heading="bold color(250)", rule="color(240)", stale="color(245)",
    fail="bold color(203)", warn="color(221)", unknown="color(110)", accent="color(80)",
    production="bold reverse", first="color(252)", second="color(80)", third="color(139)"), "#5fd7d7")
LIGHT = Palette("triage-light", "Light", False, _styles(
    strong="bold", dim="color(241)", heading="bold color(237)", rule="color(248)", stale="color(241)",
    fail="bold color(160)", warn="color(94)", unknown="color(25)", accent="color(23)",
    production="bold reverse", first="color(236)", second="color(23)", third="color(90)"), "#005f5f")
COLOUR_BLIND = Palette("triage-colour-blind", "Colour-blind safe", True, _styles(
    strong="bold", dim="color(245)", heading="bold color(250)", rule="color(240)", stale="color(245)",
    fail="bold color(208)", warn="color(229)", unknown="color(75)", accent="color(117)",
    production="bold reverse", first="color(252)", second="color(75)", third="color(229)"), "#87d7ff")
SIXTEEN = Palette("triage-16-colour", "16 colours", True, _styles(
    strong="bold", dim="dim", heading="bold", rule="dim", stale="dim",
    fail="bold red", warn="yellow", unknown="cyan", accent="cyan",
    production="bold reverse", second="cyan", third="magenta"), "ansi_cyan")
NO_COLOUR = Palette("triage-no-colour", "No colour", True, _styles(
    strong="bold", dim="dim", heading="bold", rule="dim", stale="dim",
    fail="bold reverse", warn="bold underline", unknown="bold", accent="bold",
    production="bold reverse", second="bold"), "ansi_default")

PALETTES: Mapping[str, Palette] = {p.name: p for p in (DARK, LIGHT, COLOUR_BLIND, SIXTEEN, NO_COLOUR)}
SHORT_NAMES: Mapping[str, Palette] = {p.name.removeprefix("triage-"): p for p in PALETTES.values()}
"""The names of ``--theme``: ``dark``, ``light``, ``colour-blind``, ``16-colour``, ``no-colour``."""


def choose(name: str = "auto", environ: Mapping[str, str] = os.environ) -> Palette:
    """The palette called ``name``; ``auto`` (and unknown names) follow ``NO_COLOR``, ``TERM`` and ``COLORFGBG``."""
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if environ.get("NO_COLOR"):
        return NO_COLOUR
    if environ.get("TERM") in ("linux", "xterm-16color", "ansi"):
        return SIXTEEN
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if background in ("7", "15") else DARK
