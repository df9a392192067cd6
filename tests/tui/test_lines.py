"""Lines, their widths, and that only rows which differ are painted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region

from triage.tui.line import Column, Line, Role, fit, line, row, wrap
from triage.tui.look import Look
from triage.tui.theme import DARK, NO_COLOUR
from triage.tui.widgets.lines import Lines, last_difference, strip

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")), max_size=30)
ROLES = st.sampled_from(list(Role))
LINES = st.lists(st.tuples(TEXT, ROLES), max_size=6).map(lambda spans: Line(tuple(spans)))


@given(TEXT, st.integers(0, 40))
def test_a_fitted_text_is_never_too_wide(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) <= width


@given(LINES, st.integers(0, 60))
def test_a_placed_line_has_exactly_its_width(made: Line, width: int) -> None:
    assert made.placed(width).width == width


@given(LINES, st.integers(1, 60), st.sampled_from([DARK, NO_COLOUR]))
def test_a_strip_says_what_the_line_says(made: Line, width: int, palette: object) -> None:
    drawn = strip(made, width, DARK if palette is DARK else NO_COLOUR)
    assert drawn.text == made.placed(width).text
    assert sum(cell_len(s.text) for s in drawn) == width


@given(LINES, LINES, st.integers(1, 40))
def test_painting_up_to_the_last_difference_is_enough(old: Line, new: Line, width: int) -> None:
    extent = last_difference(old, new, width)
    before, after = strip(old, width, DARK), strip(new, width, DARK)
    assert before.crop(extent, width).text == after.crop(extent, width).text


@given(TEXT, st.integers(1, 30))
def test_wrapping_loses_nothing_but_blanks(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert "".join("".join(rows).split()) == "".join(text.split())
    assert all(cell_len(r) <= max(2, width) for r in rows)


def test_since_stays_with_its_time() -> None:
    assert wrap("for FraudCanarySlow, since 19:21, since then", 28) == ["for FraudCanarySlow,",
                                                                        "since 19:21, since then"]


@given(st.lists(TEXT, min_size=3, max_size=3))
def test_cells_of_a_table_stay_in_their_columns(cells: list[str]) -> None:
    columns = [Column("a", 8, gap=0), Column("b", 5, "right"), Column("c", 6)]
    assert row(columns, cells).width == 8 + 2 + 5 + 2 + 6


def test_neighbours_of_one_style_are_one_run() -> None:
    drawn = strip(line(("a", Role.FAIL), ("b", Role.FAIL), " ", ("c", Role.FAIL), "d"), 10, DARK)
    assert [s.text for s in drawn] == ["ab c", "d     "]


def test_plain_text_carries_no_style() -> None:
    assert [s.style for s in strip(line("healthy"), 10, DARK)] == [None]


def test_reversed_text_does_not_swallow_the_blank_after_it() -> None:
    assert [s.text for s in strip(line(("page", Role.FAIL), " x"), 8, NO_COLOUR)] == ["page", " x  "]


def test_ascii_has_no_other_letters() -> None:
    look = Look(ascii=True, chart="ascii")
    assert look.say("≥ 440 µs … 日本 ✖") == ">= 440 us ... ???? x"


class Painted(Lines):
    """Counts what it asks to be painted."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[Region] = []

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Painted:
        self.regions.extend(regions)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class One(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.part = Painted()

    def compose(self) -> ComposeResult:
        yield self.part


async def test_only_the_changed_part_of_changed_rows_is_painted() -> None:
    app = One()
    async with app.run_test(size=(40, 10)) as pilot:
        app.part.set_lines([line("one"), line("two"), line("three")])
        app.part.styles.height = 3
        await pilot.pause()
        app.part.regions.clear()
        app.part.set_lines([line("one"), line("tWo"), line("three")])
        assert app.part.regions == [Region(0, 1, 3, 1)]
        app.part.regions.clear()
        app.part.set_lines([line("one"), line("tWo"), line("three")])
        assert app.part.regions == []


async def test_a_row_that_is_gone_is_blanked() -> None:
    app = One()
    async with app.run_test(size=(40, 10)) as pilot:
        app.part.styles.height = 2
        app.part.set_lines([line("one"), line("two")])
        await pilot.pause()
        app.part.set_lines([line("one")])
        await pilot.pause()
        assert app.part.render_line(1).text == " " * 40
