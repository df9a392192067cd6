"""Stack traces in texts: Python's and Java's, and which of them are the same failure. Pure.

By hand, because what groups errors elsewhere is a service (Sentry) and not a library.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from triage.facts.logs import LogLine, StackTrace
from triage.text import clean

MESSAGE_LIMIT = 300
_MOST_FRAMES = 100

_PYTHON_START = re.compile(r"^\s*(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):\s*$")
_GROUP_MARK = re.compile(r"^\s*[|+](?:-\+-+.*)? ?")
_PYTHON_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line \d+(?:, in (?P<function>.+?))?\s*$')
_PYTHON_ERROR = re.compile(r"^(?P<type>[^\W\d][\w.]*(?:<locals>[\w.]+)*)(?:: ?(?P<message>.*))?$")
_JAVA_FRAME = re.compile(r"^\s*at (?P<where>[^(]*?)\s?"
                         r"\((?P<file>[^()]*:\d+|Native Method|Unknown Source|<generated>|<anonymous>)\)\s*$")
_JAVA_ERROR = re.compile(r'^(?P<cause>\s*Caused by: )?(?:Exception in thread "[^"]*" )?'
                         r"(?P<type>[^\W\d][\w$]*(?:\.[\w$]+)*)(?:: ?(?P<message>.*))?$")
_JAVA_MODULE = re.compile(r"^(?:[\w.$-]*@?[\w.$-]*/)+")
_POSITION = re.compile(r"(?::\d+)+$")
# What the JVM and CGLIB number anew at every start.
_GENERATED = re.compile(r"\$\$Lambda(?:\$\d+)?(?:/0x[0-9a-f]+|/\d+)?|\$\$\w*CGLIB\$\$\w+"
                        r"|(?<=GeneratedMethodAccessor)\d+|(?<=\$Proxy)\d+")
_PACKAGES = re.compile(r"^.*/(?:site|dist)-packages/")

HINT = (r"Traceback \(most recent call last\)"
        r"|(\\t|\b)at [^\s(\\]+ ?\([^()]*(\.[a-z]+:[0-9]+|Native Method|Unknown Source)")
"""A regular expression (RE2 and Python) that every text with a trace matches, also when it is a JSON string."""
HINT_PATTERN = re.compile(HINT)
RECORD_HINT = HINT + r'|\\?"exc_type\\?"|File \\?"[^"\\]+\\?", line [0-9]+, in '
"""The same for whole records, where structlog may have written the frames as objects, and ECS' libraries have left
Python's first line out."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack trace, read."""

    exception: str
    """"" when the text ends before it."""
    cause: str
    """Root cause; "" for none."""
    message: str
    frames: tuple[str, ...]
    """Outermost call first; without positions, repeated ones once."""

    @property
    def is_fragment(self) -> bool:
        """Whether it is a single line of a trace: whoever collects the lines does not join those of one trace."""
        return not self.exception and len(self.frames) <= 1

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits. The same for the same types and frames, whatever the messages and positions."""
        identity = "\0".join((self.exception, self.cause, *self.frames))
        return hashlib.sha256(identity.encode("utf-8", errors="replace")).hexdigest()[:12]


def read_stack(text: str) -> Stack | None:
    """The stack trace in a cleaned text; None when there is none.

    Of a chain, the exception that came through counts: the last one in Python, the first in Java; the other end of the
    chain is the cause.
    """
    lines = text.split("\n")
    found = _python(lines)
    return _java(lines) if found is None else found


def group(lines: Iterable[LogLine]) -> tuple[tuple[StackTrace, ...], int]:
    """(traces, fragments): lines with the same fingerprint together, newest first, and how many hold a fragment only.

    Lines without a stack trace are left out. Of lines that do not say when they were, the order given counts, newest
    first.
    """
    fragments = 0
    members: dict[str, list[tuple[LogLine, Stack]]] = {}
    read: dict[str, Stack | None] = {"": None}
    for line in lines:
        if line.stack not in read:
            read[line.stack] = read_stack(line.stack)
        stack = read[line.stack]
        if stack is not None and stack.is_fragment:
            fragments += 1
        elif stack is not None:
            members.setdefault(stack.fingerprint, []).append((line, stack))
    traces = [_together(fingerprint, found) for fingerprint, found in members.items()]
    return tuple(sorted(traces, key=lambda trace: _time(trace.example), reverse=True)), fragments


def _together(fingerprint: str, found: Sequence[tuple[LogLine, Stack]]) -> StackTrace:
    # max() takes the first of equal ones.
    newest, stack = max(found, key=lambda pair: _time(pair[0]))
    times = [line.at for line, _ in found if line.at is not None]
    versions = Counter(line.version for line, _ in found)
    return StackTrace(
        fingerprint, stack.exception, stack.cause, stack.message, stack.frames, len(found), min(times, default=None),
        max(times, default=None), tuple(sorted(versions.items(), key=lambda item: (-item[1], item[0]))), newest)


def _time(line: LogLine) -> float:
    return float("-inf") if line.at is None else line.at


def _python(lines: Sequence[str]) -> Stack | None:
    starts = [i for i, line in enumerate(lines) if _PYTHON_START.match(line)]
    if not starts:
        return None
    if "Exception Group" in lines[starts[0]]:
        # The parts of a group follow it, further to the right; they are what it holds, not what came through.
        return _python_part([_GROUP_MARK.sub("", line) for line in lines[starts[0] + 1:]], "")
    indent = lines[starts[-1]][:len(lines[starts[-1]]) - len(lines[starts[-1]].lstrip())]
    lines = [line.removeprefix(indent) for line in lines]
    cause = ""
    if len(starts) > 1:
        first = _python_part(lines[starts[0] + 1:starts[1]], "")
        cause = first.exception
    return _python_part(lines[starts[-1] + 1:], cause)


def _python_part(lines: Sequence[str], cause: str) -> Stack:
    """What follows one ``Traceback`` line."""
    frames: list[str] = []
    for line in lines:
        frame = _PYTHON_FRAME.match(line)
        if frame:
            frames.append(f"{_short(frame['file'])}:{frame['function'] or '<source>'}")
        elif line[:1].strip() and (error := _PYTHON_ERROR.match(line)):
            return Stack(error["type"], cause, clean((error["message"] or "").strip(), limit=MESSAGE_LIMIT),
                         _distinct(frames))
    return Stack("", cause, "", _distinct(frames))


def _java(lines: Sequence[str]) -> Stack | None:
    """Java's, and what is written in the same way (Kotlin, Scala, JavaScript)."""
    at = next((i for i, line in enumerate(lines) if _JAVA_FRAME.match(line)), None)
    if at is None:
        return None
    error = _above(lines, at)
    frames: list[str] = []
    for line in lines[at:]:
        frame = _JAVA_FRAME.match(line)
        if not frame:
            if line.lstrip().startswith("at "):
                continue
            break
        where = _JAVA_MODULE.sub("", _GENERATED.sub("", frame["where"]))
        frames.append(f"{_short(_POSITION.sub('', frame['file']))}:{where}")
    causes = [found["type"] for line in lines[at:] if (found := _JAVA_ERROR.match(line)) and found["cause"]]
    cause = causes[-1] if causes else ""
    if error is None:
        return Stack("", cause, "", _distinct(frames[::-1]))
    return Stack(error["type"], cause, clean((error["message"] or "").strip(), limit=MESSAGE_LIMIT),
                 _distinct(frames[::-1]))


def _above(lines: Sequence[str], at: int) -> re.Match[str] | None:
    """The line above the first frame that names the exception; messages may have several lines."""
    candidates = [found for line in lines[max(0, at - 20):at] if (found := _JAVA_ERROR.match(line))]
    named = [found for found in candidates if re.search(r"(?:Error|Exception|Throwable|Failure)$", found["type"])]
    return next(reversed(named or candidates), None)


def _distinct(frames: Sequence[str]) -> tuple[str, ...]:
    """Without repetitions in a row, so that a recursion is the same however deep; the ends of a very long one."""
    kept = [frame for i, frame in enumerate(frames) if i == 0 or frames[i - 1] != frame]
    if len(kept) > _MOST_FRAMES:
        kept = kept[:_MOST_FRAMES // 2] + kept[-_MOST_FRAMES // 2:]
    return tuple(kept)


def _short(path: str) -> str:
    """A file's path without what differs from machine to machine: what follows site-packages, else the name alone."""
    plain = path.replace("\\", "/")
    short = _PACKAGES.sub("", plain)
    return short if short != plain else plain.rpartition("/")[2]
