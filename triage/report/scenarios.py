"""The scenarios of the lab, as ``triage demo --list`` shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from triage.report.characters import Characters


def scenarios_text(rows: Iterable[tuple[str, str, str]], chars: Characters) -> RenderableType:
    """A table of (name, model it is about, title)."""
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("scenario", no_wrap=True)
    table.add_column("model", no_wrap=True)
    table.add_column("what happens", overflow="fold")
    for row in rows:
        table.add_row(*(Text(chars.say(cell)) for cell in row))
    return table
