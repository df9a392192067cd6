"""Having a line typed at the terminal: what is pasted, and what was typed before the question stood, does not count.

Written by hand: the prompts of click and of readline take what is pasted for typed. Terminals mark a paste when they
are asked to (*bracketed paste*); the question asks for that, and for every key as it is pressed. Not every terminal
does, so what comes faster than anybody types is pasted, too: four characters at once, enter among them, or anything
at once behind enter. Two or three may well be typed: a slow connection hands on together what was typed one by one.
Where one hands on four, or an input method writes long words, shorter pieces are typed, or ``--confirm`` is said.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto

import click

from triage.cli_ending import ended_at_once
from triage.errors import TriageError

DEAF_SECONDS = 0.5
"""After a question stands, so long nothing that is typed counts."""
TOGETHER_SECONDS = 0.005
"""Characters that come within this time of each other came at once: keys that are held come every 30 ms or so."""
PASTED = "what is pasted does not count: type it"
_TOO_MANY = 4
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
    terminal is gone, :class:`click.exceptions.Exit` when the process is told to end, and
    :class:`~triage.errors.TriageError` where the terminal cannot be written to. Where the system has no such terminals,
    pasted and typed text are not told apart.
    """
    try:
        import termios
    except ImportError:
        time.sleep(DEAF_SECONDS)
        return str(click.prompt(question, default="", show_default=False, err=True)).strip()
    try:
        with ended_at_once(), _terminal() as terminal:
            return _asked(terminal, question)
    except (termios.error, OSError):
        raise click.Abort from None


def _asked(terminal: int, question: str) -> str:
    keys, typing, shown, together = _Keys(sys.stdin.fileno()), Typing(), "", 0
    _write(terminal, f"{question}: ")
    stands = time.monotonic() + DEAF_SECONDS
    # Read and not only thrown away: the end of a paste has to be seen although its beginning did not count.
    while key := keys.next(max(TOGETHER_SECONDS, stands - time.monotonic())):
        if typing.take(key) is Came.INTERRUPT:
            raise _broken_off(terminal)
    typing.text = ""
    while True:
        key = keys.next(TOGETHER_SECONDS)
        if not key:
            together, key = 0, keys.next(None)
        came = typing.take(key)
        if came is Came.INTERRUPT:
            raise _broken_off(terminal)
        together += came is Came.ENTER or len(typing.text) > len(shown)
        if together >= _TOO_MANY or (came is Came.ENTER and keys.wait(TOGETHER_SECONDS)):
            while key := keys.next(TOGETHER_SECONDS):
                typing.take(key)
            came = Came.PASTE
        if came is Came.PASTE:
            typing.text, shown, together = "", "", 0
            _write(terminal, f"\r\ntriage: {PASTED}\r\n{question}: ")
        elif came is Came.ENTER:
            _write(terminal, "\r\n")
            return typing.text.strip()
        else:
            _write(terminal, _change(shown, typing.text))
            shown = typing.text


def _broken_off(terminal: int) -> click.Abort:
    _write(terminal, "\r\n")
    return click.Abort()


def _change(before: str, after: str) -> str:
    """What makes a terminal that shows ``before`` show ``after``."""
    from rich.cells import cell_len
    if after.startswith(before):
        return after[len(before):]
    return "\b \b" * cell_len(before[len(after):])


class _Keys:
    """The characters that a terminal sends."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def wait(self, seconds: float | None) -> bool:
        """Whether something comes within this time; None waits for ever."""
        return bool(select.select([self._terminal], [], [], seconds)[0])

    def next(self, seconds: float | None) -> str:
        """The next one; "" when none comes within this time. Raises :class:`click.Abort` where the terminal is gone."""
        while self.wait(seconds):
            # One at a time: what is behind enter is for whoever asks next.
            read = os.read(self._terminal, 1)
            if not read:
                raise click.Abort
            if character := self._decoder.decode(read):
                return character
        return ""


@contextmanager
def _terminal() -> Iterator[int]:
    """The terminal that keys come from, to write to it: it sends every key at once, shows none, and marks pastes."""
    import termios
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    ours = termios.tcgetattr(keys)
    # Without signals: one at this place would only cancel a task that waits for this very line.
    ours[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    terminal = _writable(keys)
    try:
        # What was typed before is thrown away.
        termios.tcsetattr(keys, termios.TCSAFLUSH, ours)
        _write(terminal, _MARKS_ON)
        yield terminal
    finally:
        # It may be gone, which must not hide why this ends.
        try:
            with suppress(OSError):
                _write(terminal, _MARKS_OFF)
        finally:
            with suppress(termios.error):
                termios.tcsetattr(keys, termios.TCSADRAIN, before)
            os.close(terminal)


def _writable(keys: int) -> int:
    """The terminal of ``keys`` opened for writing, by its name or, where none is known as in many containers, as it
    is."""
    import fcntl
    with suppress(OSError):
        return os.open(os.ttyname(keys), os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    if fcntl.fcntl(keys, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise TriageError("the terminal that keys come from cannot be written to, so nothing can be asked there",
                          "use a terminal that can, or --confirm of triage act")
    return os.dup(keys)


def _write(terminal: int, text: str) -> None:
    left = text.encode()
    while left:
        left = left[os.write(terminal, left):]
