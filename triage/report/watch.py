"""``status --watch``: the report again and again, redrawn in place on a terminal, appended elsewhere."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

from triage.live.snapshot import Snapshot

_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"


async def watch(snapshots: AsyncIterator[Snapshot], *, as_json: bool, ascii_only: bool) -> None:
    """Report each of ``snapshots`` as it comes, until interrupted."""
    height = 0
    async for snapshot in snapshots:
        if as_json:
            from triage.report.json import status_json
            sys.stdout.write(status_json(snapshot, indent=None) + "\n")
        else:
            text = _text(snapshot, ascii_only)
            if sys.stdout.isatty():
                text, height = in_place(text, height, _rows())
            sys.stdout.write(text)
        sys.stdout.flush()


def in_place(text: str, height: int, rows: int) -> tuple[str, int]:
    """(what to write so that ``text`` stands where ``height`` lines stood before, lines that it takes).

    Every line is overwritten, then its rest is cleared: nothing is blank in between. What does not fit into ``rows``
    is cut and counted, since a terminal cannot go back to what has left it.
    """
    lines = text.splitlines()
    if len(lines) > rows - 1:
        kept = max(1, rows - 2)
        lines = [*lines[:kept], f"\x1b[0m({len(lines) - kept} more lines: make the window higher)"]
    up = f"\x1b[{height}A" if height else ""
    return f"{up}\r" + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW, len(lines)


def _text(snapshot: Snapshot, ascii_only: bool) -> str:
    from triage.report.console import as_text, characters, console
    from triage.report.text import status_text
    return as_text(status_text(snapshot, characters(ascii_only)), console(sys.stdout))


def _rows() -> int:
    import shutil
    return shutil.get_terminal_size().lines
