"""The two small languages of a runbook: ``when`` and ``expect``."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.runbook.condition import OUTCOMES, Condition, Term, parse_condition
from triage.runbook.criterion import Limit, Word, parse_criterion
from triage.signals.reading import Verdict

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)
ANSWERS = st.text(st.characters(blacklist_characters='"', blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)
TERMS = st.one_of(st.builds(Term, NAMES, st.sampled_from(OUTCOMES[:3])),
                  st.builds(Term, NAMES, st.just("answered"), ANSWERS))
CONDITIONS = st.builds(Condition, st.lists(st.lists(TERMS, min_size=1, max_size=3).map(tuple), min_size=1,
                                           max_size=3).map(tuple))


@given(CONDITIONS)
def test_what_is_written_is_read(condition: Condition) -> None:
    assert parse_condition(str(condition)) == condition


def test_and_binds_closer_than_or() -> None:
    assert parse_condition("a failed or b passed and c answered \"not yet\"") == Condition((
        (Term("a", "failed"),), (Term("b", "passed"), Term("c", "answered", "not yet"))))


@pytest.mark.parametrize("text", ["", "a", "a broke", "a failed b", "a failed and", "or a failed", "a answered",
                                  'a answered "x', '"a" failed', "failed a", 'a "failed"', 'a failed "or" b failed'])
def test_what_is_no_condition_is_said_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"\nsuch as"):
        parse_condition(text)


@given(st.text())
def test_no_text_breaks_the_reader_of_conditions(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_condition(str(parse_condition(text))) == parse_condition(text)


@given(CONDITIONS, st.dictionaries(st.integers(0, 30), st.sampled_from([True, False, None])))
def test_a_condition_is_decided_when_no_open_term_could_change_it(condition: Condition,
                                                                  values: dict[int, bool | None]) -> None:
    known = {term: values.get(n) for n, term in enumerate(dict.fromkeys(condition.terms()))}
    open_terms = [term for term, value in known.items() if value is None]
    if len(open_terms) > 6:
        return
    results = set()
    for bits in range(2 ** len(open_terms)):
        guess = known | {term: bool(bits >> n & 1) for n, term in enumerate(open_terms)}
        results.add(any(all(guess[t] for t in terms) for terms in condition.alternatives))
    held = condition.holds(lambda term: known[term])
    assert held in (None, *results)
    if held is not None:
        assert results == {held}


@pytest.mark.parametrize(("text", "value", "holds"), [
    ("< 2", 1.9, True), ("< 2", 2, False), ("<= 20", 20, True), (">= 99.9", 99.89, False), ("> 0", 0, False),
    ("== 0", 0, True), ("!= 0", 0, False), (">= -1e3", -1000, True)])
def test_a_limit_holds_on_its_side(text: str, value: float, holds: bool) -> None:
    limit = parse_criterion(text)
    assert isinstance(limit, Limit)
    assert limit.holds(value) is holds


@pytest.mark.parametrize("text", ["", "99", "=> 99", ">= ninety", "pass ", "fail", ">= 1e999", "< 1 and > 0"])
def test_what_is_no_criterion_is_said_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"\nwrite"):
        parse_criterion(text)


@pytest.mark.parametrize(("word", "passes"), [("pass", {Verdict.PASS}), ("not fail", {Verdict.PASS, Verdict.WARN})])
def test_what_is_not_judged_is_never_good_enough(word: str, passes: set[Verdict]) -> None:
    criterion = parse_criterion(word)
    assert isinstance(criterion, Word)
    held = {verdict: criterion.holds(verdict) for verdict in Verdict}
    assert {v for v, h in held.items() if h} == passes
    assert {v for v, h in held.items() if h is None} == set(Verdict) - {Verdict.PASS, Verdict.WARN, Verdict.FAIL}
