"""Expressions that differ in nothing but the models' own values become one, and its answer is told apart again."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.facts.samples import Answer, Labels, Sample, Series
from triage.live.channel import ADDRESS
from triage.live.fleet_order import placed
from triage.live.fleet_plan import Batch
from triage.live.fleet_promql import MARK, NotShared, branches
from triage.live.fleet_sharing import Shared, share

NAMES = ("a", "b")


def written(template: str, *names: str) -> list[tuple[str, ...]]:
    """What is asked when each model's name stands for ``NAME``."""
    return [shared.texts() for shared in share((name, "q", template.replace("NAME", name)) for name in names)]


@pytest.mark.parametrize(("template", "together"), [
    ('sum(rate(x{model="NAME"}[5m]))', 'sum by (model) (rate(x{model=~"a|b"}[5m]))'),
    ('sum by (v) (increase(x{model="NAME",code!~"5.."}[30d]))',
     'sum by (v, model) (increase(x{model=~"a|b",code!~"5.."}[30d]))'),
    ('x{model="NAME"}', 'x{model=~"a|b"}'),
    ('(time() - max(x{model="NAME"}))', 'time() - max by (model) (x{model=~"a|b"})'),
    ('(sum(rate(s{m="NAME"}[5m])) / sum(rate(c{m="NAME"}[5m])) * 0.001)',
     'sum by (m) (rate(s{m=~"a|b"}[5m])) / sum by (m) (rate(c{m=~"a|b"}[5m])) * 0.001'),
    ('topk(20, sum by (f) (increase(x{m="NAME"}[1h])) > 0)',
     'topk by (m) (20.0, sum by (f, m) (increase(x{m=~"a|b"}[1h])) > 0.0)'),
    ('count_over_time(((max(x{m="NAME"}) > -Inf < +Inf) > 3)[1h:1m])',
     'count_over_time(((max by (m) (x{m=~"a|b"}) > -Inf < Inf) > 3.0)[1h:1m])'),
    ('max without (pod) (x{m="NAME"} offset 5m)', 'max without (pod) (x{m=~"a|b"} offset 5m)'),
    ('histogram_quantile(0.95, sum by (v, le) (rate(x{m="NAME"}[1h])))',
     'histogram_quantile(0.95, sum by (v, le, m) (rate(x{m=~"a|b"}[1h])))'),
    ('sum by (v) (increase(x{m="NAME",v=~"NAME-1|NAME-2"}[1h]))',
     'sum by (v, m) (increase(x{m=~"a|b",v=~"a-1|a-2|b-1|b-2"}[1h]))')])
def test_selectors_take_all_values_and_sums_are_kept_apart_by_them(template: str, together: str) -> None:
    assert written(template, *NAMES) == [(together,)]


@pytest.mark.parametrize("template", [
    'absent(x{m="NAME"})', 'scalar(x{m="NAME"})', 'avg(x{pod=~"NAME-.*"})', 'avg(x{pod=~"NAME|other"})',
    'label_replace(x{m="NAME"}, "m", "other", "", "")', 'label_replace(x, "m", "NAME", "", "")',
    'sum without (m) (x{m="NAME"})', 'sum(x{m="NAME"}) / on (v) sum(y{m="NAME"})', 'x{m="NAME"} / sum(y{m="NAME"})',
    'sum(x{m="NAME"}) / sum(y)', 'sum(x{m="NAME"}) / sum(y{n="NAME"})', 'x{m!="NAME"}', '{__name__="NAME"}',
    'x{m="NAME"} @ 5', 'x{m="NAME"} # "', 'no PromQL {m="NAME"', 'x{m="NAME"} + time'])
def test_what_cannot_be_told_apart_is_asked_of_each_model(template: str) -> None:
    assert written(template, *NAMES) == [(template.replace("NAME", name),) for name in NAMES]


