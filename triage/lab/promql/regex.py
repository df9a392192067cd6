"""Regular expressions of RE2, as Prometheus takes them, in Python's spelling."""

from __future__ import annotations

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}
_TOKEN = re.compile(r"\\Q(?P<literal>.*?)(?:\\E|\Z)|\\(?P<escaped>.)|\[:(?P<negated>\^?)(?P<posix>[a-z]+):\]|"
                    r"(?P<named>\(\?<(?=[A-Za-z_]))|(?P<plain>.)", re.DOTALL)
_AMBIGUOUS_IN_CLASS = frozenset("[&~|")
"""Python warns that these may become set operators within a class; RE2 takes them for themselves."""


@lru_cache(maxsize=1024)
def compiled(pattern: str, *, dot_all: bool = True) -> re.Pattern[str]:
    """A regular expression for use with ``fullmatch``. Raises ValueError when Python cannot read it.

    ``dot_all``: ``.`` matches a newline, as in Prometheus 3. ``\\d \\w \\s`` are ASCII. RE2 has no lookaround and no
    back references; the parser has already refused those.
    """
    try:
        return re.compile(_translated(pattern), re.ASCII | (re.DOTALL if dot_all else re.NOFLAG))
    except re.error as error:
        raise ValueError(f"error parsing regexp: {error}: `{pattern}`") from error


def _translated(pattern: str) -> str:
    out: list[str] = []
    class_begin = -1
    for token in _TOKEN.finditer(pattern):
        within = class_begin >= 0
        if token["literal"] is not None:
            out.append(re.escape(token["literal"]))
        elif token["escaped"] is not None:
            out.append(r"\Z" if token["escaped"] == "z" else token[0])
        elif token["posix"] is not None and within and token["posix"] in _POSIX:
            members = _POSIX[token["posix"]]
            out.append(_complement(members) if token["negated"] else members)
        elif token["named"] is not None and not within:
            out.append("(?P<")
        elif not within:
            # "[:" may begin a class that holds a colon.
            if token[0].startswith("["):
                class_begin = token.start()
                out.append("[" + token[0][1:])
                if token[0].endswith("]") and len(token[0]) > 1:
                    class_begin = -1
            else:
                out.append(token[0])
        elif token[0] == "]" and pattern[class_begin + 1:token.start()] not in ("", "^"):
            class_begin = -1
            out.append("]")
        else:
            out.append("".join("\\" + c if c in _AMBIGUOUS_IN_CLASS else c for c in token[0]))
    return "".join(out)


def _complement(members: str) -> str:
    """The other ASCII characters and everything beyond."""
    inside = re.compile(f"[{members}]")
    others = "".join(f"\\x{code:02x}" for code in range(128) if not inside.match(chr(code)))
    return others + r"\x80-\U0010FFFF"
