"""``clean()``: the only door through which foreign text enters.

Labels, annotations, tags, YAML, HTTP errors and host names are written by others, and a terminal obeys what it is
sent. Textual and Rich let most control sequences through, so everything passes here once, where it enters;
afterwards it is safe to draw anywhere that does not parse markup.
"""

from __future__ import annotations

import unicodedata

LIMIT = 1000
"""Characters kept of one foreign text by default."""

_MAX_COMBINING = 4
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07"
                   "\ufe08\ufe09\ufe0a\ufe0b\ufe0c\ufe0d")
# They only choose between a text and a picture form, and terminals disagree about the width of what they choose.
_DROPPED = frozenset("\ufe0e\ufe0f")


def _visible(character: str) -> str:
    """A hidden character spelt so that a person sees it: control pictures, else the code point in braces."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"{{u+{code:04x}}}"


def clean(text: object, *, multiline: bool = False, limit: int = LIMIT) -> str:
    """Foreign text made harmless: one line (unless ``multiline``), no control, format or bidi characters.

    Hidden characters become visible (ESC is ``␛``, U+202E is ``{u+202e}``), so that an attempt is seen instead of
    silently repaired; emoji variation selectors are dropped. Newlines and tabs become a space, or stay when
    ``multiline``. Longer texts end in ``…`` after ``limit`` characters; more than four combining marks in a row are
    dropped. Idempotent.
    """
    raw = text if isinstance(text, str) else str(text)
    if raw.isascii() and raw.isprintable() and len(raw) <= limit:
        return raw
    cut = raw[: limit + 1]
    if multiline:
        cut = cut.replace("\r\n", "\n")
    normal = unicodedata.normalize("NFC", cut)
    out: list[str] = []
    length = 0
    marks = 0
    for character in normal:
        if character in _DROPPED:
            continue
        if character in "\n\t":
            piece = character if multiline else " "
        else:
            category = unicodedata.category(character)
            if category in ("Mn", "Me") and character not in _BLANK:
                marks += 1
                piece = character if marks <= _MAX_COMBINING and length else ""
                if not piece:
                    continue
                out.append(piece)
                length += 1
                continue
            if category == "Zs":
                piece = " "
            elif category in _HIDDEN or character in _BLANK:
                piece = _visible(character)
            else:
                piece = character
        marks = 0
        out.append(piece)
        length += len(piece)
        if length > limit:
            break
    result = unicodedata.normalize("NFC", "".join(out))
    if len(raw) <= limit and len(result) <= limit:
        return result
    return result[: limit - 1].removesuffix("…") + "…"