def test_what_is_the_same_for_all_is_asked_once() -> None:
    [shared] = share((name, "q", 'sum(gpu{node="n1"})') for name in NAMES)
    found = Sample({}, 1.0, 0.0)
    assert shared.texts() == ('sum(gpu{node="n1"})',)
    assert shared.told_apart([[found]]) == {"a": [found], "b": [found]}


def test_a_setting_that_differs_divides_the_models_by_it() -> None:
    made = share([("a", "q", 'x{m="a",le=~"0.5"}'), ("b", "q", 'x{m="b",le=~"0.9"}'), ("c", "q", 'x{m="c",le=~"0.5"}')])
    assert sorted(shared.texts() for shared in made) == [('x{m="b",le=~"0.9"}',), ('x{m=~"a|c",le=~"0.5"}',)]


def test_questions_of_another_objective_or_function_are_not_mixed() -> None:
    made = share([("a", "p", 'sum(x{m="a"})'), ("b", "p", 'sum(x{m="b"})'), ("b", "q", 'sum(x{m="b"})'),
                  ("c", "p", 'max(x{m="c"})')])
    assert [sorted(shared.members) for shared in made] == [["a", "b"], ["b"], ["c"]]


def test_two_models_with_one_value_get_the_same_samples() -> None:
    [shared] = share([("a", "q", 'sum(x{m="one"})'), ("b", "q", 'sum(x{m="one"})'), ("c", "q", 'sum(x{m="two"})')])
    one, two = Sample({"m": "one"}, 1.0, 0.0), Sample({"m": "two"}, 2.0, 0.0)
    assert shared.told_apart([[one, two]]) == {"a": [one], "b": [one], "c": [two]}


def test_series_of_models_that_were_not_asked_about_are_left_out() -> None:
    [shared] = share((name, "q", f'sum(x{{m="{name}"}})') for name in NAMES)
    assert shared.told_apart([[Sample({"m": "c"}, 1.0, 0.0), Sample({}, 1.0, 0.0)]]) == {"a": [], "b": []}


def test_models_told_by_several_labels_need_all_of_them() -> None:
    [shared] = share([("a", "q", 'sum(x{m="one",site="eu"})'), ("b", "q", 'sum(x{m="two",site="us"})')])
    stray = Sample({"m": "one", "site": "us"}, 9.0, 0.0)
    mine = Sample({"m": "one", "site": "eu"}, 1.0, 0.0)
    assert shared.told_apart([[stray, mine]]) == {"a": [mine], "b": []}


RECORDED = '(max({r="sloth",service="NAME"}) or max({r="pyrra",slo="NAME-s",m=~"|NAME"}))'


def test_alternatives_by_other_labels_are_asked_apart_and_the_first_with_an_answer_counts() -> None:
    [shared] = share((name, "q", RECORDED.replace("NAME", name)) for name in NAMES)
    assert shared.texts() == ('max by (service) ({r="sloth",service=~"a|b"})',
                              'max by (m, slo) ({r="pyrra",slo=~"a-s|b-s",m=~"|a|b"})')
    sloth = Sample({"service": "a"}, 0.5, 0.0)
    pyrra = [Sample({"slo": "a-s"}, 0.7, 0.0), Sample({"slo": "b-s"}, 0.1, 0.0),
             Sample({"slo": "b-s", "m": "b"}, 0.2, 0.0), Sample({"slo": "b-s", "m": "a"}, 0.9, 0.0)]
    found = shared.told_apart([[sloth], pyrra])
    assert found["a"] == [sloth]
    assert [sample.value for sample in found["b"]] == [0.2]


def test_series_of_one_model_under_several_values_become_one_at_each_time() -> None:
    [shared] = share((name, "q", f'max({{m=~"|{name}"}})') for name in NAMES)
    found = shared.told_apart([[Series({}, (1.0, 2.0), (5.0, 1.0)), Series({"m": "a"}, (2.0, 3.0), (4.0, 2.0))]])
    assert [(s.times, s.values) for s in found["a"]] == [((1.0, 2.0, 3.0), (5.0, 4.0, 2.0))]
    assert [(s.times, s.values) for s in found["b"]] == [((1.0, 2.0), (5.0, 1.0))]


