"""Every word can be read in every theme, and no meaning rests on colour."""

from __future__ import annotations

import pytest
from rich.style import Style

from triage.signals.reading import Verdict
from triage.signals.wording import ASCII_GLYPHS, GLYPHS, word
from triage.tui.line import Role
from triage.tui.look import Look, detect
from triage.tui.theme import COLOUR_BLIND, DARK, LIGHT, NO_COLOUR, PALETTES, SIXTEEN, Palette, choose

Rgb = tuple[float, float, float]
GROUNDS: dict[str, tuple[Rgb, ...]] = {
    DARK.name: ((0, 0, 0), (0x1E, 0x1E, 0x1E), (0x1D, 0x1F, 0x21)), COLOUR_BLIND.name: ((0, 0, 0), (0x1E, 0x1E, 0x1E)),
    LIGHT.name: ((255, 255, 255), (0xFA, 0xFA, 0xFA), (0xF5, 0xF5, 0xF0))}
"""Backgrounds of common terminals: a theme keeps the terminal's own."""
WORDS = [r for r in Role if r is not Role.RULE]


def luminance(colour: Rgb) -> float:
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: Rgb, other: Rgb) -> float:
    """WCAG 2.2, 1.4.3."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def foreground(style: Style) -> Rgb | None:
    return None if style.color is None else tuple(map(float, style.color.get_truecolor()))  # type: ignore[return-value]


@pytest.mark.parametrize("palette", [DARK, LIGHT, COLOUR_BLIND], ids=lambda p: p.title)
@pytest.mark.parametrize("role", WORDS)
def test_words_have_a_contrast_of_four_and_a_half(palette: Palette, role: Role) -> None:
    colour = foreground(palette.styles[role])
    if colour is not None:
        assert min(contrast(colour, ground) for ground in GROUNDS[palette.name]) >= 4.5


@pytest.mark.parametrize("palette", PALETTES.values(), ids=lambda p: p.title)
def test_no_theme_paints_a_background(palette: Palette) -> None:
    assert all(style.bgcolor is None for style in palette.styles.values())


def test_no_colour_means_no_colour() -> None:
    assert all(style.color is None for style in NO_COLOUR.styles.values())


def test_no_colour_tells_failing_from_warning_from_fine() -> None:
    styles = [NO_COLOUR.styles[r] for r in (Role.FAIL, Role.WARN, Role.UNKNOWN, Role.PLAIN)]
    assert len(set(map(str, styles))) == 4


def test_sixteen_colours_are_the_terminals_own() -> None:
    assert all(s.color is None or (s.color.number is not None and s.color.number < 16) for s in SIXTEEN.styles.values())


MACHADO = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
"""Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB."""


def seen(colour: Rgb, kind: str) -> Rgb:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    mixed = [min(1.0, max(0.0, sum(f * v for f, v in zip(row, linear, strict=True)))) for row in MACHADO[kind]]
    out = [255 * (v * 12.92 if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055) for v in mixed]
    return out[0], out[1], out[2]


@pytest.mark.parametrize("kind", MACHADO)
def test_the_colour_blind_theme_keeps_verdicts_apart(kind: str) -> None:
    colours = [
        foreground(COLOUR_BLIND.styles[r]) or (230.0, 230.0, 230.0) for r in (Role.FAIL, Role.WARN, Role.UNKNOWN)
    ]
    made = [seen(c, kind) for c in colours]
    for number, one in enumerate(made):
        for other in made[number + 1:]:
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 70


def test_every_verdict_has_its_own_glyph_and_word() -> None:
    for glyphs in (GLYPHS, ASCII_GLYPHS):
        assert len({glyphs[v] for v in Verdict}) == len(Verdict)
    assert len({word(v) for v in Verdict}) == len(Verdict)


@pytest.mark.parametrize(("environ", "expected"), [
    ({}, DARK), ({"NO_COLOR": "1"}, NO_COLOUR), ({"NO_COLOR": ""}, DARK), ({"COLORFGBG": "0;15"}, LIGHT),
    ({"COLORFGBG": "15;0"}, DARK), ({"TERM": "linux"}, SIXTEEN)])
def test_the_theme_follows_the_terminal(environ: dict[str, str], expected: Palette) -> None:
    assert choose("auto", environ) is expected


def test_a_named_theme_wins() -> None:
    assert choose("light", {"NO_COLOR": "1"}) is LIGHT


@pytest.mark.parametrize(("term", "plain"), [("linux", True), ("xterm-256color", False)])
def test_characters_follow_the_terminal(term: str, plain: bool) -> None:
    assert detect("auto", "auto", {"TERM": term}) == Look(plain, "ascii" if plain else "braille")
