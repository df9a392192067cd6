"""A change in little room: what both values have in common is left out, what tells them apart is not. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

ARROW = " -> "
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}(?![0-9a-f])")
_FEWEST_DIGITS = 12
_BOUNDARIES = ("/", "@", ":", "/@:=, ")
"""Where what both begin with may end, in the order in which it is tried: the name, the digest, the tag, any."""
_BESIDE_PATH = 3
"""The last part of a path takes at most one of so many parts of the room."""


def shortened(change: str, room: int, ellipsis: str = "…", measure: Callable[[str], int] = len) -> str:
    """``spec.image a -> b`` in ``room`` cells (of ``measure``): digests in 12 digits, without what both values begin
    with, with the end of the path only, and then without the ends of values; all of it only where there is need.

    Two values that differ are shown as two texts that differ, for 24 cells and more.
    """
    if measure(change) <= room:
        return change
    path, _, values = change.partition(" ")
    before, arrow, after = values.partition(ARROW)
    if not arrow:
        return _end_of(path, room - measure(values) - 1, ellipsis, measure) + f" {values}"
    before, after = _short_digests(before, after)
    text = f"{path} {before}{ARROW}{after}"
    if measure(text) <= room:
        return text
    for old, new in _without_beginning(before, after, ellipsis):
        left = room - measure(f" {old}{ARROW}{new}")
        end = _end_of(path, left, ellipsis, measure)
        if measure(end) <= left:
            return f"{end} {old}{ARROW}{new}"
    end = _end_of(path, room // _BESIDE_PATH, ellipsis, measure)
    if measure(end) > room // _BESIDE_PATH:
        end = _kept(end[::-1], room // _BESIDE_PATH, ellipsis[::-1], measure)[::-1]
    old, new = apart(before, after, room - measure(end) - 1, ellipsis, measure)
    return f"{end} {old}{ARROW}{new}"


def apart(before: str, after: str, room: int, ellipsis: str = "…",
          measure: Callable[[str], int] = len) -> tuple[str, str]:
    """Both texts so that they and an arrow take ``room`` cells (of ``measure``), and differ where the texts differ."""
    def fits(old: str, new: str) -> bool:
        return measure(f"{old}{ARROW}{new}") <= room
    if fits(before, after):
        return before, after
    before, after = _short_digests(before, after)
    if fits(before, after):
        return before, after
    old, new = before, after
    for old, new in _without_beginning(before, after, ellipsis):
        if fits(old, new):
            return old, new
    # What is left begins with what differs: the ends may go.
    half = (room - len(ARROW)) // 2
    spare = max(0, half - min(measure(old), measure(new)))
    return (_kept(old, half + spare if measure(old) > half else half, ellipsis, measure),
            _kept(new, half + spare if measure(new) > half else half, ellipsis, measure))


def _short_digests(before: str, after: str) -> tuple[str, str]:
    """With ``sha256:`` and 12 digits, or as many as it takes to tell all digests apart."""
    found = {*_DIGEST.findall(before), *_DIGEST.findall(after)}
    for length in range(len("sha256:") + _FEWEST_DIGITS, len("sha256:") + 64):
        if len({each[:length] for each in found}) == len(found):
            old, new = before, after
            for each in found:
                old, new = old.replace(each, each[:length]), new.replace(each, each[:length])
            return (old, new) if (old == new) == (before == after) else (before, after)
    return before, after


def _without_beginning(before: str, after: str, ellipsis: str) -> Iterator[tuple[str, str]]:
    """Both without more and more of what they begin with, whole first where that is no path; at last exactly without
    it."""
    common = next((place for place, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
                  min(len(before), len(after)))
    if "/" not in before[1:common]:
        yield before, after
    for marks in _BOUNDARIES:
        start = max(before.rfind(mark, 0, common) for mark in marks)
        if start > 0:
            yield f"{ellipsis}{before[start:]}", f"{ellipsis}{after[start:]}"
    if common:
        yield f"{ellipsis}{before[common:]}", f"{ellipsis}{after[common:]}"


def _end_of(path: str, room: int, ellipsis: str, measure: Callable[[str], int]) -> str:
    """The path, without its first names as long as it does not fit; at least its last name."""
    while measure(path) > room and "." in path.removeprefix(ellipsis):
        path = f"{ellipsis}{path.removeprefix(ellipsis).partition('.')[2]}"
    return path


def _kept(text: str, room: int, ellipsis: str, measure: Callable[[str], int]) -> str:
    """The beginning of the text, with an ellipsis where something is cut."""
    if measure(text) <= room:
        return text
    while text and measure(text) + measure(ellipsis) > room:
        text = text[:-1]
    return f"{text}{ellipsis}"
