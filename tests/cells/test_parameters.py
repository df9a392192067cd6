"""Parameters: read from the parameters cell, set by text, injected as data and never as code."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cells.books import C, ipynb
from tests.cells.test_document import book
from triage.cells.parameters import ParameterError, injected_source, parameters_of, settled

SOURCE = ('NAME = "amount"\nCOUNT = 3\nLIMIT: float = 0.5\nDEEP = False\nLIST = ["a"]\nMAP = {"a": 1}\n'
          "WINDOW_END = None\nA = B = 1\nWHERE = Path('x')\nprint(NAME)")


def made(source: str = SOURCE) -> Any:
    return book(ipynb(C("p", source, ["parameters"], None)))


def test_every_assignment_is_a_parameter_with_its_default() -> None:
    found = {p.name: p.default for p in parameters_of(made())}
    assert found == {"NAME": "amount", "COUNT": 3, "LIMIT": 0.5, "DEEP": False, "LIST": ["a"], "MAP": {"a": 1},
                     "WINDOW_END": None, "A": 1, "B": 1, "WHERE": None}


@pytest.mark.parametrize(("name", "text", "value"), [
    ("NAME", "3", "3"), ("COUNT", "7", 7), ("COUNT", "7.5", 7.5), ("LIMIT", "1e-3", 0.001), ("DEEP", "TRUE", True),
    ("LIST", '["b", 1]', ["b", 1]), ("MAP", "{}", {}), ("WHERE", "x y", "x y"), ("WINDOW_END", "5", "5")])
def test_a_text_is_read_by_the_kind_of_the_default(name: str, text: str, value: object) -> None:
    found = settled(made(), {name: text}, {})
    assert found == {name: value}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(("name", "text", "said"), [
    ("COUNT", "many", "its default says that it is a number"), ("DEEP", "1", "true or false"),
    ("LIST", "{}", "JSON, such as"), ("MAP", "[", "JSON, such as"), ("LIST", "[NaN]", "JSON, such as"),
    ("NMAE", "x", "did you mean NAME?"), ("ELSE", "x", "there are: NAME, COUNT")])
def test_what_does_not_fit_is_refused(name: str, text: str, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        settled(made(), {name: text}, {})
    assert said in caught.value.hint


def test_a_notebook_without_a_parameters_cell_takes_none() -> None:
    plain = book(ipynb(C("a", "x = 1", [], None)))
    assert settled(plain, {}, {"WINDOW_END": 1.0}) == {}
    with pytest.raises(ParameterError, match="has no parameters to set"):
        settled(plain, {"x": "2"}, {})


def test_a_parameters_cell_that_is_not_python_has_none() -> None:
    assert parameters_of(made("x = = 1")) == ()


def test_what_triage_fills_is_injected_where_the_cell_has_it_and_a_person_says_more() -> None:
    assert settled(made(), {}, {"WINDOW_END": 9.0, "LIVE_VERSION": "8"}) == {"WINDOW_END": 9.0}
    assert settled(made(), {"WINDOW_END": "now"}, {"WINDOW_END": 9.0}) == {"WINDOW_END": "now"}


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                      max_leaves=8)


@given(st.dictionaries(st.sampled_from(["A", "B", "_c"]), VALUES, max_size=3))
def test_injected_values_come_back_as_they_are_whatever_is_in_them(values: dict[str, Any]) -> None:
    space: dict[str, Any] = {"inf": math.inf}
    exec(injected_source(values), {}, space)
    assert {name: space[name] for name in values} == values


@given(st.text())
def test_a_text_from_outside_never_becomes_code(text: str) -> None:
    values = settled(made(), {"NAME": text}, {})
    space: dict[str, Any] = {}
    exec(injected_source(values), {"__builtins__": {}}, space)
    assert space == {"NAME": text}
