"""Having a line typed at the terminal: what is pasted, and what was typed before the question stood, does not count.

Written by hand: the prompts of click and of readline take what is pasted for typed. Terminals mark a paste when they
are asked to (*bracketed paste*); the question asks for that, and for every key as it is pressed.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

import click

DEAF_SECONDS = 0.5
"""After a question stands, so long nothing that is typed counts."""
PASTED = "what is pasted does not count: type it"
_MARKS_ON, _MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"
_PASTE_BEGINS, _PASTE_ENDS = "\x1b[200~", "\x1b[201~"
_LONGEST = 200
_LONGEST_SEQUENCE = 32


class Came(Enum):
    """What a character led to."""

    TEXT = auto()
    """Another text, or none: keys that type nothing."""
    ENTER = auto()
    PASTE = auto()
    """Something was pasted, to its end; none of it is in the text."""
    INTERRUPT = auto()
    """ctrl-c, or ctrl-d where nothing is typed."""


@dataclass(slots=True)
class Typing:
    """A line while it is typed, character by character. Touches no terminal."""

    text: str = ""
    _sequence: str = ""
    """An escape sequence so far; "" outside of one."""
    _pasted: str | None = None
    """The last characters of what is being pasted; None while nothing is."""

    def take(self, character: str) -> Came:
        """The next character that the terminal sends."""
        if self._pasted is not None:
            self._pasted = (self._pasted + character)[-len(_PASTE_ENDS):]
            if self._pasted != _PASTE_ENDS:
                return Came.TEXT
            self._pasted = None
            return Came.PASTE
        if self._sequence:
            self._sequence += character
            if self._sequence == _PASTE_BEGINS:
                self._pasted = ""
            if _is_whole(self._sequence):
                self._sequence = ""
            return Came.TEXT
        if character == "\x1b":
            self._sequence = character
        elif character in "\r\n":
            return Came.ENTER
        elif character == "\x03" or (character == "\x04" and not self.text):
            return Came.INTERRUPT
        elif character in "\x7f\b":
            self.text = self.text[:-1]
        elif character == "\x15":
            self.text = ""
        elif character.isprintable() and len(self.text) < _LONGEST:
            self.text += character
        return Came.TEXT


def _is_whole(sequence: str) -> bool:
    """Whether an escape sequence ends here (ECMA-48: CSI ends in ``@`` to ``~``; SS3 and others after one more)."""
    if len(sequence) >= _LONGEST_SEQUENCE:
        return True
    if sequence[1] == "[":
        return len(sequence) > 2 and "@" <= sequence[-1] <= "~"
    return len(sequence) > 2 if sequence[1] == "O" else True


def typed(question: str) -> str:
    """The line that is typed behind ``question``, without blanks around it. Pasting is answered with a sentence.

    Keys count only half a second after the question stands. Raises :class:`click.Abort` at ctrl-c and where the
    terminal is gone. Where the system has no such terminals, pasted and typed text are not told apart.
    """
    try:
        import termios
    except ImportError:
        time.sleep(DEAF_SECONDS)
        return str(click.prompt(question, default="", show_default=False, err=True)).strip()
    try:
        with _terminal() as terminal:
            return _asked(terminal, question)
    except (termios.error, OSError):
        raise click.Abort from None


def _asked(terminal: int, question: str) -> str:
    typing, shown = Typing(), ""
    _write(terminal, f"{question}: ")
    # Read and not only thrown away: the end of a paste has to be seen although its beginning did not count.
    for character in _characters(sys.stdin.fileno(), time.monotonic() + DEAF_SECONDS):
        if typing.take(character) is Came.INTERRUPT:
            _write(terminal, "\r\n")
            raise click.Abort
    typing.text = ""
    for character in _characters(sys.stdin.fileno(), None):
        came = typing.take(character)
        if came is Came.PASTE:
            typing.text = shown = ""
            _write(terminal, f"\r\ntriage: {PASTED}\r\n{question}: ")
        elif came is Came.TEXT:
            _write(terminal, _change(shown, typing.text))
            shown = typing.text
        else:
            _write(terminal, "\r\n")
            if came is Came.ENTER:
                return typing.text.strip()
            break
    raise click.Abort


def _change(before: str, after: str) -> str:
    """What makes a terminal that shows ``before`` show ``after``."""
    from rich.cells import cell_len
    if after.startswith(before):
        return after[len(before):]
    return "\b \b" * cell_len(before[len(after):])


def _characters(keys: int, until: float | None) -> Iterator[str]:
    """Every character as it comes, until then (monotonic seconds) or, with None, to the end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while until is None or (left := until - time.monotonic()) > 0:
        if not select.select([keys], [], [], None if until is None else left)[0]:
            return
        # One at a time: what is behind enter is for whoever asks next.
        read = os.read(keys, 1)
        if not read:
            return
        yield from decoder.decode(read)


@contextmanager
def _terminal() -> Iterator[int]:
    """The terminal that keys come from, to write to it: it sends every key at once, shows none, and marks pastes."""
    import termios
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    ours = termios.tcgetattr(keys)
    # Without signals: one at this place would only cancel a task that waits for this very line.
    ours[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    terminal = os.open(os.ttyname(keys), os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        # What was typed before is thrown away.
        termios.tcsetattr(keys, termios.TCSAFLUSH, ours)
        _write(terminal, _MARKS_ON)
        yield terminal
    finally:
        try:
            _write(terminal, _MARKS_OFF)
        finally:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
            os.close(terminal)


def _write(terminal: int, text: str) -> None:
    left = text.encode()
    while left:
        left = left[os.write(terminal, left):]