def test_labels_that_are_mostly_ours_need_no_list() -> None:
    [shared] = share((name, "q", f'sum(x{{m="{name}"}})') for name in NAMES)
    assert shared.texts({"m"}) == ('sum by (m) (x{m!=""})',)


def test_a_value_that_may_be_absent_is_always_listed() -> None:
    [shared] = share([("a", "q", 'sum(x{m=""})'), ("b", "q", 'sum(x{m="b"})')])
    assert shared.texts({"m"}) == ('sum by (m) (x{m=~"|b"})',)


def test_halves_ask_about_half_of_the_models() -> None:
    [shared] = share((name, "q", f'sum(x{{m="{name}"}})') for name in ("a", "b", "c"))
    assert [half.texts() for half in shared.halves()] == [('sum by (m) (x{m="a"})',), ('sum by (m) (x{m=~"b|c"})',)]


def test_the_own_value_outside_a_matcher_is_refused_by_its_place() -> None:
    with pytest.raises(NotShared) as refused:
        branches(f'label_replace(x{{m="{MARK}0"}}, "other", "{MARK}1", "", "")')
    assert refused.value.column == 1


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda name: "\x00" not in name), min_size=2, max_size=6,
                unique=True))
def test_any_value_finds_its_own_samples_again(values: list[str]) -> None:
    from triage.notebook.selector import quote
    [shared] = share((str(n), "q", f"sum(x{{m={quote(value)}}})") for n, value in enumerate(values))
    samples = [Sample({"m": value}, float(n), 0.0) for n, value in enumerate(values)]
    assert shared.told_apart([samples]) == {str(n): [sample] for n, sample in enumerate(samples)}


QUESTIONS = {"p": 'sum by (v) (p{m="NAME"})', "q": RECORDED, "r": 'sum(gpu{node="n1"})', "s": 'max(s{m=~"|NAME"})'}
LABELS = st.builds(
    lambda number, more: {ADDRESS: str(number), **more}, st.integers(0, 6),
    st.dictionaries(st.sampled_from(("m", "service", "slo")), st.sampled_from(("a", "b", "c", "a-s", "b-s"))))


@given(st.lists(st.tuples(st.lists(st.tuples(LABELS, st.floats(0, 9)), max_size=12), st.booleans()), min_size=1,
                max_size=3))
def test_an_answer_is_told_apart_whatever_the_one_before_was_like(
        answers: list[tuple[list[tuple[dict[str, str], float]], bool]]) -> None:
    asked: tuple[Shared[Hashable], ...] = tuple(share((name, question, text.replace("NAME", name))
                                                      for name in NAMES for question, text in QUESTIONS.items()))
    again = Batch(asked)
    known: list[tuple[Labels, ...]] = []
    for rows, repeated in answers:
        samples = tuple(Sample(labels, value, 0.0) for labels, value in rows)
        if known and repeated:
            # The same series with other values, as they nearly always come.
            samples = tuple(Sample(labels, value + 1, 0.0) for value, labels in enumerate(known[-1]))
        known.append(tuple(sample.labels for sample in samples))
        _, addresses = again.query(())
        alone = Batch(asked)
        fresh = alone.read(Answer(0.0, samples), alone.query(())[1])
        assert again.read(Answer(0.0, samples), addresses) == fresh
        assert again._order is not None
        assert again._order.labels == known[-1]
        by_place = placed(samples, addresses)
        for number, shared in enumerate(asked):
            found = shared.told_apart([by_place.get((number, branch), []) for branch in range(shared.parts)])
            assert {name: list(fresh[name].get(shared.address, ())) for name in shared.members} == found
