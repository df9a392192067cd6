"""What static analysis proves of a cell, and what it does not claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cells.books import C, ipynb
from tests.cells.test_document import book
from triage.cells.analysis import names_of
from triage.cells.choosing import choose


@pytest.mark.parametrize(("source", "defines", "needs"), [
    ("x = a + 1", {"x"}, {"a"}),
    ("import pandas as pd, os.path\nfrom m import n as o", {"pd", "os", "o"}, set()),
    ("def f(a):\n    b = a + c\n    return g(b)", {"f"}, {"c", "g"}),
    ("class K(Base):\n    y = z", {"K"}, {"Base", "z"}),
    ("df = df.dropna()", {"df"}, {"df"}),
    ("total += 1", {"total"}, {"total"}),
    ("rows = [r for r in data if r > limit]", {"rows"}, {"data", "limit"}),
    ("rows = []\nfor r in data:\n    rows.append(r)", {"rows", "r"}, {"data"}),
    ("f = lambda v: v + k", {"f"}, {"k"}),
    ("with open(p) as f:\n    t = f.read()", {"f", "t"}, {"p"}),
    ("try:\n    q()\nexcept E as e:\n    print(e)", {"e"}, {"q", "E"}),
    ("a: int = b", {"a"}, {"b"}),
    ("if flag:\n    df = df.dropna()", {"df"}, {"df", "flag"}),
    ("for r in data:\n    n = r\nprint(n, r)", {"r", "n"}, {"data"}),
    ("for n in range(n):\n    pass", {"n"}, {"n"}),
    ("match m:\n    case [x, *rest]:\n        print(x, rest)", {"x", "rest"}, {"m"}),
    ("x = [x for x in x]", {"x"}, {"x"}),
    ("def f():\n    return k\nk = 1", {"f", "k"}, set()),
    ("if (n := size(d)) > 1: print(n)", {"n"}, {"size", "d"}),
    ("def f():\n    global g\n    g = 1", {"f", "g"}, set()),
    ("print(len([1]))", set(), set()),
    ('text = f"{name!r:>{width}}"', {"text"}, {"name", "width"}),
])
def test_names_that_a_cell_defines_and_needs(source: str, defines: set[str], needs: set[str]) -> None:
    found = names_of(source)
    assert (set(found.defines), set(found.needs), found.doubts) == (defines, needs, ())


@pytest.mark.parametrize(("source", "doubt"), [
    ("from m import *", "it imports everything from m"), ("exec(text)", "it calls exec()"),
    ("globals()['x'] = 1", "it calls globals()"), ("del x", "it deletes a name"),
    ("%matplotlib inline\nx = 1", "it uses a magic or a shell command"), ("!ls", "it uses a magic or a shell command"),
    ("x = = 1", "it is not Python (line 1)"), ("get_ipython().run_line_magic('x', '')", "it calls get_ipython()")])
def test_what_cannot_be_known_is_doubted(source: str, doubt: str) -> None:
    assert doubt in names_of(source).doubts


@pytest.mark.parametrize("source", ["df['x'] = 1", "df.x = 1", "df.drop('x', inplace=True)", "df.update(other)",
                                    "df['a']['b'].append(1)"])
def test_what_changes_anothers_object_is_seen(source: str) -> None:
    assert names_of(source).changes == {"df"}


@pytest.mark.parametrize("source", ["df = df.drop('x')", "rows = []\nrows.append(1)", "x = df.fillna(0)",
                                    "def f(df):\n    df['x'] = 1"])
def test_what_makes_an_object_of_its_own_changes_nobodys(source: str) -> None:
    assert names_of(source).changes == frozenset()


@given(st.text(alphabet="abxy=+()[]:.\n '\"%!#*,\\{}", max_size=60))
def test_no_source_breaks_the_analysis(source: str) -> None:
    names_of(source)


CELLS = (C("parameters", "LIMIT = 5", ["parameters"]), C("load", "import math\ndata = [1, 2, 3]", []),
         C("train", "model = expensive(data)", []),
         C("helper", "def over(v):\n    return [x for x in v if x > LIMIT]", []))


def chosen(*more: C, asked: str) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
    found = book(ipynb(*CELLS, *more))
    out = choose(found, [found.cell(asked)])
    return [cell.id for cell in out.cells], out.doubts, out.unknown


def test_the_cells_whose_names_are_needed_run_before_and_no_others() -> None:
    assert chosen(C("ask", "print(over(data))", about={}), asked="ask") == (
        ["parameters", "load", "helper", "ask"], (), ())


def test_what_requires_names_counts_more_than_analysis_and_brings_its_own() -> None:
    extra = (C("first", "one = math.pi", about={}), C("ask", "print(unknown)", about={"requires": ["first"]}))
    assert chosen(*extra, asked="ask") == (["load", "first", "ask"], (), ())


def test_a_required_cell_that_is_not_there_is_named() -> None:
    assert chosen(C("ask", "1", about={"requires": ["gone"]}), asked="ask")[2] == (
        "ask requires gone, which is not there",)


def test_a_required_cell_must_stand_above() -> None:
    extra = (C("ask", "1", about={"requires": ["late"]}), C("late", "2"))
    assert chosen(*extra, asked="ask")[2] == ("ask requires late, which stands below it",)


@pytest.mark.parametrize(("extra", "doubt"), [
    ((C("ask", "print(nobody)", about={}),), "ask: nothing above defines nobody"),
    ((C("star", "from m import *", [], {}), C("ask", "print(nobody)", about={})),
     "ask: nobody may come from what star imports"),
    ((C("grow", "data.append(4)", [], {}), C("ask", "print(data)", about={})), "ask: grow changes data in place"),
    ((C("again", "data = [9]", [], {}), C("ask", "print(data)", about={})),
     "ask: data is defined in several cells (load, again); the last one counts"),
    ((C("ask", "exec('x = 1')", about={}),), "ask: it calls exec()")])
def test_what_is_not_proven_is_said(extra: tuple[C, ...], doubt: str) -> None:
    _, doubts, _ = chosen(*extra, asked="ask")
    assert doubt in doubts


def test_a_cell_that_carries_a_name_on_is_no_second_owner() -> None:
    cells, doubts, _ = chosen(C("more", "data = [*data, 4]", [], {}), C("ask", "print(data)", about={}), asked="ask")
    assert (cells, doubts) == (["load", "more", "ask"], ())


@given(st.permutations(["a = 1", "b = a", "c = a + b", "print(c)"]))
def test_what_is_proven_has_every_name_before_it_is_used(sources: list[str]) -> None:
    found = book(ipynb(*(C(f"c{n}", source, about={}) for n, source in enumerate(sources))))
    for cell in found.cells:
        out = choose(found, [cell])
        if not out.doubts and not out.unknown:
            known: dict[str, object] = {"print": lambda *_: None}
            for each in out.cells:
                exec(each.source, known)
