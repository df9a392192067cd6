"""Redrawing in place, as a terminal shows it."""

from __future__ import annotations

import pyte

from triage.report.watch import in_place


def shown(*pieces: str, rows: int = 10) -> list[str]:
    screen = pyte.Screen(40, rows)
    stream = pyte.Stream(screen)
    for piece in pieces:
        stream.feed(piece.replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display]


def test_a_shorter_report_leaves_nothing_of_the_longer_one() -> None:
    first, height = in_place("one\ntwo long\nthree\n", 0, 10)
    second, _ = in_place("uno\ndos\n", height, 10)
    assert shown(first, second)[:4] == ["uno", "dos", "", ""]


def test_what_was_on_the_terminal_before_stays() -> None:
    first, height = in_place("one\ntwo\n", 0, 10)
    second, _ = in_place("uno\ndos\ntres\n", height, 10)
    assert shown("$ triage status --watch\n", first, second)[:4] == ["$ triage status --watch", "uno", "dos", "tres"]


def test_a_report_higher_than_the_terminal_is_cut_and_says_so() -> None:
    report = "".join(f"line {n}\n" for n in range(30))
    first, height = in_place(report, 0, 10)
    second, _ = in_place(report, height, 10)
    assert shown(first, second)[:9] == [*(f"line {n}" for n in range(8)), "(22 more lines: make the window higher)"]


def test_no_line_is_blank_between_two_reports() -> None:
    second, _ = in_place("uno\ndos\n", 2, 10)
    assert second.index("uno") < second.index("\x1b[K") < second.index("dos")
    assert "\x1b[2J" not in second
