"""Questions in PromQL: every window once, hostile label values quoted, slow windows narrowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.live.conftest import parts
from tests.signals.building import SUCCESS, notebook
from triage.facts.replies import MODEL, Part
from triage.live.channel import combined
from triage.live.expressions import Asked, Pace, pace_of, questions
from triage.notebook.load import load_all

Notebooks = Callable[..., Path]
HOSTILE = ('a"} or vector(1) or x{y="', "back\\slash", "`tick`", "\u202eesrever", "}) or up #")


def asked(folder: Path) -> tuple[Asked, ...]:
    [notebook] = load_all([folder]).notebooks
    return questions(notebook)


def outside_quotes(expression: str) -> str:
    """``expression`` without the contents of its quoted strings."""
    out, quoted, escaped = [], False, False
    for character in expression:
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        else:
            out.append(character)
    assert not quoted
    return "".join(out)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_label_value_stays_inside_its_quotes(notebooks: Notebooks, value: str) -> None:
    folder = notebooks(m=2)
    plain = [outside_quotes(a.expression) for a in asked(folder)]
    manifest = yaml.safe_load((folder / "m" / "manifest.yaml").read_text())
    manifest["spec"]["metrics"]["selector"] = {"model": value}
    (folder / "m" / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    hostile = asked(folder)
    assert [outside_quotes(a.expression) for a in hostile] == plain


def test_no_question_is_asked_twice(notebooks: Notebooks) -> None:
    found = [a.question for a in asked(notebooks(m=40))]
    assert len(found) == len(set(found))


def test_each_window_has_its_pace(notebooks: Notebooks) -> None:
    for item in asked(notebooks(m=2)):
        if item.question.window_seconds and item.question.objective != MODEL:
            assert item.pace is pace_of(item.question.window_seconds)


@pytest.mark.parametrize(("hours", "pace"), [(1 / 12, Pace.FAST), (1, Pace.FAST), (2, Pace.MID), (6, Pace.MID),
                                             (24, Pace.DAY), (72, Pace.DAY), (168, Pace.LONG), (720, Pace.LONG)])
def test_pace_of_a_window(hours: float, pace: Pace) -> None:
    assert pace_of(hours * 3600) is pace


def test_budgets_read_two_buckets_only(notebooks: Notebooks) -> None:
    narrowed = {a.question.window_seconds: "le=~" in a.expression for a in asked(notebooks(m=2))
                if a.question.part is Part.BUCKETS}
    assert narrowed[3600.0] is False
    assert [narrowed[hours * 3600.0] for hours in (6, 24, 72, 720)] == [True] * 4


def test_a_combined_query_holds_every_question_under_its_address(notebooks: Notebooks) -> None:
    items = asked(notebooks(m=3))
    expression, addresses = combined([(a.question, a.expression) for a in items])
    found = {addresses[address]: text for address, text in parts(expression)}
    assert found == {a.question: a.expression for a in items}


@pytest.mark.parametrize(("rule", "span"), [("24h", "[1d:1m]"), ("72h", "[3d:1m]")])
def test_versions_are_looked_for_as_far_back_as_the_rollout_rule_reads(rule: str, span: str) -> None:
    found = questions(notebook(SUCCESS, more=f"rollout_rule: {{window: {rule}}}"))
    seen = [a for a in found if a.question.part in (Part.FIRST_SEEN, Part.LAST_SEEN)]
    assert len(seen) == 2
    assert all(span in a.expression and a.pace is Pace.DAY for a in seen)


def recorded(slo: str, more: str = "") -> str:
    """The question for the ratios recorded over a day."""
    return next(a.expression for a in questions(notebook(slo, more=more))
                if a.question.part is Part.RECORDED and a.question.window_seconds == 86400)


def test_recorded_series_are_found_by_the_names_of_model_and_objective() -> None:
    assert recorded(SUCCESS) == (
        '(max({__name__=~"slo:sli_error:ratio_rate(1d)",sloth_service="m",sloth_slo="success"}) or '
        'max({__name__=~".+:burnrate(1d)",slo="m-success",model=~"|m"}))')


def test_a_named_service_is_sloths_word_and_leaves_pyrra_out() -> None:
    found = recorded(SUCCESS.replace("objective:", "recorded: {service: scorer, slo: ok}, objective:"))
    assert found == 'max({__name__=~"slo:sli_error:ratio_rate(1d)",sloth_service="scorer",sloth_slo="ok"})'


def test_a_label_that_pyrras_rules_share_is_told_apart_by_the_models_own_labels() -> None:
    found = recorded("{name: success, sli: {bad: 'r_total{code=\"500\",job=\"api\"}', total: 'r_total{job=\"api\"}'}, "
                     "recorded: {slo: ok}, objective: 99}")
    assert 'max({__name__=~".+:burnrate(1d)",slo="ok",job="api",model="m"})' in found
