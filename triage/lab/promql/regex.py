"""Regular expressions of RE2, as Prometheus takes them, in Python's spelling."""

from __future__ import annotations

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}
_PERL = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
"""ASCII only in RE2, also where case is folded for all of Unicode: Python has no flag for that."""
_TOKEN = re.compile(r"""
    \\Q (?P<literal>.*?) (?: \\E | \Z )
  | \\ (?P<octal> [1-7][0-7]{1,2} | 0[0-7]{0,2})
  | \\ x\{ (?P<code> [0-9A-Fa-f]{1,6}) \}
  | \\ (?P<escaped>.)
  | \[: (?P<negated>\^?) (?P<posix>[a-z]+) :\]
  | (?P<group> \(\? (?: P?<\w+> | [a-zA-Z]* (?:-[a-zA-Z]+)? [:)] )? )
  | (?P<repeat> (?: [*+?] | \{ (?P<least>\d+) (?: , (?P<most>\d*) )? \} ) (?P<lazy>\??) )
  | (?P<plain>.)
""", re.DOTALL | re.VERBOSE | re.ASCII)
_PYTHON_ONLY = frozenset("123456789ZuUN")
_FLAGS = frozenset("ims-")
_MOST_REPEATS = 1000
_AMBIGUOUS_IN_CLASS = frozenset("[&~|")
"""Python warns that these may become set operators within a class; RE2 takes them for themselves."""


@lru_cache(maxsize=1024)
def compiled(pattern: str, *, dot_all: bool = True) -> re.Pattern[str]:
    """A regular expression for use with ``fullmatch``. Raises ValueError for what RE2, or Python in its place, refuses.

    ``dot_all``: ``.`` matches a newline, as in Prometheus 3. RE2 knows no lookaround, no possessive repeats and no back
    references; Python knows no ``(?U)``, no ``\\p`` and no flags but at the beginning.
    """
    try:
        return re.compile(_translated(pattern), re.DOTALL if dot_all else re.NOFLAG)
    except (re.error, ValueError, OverflowError) as error:
        raise ValueError(f"error parsing regexp: {error}: `{pattern}`") from error


def _translated(pattern: str) -> str:
    out: list[str] = []
    class_begin = -1
    repeated = False
    for token in _TOKEN.finditer(pattern):
        within, text = class_begin >= 0, token[0]
        again, repeated = repeated, False
        if token["literal"] is not None:
            out.append(re.escape(token["literal"]))
        elif token["octal"] is not None or token["code"] is not None:
            out.append(re.escape(chr(int(token["octal"] or token["code"], 8 if token["octal"] else 16))))
        elif token["escaped"] is not None:
            out.append(_escape(token["escaped"], within=within))
        elif within and token["posix"] in _POSIX:
            members = _POSIX[token["posix"]]
            out.append(_complement(members) if token["negated"] else members)
        elif within:
            begins = pattern[class_begin + 1:token.start()] in ("", "^")
            for place, character in enumerate(text):
                if character == "]" and not (begins and place == 0):
                    class_begin = -1
                out.append("\\" + character if character in _AMBIGUOUS_IN_CLASS else character)
        elif token["group"] is not None:
            out.append(_group(text))
        elif token["repeat"] is not None:
            if again:
                raise re.error("invalid nested repetition operator")
            if max(int(token["least"] or 0), int(token["most"] or 0)) > _MOST_REPEATS:
                raise re.error("invalid repeat count")
            repeated = True
            out.append(text)
        elif text == "{":
            # Python reads {,2} as a repeat.
            out.append(r"\{")
        elif text.startswith("["):
            # "[:" may begin a class that holds a colon.
            class_begin = -1 if len(text) > 1 else token.start()
            out.append(text)
        else:
            out.append(text)
    return "".join(out)


def _escape(escaped: str, *, within: bool) -> str:
    lower = escaped.lower()
    if lower in _PERL:
        members = _PERL[lower] if escaped == lower else _complement(_PERL[lower])
        return members if within else f"[{members}]"
    if lower == "b" and not within:
        return rf"(?a:\{escaped})"
    if escaped in _PYTHON_ONLY:
        raise re.error("invalid escape sequence")
    return r"\Z" if escaped == "z" else "\\" + escaped


def _group(text: str) -> str:
    """The beginning of a group or a change of flags, as far as RE2 and Python both know it."""
    if text.endswith(">"):
        return "(?P" + text[2:].removeprefix("P")
    if len(text) == 2:
        raise re.error("invalid or unsupported Perl syntax")
    if not set(text[2:-1]) <= _FLAGS:
        raise re.error(f"flags of {text} not supported by the lab")
    return text


@lru_cache(maxsize=64)
def _complement(members: str) -> str:
    """The other ASCII characters and everything beyond."""
    inside = re.compile(f"[{members}]")
    others = "".join(f"\\x{code:02x}" for code in range(128) if not inside.match(chr(code)))
    return others + r"\x80-\U0010FFFF"
