"""``show``: a report on standard output, in colour only where somebody looks at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, RenderableType

from triage.report.characters import Characters

_UNKNOWN_WIDTH = 120
"""Columns where nobody says how many there are: a file or another program, which breaks no lines."""

Drawn = Callable[[Characters], RenderableType]


def console(file: TextIO, width: int | None = None) -> Console:
    """A console that takes texts as they are: no markup, no emoji codes, no highlighting.

    As wide as ``width``, else as the terminal or ``$COLUMNS`` says, else 120 columns.
    """
    if width is None and not os.environ.get("COLUMNS") and not file.isatty():
        width = _UNKNOWN_WIDTH
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


def characters(ascii_only: bool, file: TextIO | None = None) -> Characters:
    """ASCII where it is asked for, or where ``file`` (standard output) cannot take more."""
    encoding = (getattr(file or sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return Characters(ascii_only or encoding != "utf8")


def show(draw: Drawn, *, ascii_only: bool = False) -> None:
    """Draw on standard output."""
    sys.stdout.write(as_text(draw(characters(ascii_only)), console(sys.stdout)))


def as_text(renderable: RenderableType, target: Console) -> str:
    """What ``target`` would write, without white space at the ends of lines."""
    with target.capture() as capture:
        target.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
