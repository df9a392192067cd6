"""How rows are divided."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triage.tui.layout import Need, allot
from triage.tui.screens.base import keys
from triage.tui.view import window_of

NEEDS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 20), st.booleans()), max_size=8).map(
    lambda made: [Need(f"part{n}", least, wanted, max(wanted, most), spaced)
                  for n, (least, wanted, most, spaced) in enumerate(made)])


@given(NEEDS, st.integers(-3, 60))
def test_no_more_rows_are_given_than_there_are(needs: list[Need], height: int) -> None:
    places = allot(height, needs, [n.name for n in needs])
    assert sum(p.rows + p.space for p in places.values()) <= max(0, height)
    assert all(places[n.name].rows <= max(n.most, n.least) for n in needs)


def test_the_first_in_priority_is_served_first() -> None:
    needs = [Need("charts", 1, 10, 10), Need("alerts", 1, 4, 4)]
    places = allot(6, needs, ["alerts", "charts"])
    assert (places["alerts"].rows, places["charts"].rows) == (4, 2)


def test_what_has_nothing_to_say_gets_nothing() -> None:
    assert allot(20, [Need("notes", 1, 0, 0)], ["notes"])["notes"].rows == 0


@given(st.integers(0, 50), st.integers(0, 49), st.integers(0, 20))
def test_the_selected_row_is_in_sight(total: int, selected: int, rows: int) -> None:
    shown = window_of(total, min(selected, total - 1) if total else None, rows)
    assert len(shown) == min(total, max(0, rows))
    if total and rows:
        assert min(selected, total - 1) in shown


def test_how_to_leave_stands_last_among_the_keys_wherever_it_fits() -> None:
    first = [("enter", "open"), ("z", "zoom"), ("?", "help"), ("/", "model")]
    assert keys(first, [("q", "quit")], 80).text == " enter open  z zoom  ? help  / model  q quit"
    assert keys(first, [("q", "quit")], 30).text == " enter open  z zoom  q quit"
    assert keys(first, [("q", "quit")], 9).text == " q quit"
    assert keys(first, [("q", "quit")], 5).text == ""


@given(st.lists(st.tuples(st.text(min_size=1, max_size=6), st.text(max_size=12)), max_size=8), st.integers(0, 120))
def test_the_keys_never_take_more_than_the_width(first: list[tuple[str, str]], width: int) -> None:
    assert keys(first, [("q", "quit")], width).width <= width
