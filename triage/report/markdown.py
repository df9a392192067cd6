"""Foreign text in Markdown: shown as it is on any git site, never as markup, mention, reference or link. Written by
hand: libraries render Markdown to HTML, none writes a text so that every dialect leaves it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_MARKUP = re.compile(r"([\\`*_\[\]{}|~$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A backslash does not stop what is looked for in the finished page; a comment between the two does.
_REFERENCES = re.compile(r"([@#!])(?=\w)")
_LINKS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp):|\b(www)\.")
_LINE_START = re.compile(r"^(\s*)([-+=#]|[0-9]+[.)](?=\s|$))")
_COMMENT = "<!-- -->"


def escape(text: str) -> str:
    """``text`` as one line of Markdown that reads as it is written."""
    out = " ".join(text.split())
    out = "".join(_ENTITIES.get(character, character) for character in out)
    out = _MARKUP.sub(r"\\\1", out)
    out = _LINKS.sub(lambda found: f"{found[1]}{_COMMENT}:" if found[1] else f"{found[2]}{_COMMENT}.", out)
    out = _REFERENCES.sub(rf"\1{_COMMENT}", out)
    return _LINE_START.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", out)


def code(text: str, *, in_table: bool = False) -> str:
    """``text`` as a code span, whatever backticks it holds. Only in a table is a bar to be escaped."""
    shown = " ".join(text.split())
    if in_table:
        shown = shown.replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown or ' '}{space}{fence}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are Markdown already; nothing where there are no rows."""
    if rows:
        yield f"| {' | '.join(titles)} |"
        yield f"|{'|'.join(' --- ' for _ in titles)}|"
        yield from (f"| {' | '.join(cell or ' ' for cell in row)} |" for row in rows)
        yield ""
